"""From a model file to an upscaler, or one sentence saying what the file is instead."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ..checkpoints.identify import describe
from ..checkpoints.network_kinds import Network
from ..checkpoints.reading import read_state_dict
from ..errors import CheckpointError, OptionError
from ..network.config import is_gpen
from ..runtime.devices import Precision, choose_device, dtype_for
from ..runtime.optional_packages import require
from .upscaler import Upscaler

_PURPOSES = {
    "FaceSR": "restores faces",
    "Inpainting": "fills holes",
    "Restoration": "keeps the picture's size",
}

_FLOATING = frozenset({torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn})
"""What layers make their weights with; all of it floating unless something else is said."""


def load_upscaler(
    path: Path | str, device: str | torch.device = "auto", precision: Precision = "auto"
) -> Upscaler:
    """Reads a super-resolution model from a .pth, .pt or .safetensors file of any name.

    Args:
        path: the file, ESRGAN or Real-ESRGAN above all.
        device: where it runs.
        precision: of its weights and feature maps.

    Raises:
        CheckpointError: the file is missing, damaged, unsafe or no upscaler of RGB pictures.
        OptionError: the device or precision is unknown or not available.
        MissingPackageError: spandrel is not installed.
    """
    path = Path(path)
    place = choose_device(device)
    dtype = dtype_for(precision, place)
    spandrel = require("spandrel", "enlarging a picture with a model")
    # Weights made in a host's inference mode could not be used outside it later.
    with torch.inference_mode(False):
        network = _built(spandrel, path, _state(path))
    _check(network, spandrel, path)
    if (dtype == torch.float16 and not network.supports_half) or (
        dtype == torch.bfloat16 and not network.supports_bfloat16
    ):
        raise OptionError(f"{path.name} cannot run in {precision}; use the precision fp32")
    return Upscaler(network.eval(), path.name, network.scale, place, dtype)


def _state(path: Path) -> dict[str, Tensor]:
    """The weights, unless it is known whose they are and these enlarge no pictures."""
    state = read_state_dict(path, keep=True)
    what = "a GPEN face model" if is_gpen(state) else describe(state)
    if what not in (None, Network.ESRGAN):
        raise CheckpointError(_refusal(path, f"is {what}, not an upscaler"))
    return state


def _built(spandrel: Any, path: Path, state: dict[str, Tensor]) -> Any:  # noqa: ANN401 - untyped
    """The network that spandrel makes of the weights."""
    try:
        with _plain_defaults():
            return spandrel.ModelLoader("cpu").load_from_state_dict(state)
    except spandrel.UnsupportedModelError as error:
        reason = "is not an upscaler of a kind that spandrel knows"
        raise CheckpointError(_refusal(path, reason)) from error
    except Exception as error:
        # Each architecture trusts the shapes of its weights, and fails in its own way.
        reason = f"holds weights that do not fit together ({type(error).__name__})"
        raise CheckpointError(_refusal(path, reason)) from error


def _check(network: Any, spandrel: Any, path: Path) -> None:  # noqa: ANN401
    name = network.architecture.name
    if network.purpose != "SR" or not isinstance(network, spandrel.ImageModelDescriptor):
        does = _PURPOSES.get(network.purpose, "does something else")
        raise CheckpointError(_refusal(path, f"is not an upscaler: the model ({name}) {does}"))
    channels = (network.input_channels, network.output_channels)
    if channels != (3, 3):
        reason = f"is an upscaler ({name}) from {channels[0]} to {channels[1]} channels, not of RGB"
        raise CheckpointError(_refusal(path, reason))


def _refusal(path: Path, reason: str) -> str:
    return f"{path} {reason}. Use one such as RealESRGAN_x2plus.pth."


@contextmanager
def _plain_defaults() -> Generator[None]:
    """Tensors that this thread makes within are float32 on the CPU unless asked otherwise."""
    with torch.device("cpu"), _Float32():
        yield


class _Float32(TorchFunctionMode):
    """Unlike `torch.set_default_dtype`, for one thread and one block alone."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,  # noqa: ANN401 - torch's own signature
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        named = dict(kwargs or {})
        if func in _FLOATING and named.get("dtype") is None:
            named["dtype"] = torch.float32
        return func(*args, **named)
