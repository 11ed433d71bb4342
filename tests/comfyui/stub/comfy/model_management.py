"""Devices, memory and cancelling, on the CPU."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from .model_patcher import ModelPatcher

_interrupted = False


class InterruptProcessingException(Exception):  # noqa: N818 - the host's name
    """The user pressed Cancel."""


def get_torch_device() -> torch.device:
    """Where models run."""
    return torch.device("cpu")


def unet_offload_device() -> torch.device:
    """Where models wait."""
    return torch.device("cpu")


def intermediate_device() -> torch.device:
    """Where images are between nodes."""
    return torch.device("cpu")


def load_models_gpu(
    models: Sequence[ModelPatcher],
    memory_required: float = 0,
    force_patch_weights: bool = False,
    minimum_memory_required: float | None = None,
    force_full_load: bool = False,
) -> None:
    """Loads models whole; a GAN that is loaded in part has tensors on two devices."""
    assert force_full_load, "weights of non-leaf modules would be left behind"
    assert memory_required > 0, "the host needs to know what running the model takes"
    assert not force_patch_weights
    assert minimum_memory_required is None
    for patcher in models:
        assert isinstance(patcher, ModelPatcher)
        patcher.model.to(patcher.load_device)


def loaded_models(only_currently_used: bool = False) -> list[ModelPatcher]:
    """The models on devices; a test may put some here."""
    return []


def free_memory(
    memory_required: float,
    device: torch.device,
    keep_loaded: Sequence[object] = (),
) -> list[object]:
    """Unloads models until so many bytes are free; this host has none loaded."""
    assert memory_required > 0
    assert isinstance(device, torch.device)
    assert not keep_loaded
    return []


def processing_interrupted() -> bool:
    """Whether Cancel was pressed."""
    return _interrupted


def interrupt_current_processing(value: bool = True) -> None:
    """Presses Cancel."""
    global _interrupted
    _interrupted = value


def throw_exception_if_processing_interrupted() -> None:
    """Raises if Cancel was pressed, once."""
    global _interrupted
    if _interrupted:
        _interrupted = False
        raise InterruptProcessingException
