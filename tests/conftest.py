"""What tests of several modules need."""

import sys
import warnings

import pytest
import torch


@pytest.fixture(scope="session")
def torchvision():
    """Lets torchvision import where its compiled operators do not load.

    It registers fake versions of nms and qnms at import and needs their schemas for that.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import torchvision
        except RuntimeError:
            for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
                del sys.modules[name]
            library = torch.library.Library("torchvision", "FRAGMENT")
            library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            import torchvision

            yield torchvision
            return
        except ImportError:
            pytest.skip("torchvision is not installed")
        yield torchvision
