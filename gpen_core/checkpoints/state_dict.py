"""From what a file holds to a state dict: the right entry, plain names, sound tensors."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast

import numpy as np
import torch

from ..errors import CheckpointError, escaped
from .refusal import REDOWNLOAD_HINT, Refusal, damaged

# Averaged weights first: they are the ones meant for use.
_WRAPPERS = ("g_ema", "params_ema", "params-ema", "g", "params", "state_dict", "model")
_MAX_NESTING = 4
_PREFIXES = ("module.", "_orig_mod.")  # DistributedDataParallel, torch.compile
_DTYPES = {
    *(torch.float64, torch.float32, torch.float16, torch.bfloat16),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
}
_NAMED = 5
_MAX_SHARING = 4
"""How many times as large as their numbers tensors may be, as some share them."""

_FREE_SHARING = 1 << 20
"""Bytes that may be shared any number of times."""


def state_dict_in(loaded: object) -> dict[str, torch.Tensor]:
    """The state dict in what a file holds, without wrapping, as plain contiguous CPU tensors.

    Raises:
        Refusal: there is none, or one of its tensors is of a kind that no network uses.
    """
    found = unwrapped(loaded)
    if not isinstance(found, Mapping):
        raise Refusal(f"holds no weights but a {type(found).__name__}. Use the official file.")
    entries = cast("Mapping[object, object]", found)
    if not entries:
        raise Refusal("holds no weights at all. Use the official file.")
    tensors = {
        key: value.detach()
        for key, value in entries.items()
        if isinstance(key, str) and isinstance(value, torch.Tensor)
    }
    if len(tensors) != len(entries):
        others = [str(key) for key in entries if key not in tensors]
        raise Refusal(f"holds more than weights: {_named(others)}. Use the official file.")
    sound = {name: _sound(name, value) for name, value in _without_prefix(tensors).items()}
    _check_sharing(sound.values())
    return {name: tensor.contiguous() for name, tensor in sound.items()}


def check_finite(path: Path | str, tensors: Mapping[str, torch.Tensor]) -> None:
    """Makes sure that no weight is infinite or not a number: such a model makes black pictures.

    Raises:
        CheckpointError: some are; the message names the file and up to five of the tensors.
    """
    bad = [name for name, tensor in tensors.items() if not _is_finite(tensor)]
    if bad:
        raise CheckpointError(
            f"{path} holds weights that are not numbers: {_named(bad)}. {REDOWNLOAD_HINT}"
        )


def _is_finite(tensor: torch.Tensor) -> bool:
    if not tensor.is_floating_point():
        return True
    # A sum is 10 times as fast as isfinite, and finite only if every term is. Sums of huge finite
    # weights may overflow, so the slow way decides about the others.
    return math.isfinite(_sum(tensor)) or bool(tensor.isfinite().all())


def _sum(tensor: torch.Tensor) -> float:
    if tensor.dtype not in (torch.float32, torch.float64):
        return float(tensor.sum(dtype=torch.float32))
    # One core of numpy's is as fast as several of torch's, which wait for each other at every
    # tensor: that takes a second for a file where other programs use the cores.
    with np.errstate(all="ignore"):
        return float(np.einsum("i->", tensor.detach().cpu().reshape(-1).numpy()))


def unwrapped(loaded: object) -> object:
    """What a file holds without the dicts that training programs put around weights."""
    for _ in range(_MAX_NESTING):
        if not isinstance(loaded, Mapping):
            break
        entries = cast("Mapping[object, object]", loaded)
        inner = (entries[key] for key in _WRAPPERS if isinstance(entries.get(key), Mapping))
        loaded = next(inner, entries)
    return cast(object, loaded)


def unusable(name: str, kind: str) -> Refusal:
    """The tensor `name` holds numbers of a `kind` that no network computes with."""
    return Refusal(
        f"stores {escaped(name)} as {escaped(kind)}, which cannot be used. Use a file with weights "
        "of 32 or 16 bits."
    )


def _without_prefix(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    for prefix in _PREFIXES * 2:
        if all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
    return tensors


def _sound(name: str, tensor: torch.Tensor) -> torch.Tensor:
    if tensor.layout != torch.strided or tensor.dtype not in _DTYPES:
        kind = str(tensor.dtype if tensor.layout == torch.strided else tensor.layout)
        raise unusable(name, kind.removeprefix("torch."))
    # A few bytes can pass for terabytes when strides are zero.
    if _nbytes(tensor) > tensor.untyped_storage().nbytes():
        raise damaged(f"{escaped(name)} is larger than the numbers stored for it")
    return tensor


def _check_sharing(tensors: Iterable[torch.Tensor]) -> None:
    """Refuses thousands of tensors made of the same few numbers: as copies they fill the memory."""
    tensors = list(tensors)
    storages = {tensor.untyped_storage().data_ptr(): tensor for tensor in tensors}
    held = sum(tensor.untyped_storage().nbytes() for tensor in storages.values())
    if sum(map(_nbytes, tensors)) > _MAX_SHARING * held + _FREE_SHARING:
        raise damaged("its tensors are many times as large as the numbers stored for them")


def _nbytes(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _named(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(map(escaped, names[:_NAMED])) + more
