"""GPEN's published implementation, and its ONNX export in onnxruntime, as methods to measure.

The builders run in the processes that measure; see `gpen_core.bench.measure_network`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gpen_core.bench.cases import CONFIGURATIONS, Method, NetworkCase
from gpen_core.errors import BenchmarkError
from gpen_core.network.synthetic_weights import random_state

_HERE = Path(__file__).resolve().parent
_CACHE = _HERE / ".cache"


def reference_method(checkout: Path) -> Method:
    """The published implementation on its pure-torch path.

    Raises:
        BenchmarkError: `checkout` is not a checkout of yangxy/GPEN.
    """
    folder = checkout.resolve() / "face_model"
    if not (folder / "gpen_model.py").is_file():
        raise BenchmarkError(
            f"{checkout} is not a checkout of yangxy/GPEN: face_model/gpen_model.py is missing"
        )
    return Method("reference", f"{__name__}:reference", (str(_HERE), str(folder)))


def onnxruntime_method(checkout: Path, sizes: tuple[int, ...]) -> Method:
    """The published implementation's ONNX export, made in a process of its own if need be.

    Raises:
        BenchmarkError: the export failed.
    """
    paths = reference_method(checkout).paths
    for size in sizes:
        if not _exported(size).is_file():
            _export_elsewhere(size, paths)
    return Method("onnxruntime", f"{__name__}:onnxruntime_session", (str(_HERE),))


def reference(case: NetworkCase) -> Callable[[Tensor], Tensor]:
    """The published network with this package's random weights."""
    model = _reference_model(case.size).to(case.device)
    return lambda image: model(image)[0]


def onnxruntime_session(case: NetworkCase) -> Callable[[Tensor], Any]:
    """The exported network on as many threads as torch takes."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    path = str(_exported(case.size))
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda image: session.run(None, {name: image.numpy()})[0]


def _reference_model(size: int) -> nn.Module:
    from gpen_model import FullGenerator  # in the checkout, which is on this process's path

    config = CONFIGURATIONS[size]
    width = int(config.channel_multiplier)
    model = FullGenerator(size, 512, 8, width, narrow=config.narrow, device="cpu").eval()
    model.load_state_dict(random_state(config), strict=True)
    return model


def _exported(size: int) -> Path:
    return _CACHE / f"gpen-{size}-torch-{torch.__version__}.onnx"


def _export_elsewhere(size: int, paths: tuple[str, ...]) -> None:
    root = str(_HERE.parent)
    ended = subprocess.run(
        [sys.executable, __file__, str(size)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([root, *paths])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if ended.returncode:
        last = (ended.stderr.strip() or "no message").splitlines()[-1]
        raise BenchmarkError(
            f"the reference of {size} could not be exported to ONNX ({last}); install what "
            "requirements-bench.txt lists, or choose --methods without onnxruntime"
        )


def _export(size: int) -> None:
    """Writes the ONNX file, under its own name only when it is whole."""

    class Picture(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = _reference_model(size)

        def forward(self, image: Tensor) -> Tensor:
            return self.model(image)[0]

    _CACHE.mkdir(exist_ok=True)
    path = _exported(size)
    part = path.with_name(f"part-{path.name}")
    example = (torch.zeros(1, 3, size, size),)
    torch.onnx.export(Picture(), example, str(part), dynamo=True, external_data=False)
    part.replace(path)


if __name__ == "__main__":
    _export(int(sys.argv[1]))
