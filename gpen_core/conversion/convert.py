"""One GPEN file to another format, checked before it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..checkpoints.reading import read_state_dict
from ..errors import GpenError, OptionError
from ..model_files.catalogue import load_catalogue
from ..model_files.contents import sha256_of
from ..model_files.filenames import parse_filename
from ..network.config import GpenConfig, read_config
from ..runtime.atomic_files import whole_file
from ..runtime.callbacks import Callbacks
from ..runtime.cancellation import CancelCheck, raise_if_cancelled
from ..runtime.version import __version__
from .formats import DEFAULT_OPSET, FORMATS, write_safetensors
from .to_onnx import difference_from_torch, write_onnx

_LARGEST_DIFFERENCE = 1e-4
_LARGEST_DIFFERENCE_IN_HALF = 2e-2
"""One part in fifty: what float16's 11 bits make of the whole network at worst."""


@dataclass(frozen=True)
class Conversion:
    """What `convert_model` wrote."""

    target: Path
    """The file."""

    config: GpenConfig
    """The network in it."""

    half: bool
    """Whether its weights are float16."""

    bytes: int
    """Length of the file."""

    difference: float
    """The largest difference from the source: of the picture for ONNX, else of a weight,
    relative to the largest of its tensor."""


def convert_model(
    source: Path | str,
    target: Path | str,
    half: bool = False,
    opset: int = DEFAULT_OPSET,
    overwrite: bool = False,
    cancelled: CancelCheck | None = None,
) -> Conversion:
    """Writes a GPEN model in another format; the name of `target` says which.

    Args:
        source: a .pth, .pt or .safetensors file.
        target: ends in .safetensors or .onnx; its folder exists.
        half: weights in float16: a file of little more than half the size.
        opset: version of ONNX's operators; for .onnx only.
        overwrite: replace a file of that name.
        cancelled: asked between the steps; true stops, and nothing is kept.

    Raises:
        Cancelled: `cancelled` returned true.
        CheckpointError: the source is damaged, unsafe or no GPEN model.
        OptionError: the name of the target ends otherwise, or the opset is out of range.
        MissingPackageError: ONNX needs the packages onnx and onnxruntime.
        FileError: the target exists already or cannot be written.
        GpenError: what was written is not the same model; it is not kept.
    """
    source, target = Path(source), Path(target)
    if target.suffix.lower() not in FORMATS:
        raise OptionError(
            f"{target} must end in {' or '.join(FORMATS)}: the ending says what it is converted to"
        )
    callbacks = Callbacks()
    asked = callbacks.guard(cancelled)
    return callbacks.run(lambda: _convert(source, target, half, opset, overwrite, asked))


def _convert(
    source: Path,
    target: Path,
    half: bool,
    opset: int,
    overwrite: bool,
    cancelled: CancelCheck | None,
) -> Conversion:
    with whole_file(target, overwrite) as part:
        state = read_state_dict(source, keep=True)  # the target may take its place
        config = read_config(state, str(source))
        raise_if_cancelled(cancelled, "the conversion was cancelled")
        is_onnx = target.suffix.lower() == ".onnx"
        kept = torch.float32 if is_onnx else max(state.values(), key=Tensor.numel).dtype
        metadata = _metadata(source, config, torch.float16 if half else kept)
        if is_onnx:
            write_onnx(part, state, config, half, opset, metadata)
            raise_if_cancelled(cancelled, "the conversion was cancelled")
            difference = difference_from_torch(part, state, config, cancelled)
        else:
            write_safetensors(part, state, half, metadata)
            difference = _difference(state, read_state_dict(part))
        _check(target, difference, half)
        size = part.stat().st_size
    return Conversion(target, config, half, size, difference)


def _metadata(source: Path, config: GpenConfig, precision: torch.dtype) -> dict[str, str]:
    digest = sha256_of(source)
    known = load_catalogue().by_hash(digest)
    task = known.model.task if known is not None else parse_filename(source.name).task
    return {
        "model": "GPEN",
        "size": str(config.size),
        "task": task or "unknown",
        "precision": str(precision).removeprefix("torch."),
        "source": source.name,
        "source_sha256": digest,
        "converted_by": f"gpen-face-restoration {__version__}",
        "licence": "GPEN's weights are for non-commercial use",
    }


def _difference(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> float:
    if before.keys() != after.keys():
        return float("inf")
    differences = (
        _relative(after[name].double(), tensor.double()) for name, tensor in before.items()
    )
    return float(torch.stack(list(differences)).max())  # not Python's max, which may miss NaN


def _relative(after: Tensor, before: Tensor) -> Tensor:
    return (after - before).abs().max() / before.abs().max().clamp_min(1e-30)


def _check(target: Path, difference: float, half: bool) -> None:
    limit = _LARGEST_DIFFERENCE_IN_HALF if half else _LARGEST_DIFFERENCE
    # Also where the difference is not a number.
    if not difference <= limit:
        raise GpenError(
            f"{target} was not kept: it differs from its source by {difference:.1e}, more than "
            f"{limit:.0e}. {'Convert it in float32.' if half else 'Please report that.'}"
        )
