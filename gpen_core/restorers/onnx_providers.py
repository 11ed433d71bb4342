"""Which of onnxruntime's execution providers to ask for, and why another one ran."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ..errors import OptionError
from ..runtime.devices import choose_device

CPU = "CPUExecutionProvider"

NAMES = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "migraphx": "MIGraphXExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
"""What users call the providers, and what onnxruntime does."""

# TensorRT builds an engine for minutes before the first picture, and OpenVINO helps Intel alone:
# both run only when they are asked for.
_AUTOMATIC = ("cuda", "migraphx", "rocm", "directml", "coreml")
_OF_TORCH = {
    "cuda": ("cuda", "migraphx", "rocm"),
    "mps": ("coreml",),
    "xpu": ("openvino",),
    "privateuseone": ("directml",),
}
_PACKAGES = (
    *("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino"),
    *("onnxruntime-migraphx", "onnxruntime-rocm", "onnxruntime-silicon", "onnxruntime-qnn"),
)

_BUILT_FOR = {
    "migraphx": "onnxruntime-migraphx",
    "rocm": "onnxruntime-rocm",
    "directml": "onnxruntime-directml",
    "coreml": "onnxruntime",
    "openvino": "onnxruntime-openvino",
}
"""The package that brings a provider; onnxruntime-gpu brings the others."""

Provider = tuple[str, dict[str, Any]]
"""Its name in onnxruntime, and its options."""

# OpenVINO would compute in half precision on a GPU, whatever the file's precision is.
_AS_THE_FILE = {"precision": "ACCURACY"}
OPENVINO_ON_CPU: Provider = (NAMES["openvino"], {"device_type": "CPU", **_AS_THE_FILE})
"""What OpenVINO does without an Intel GPU."""

# y = x for one number; onnxruntime loads a provider with any graph.
_SMALLEST = (
    b'\x08\x07\x12\x00:7\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x01gZ\x0f\n\x01x\x12\n\n\x08\x08'
    b"\x01\x12\x04\n\x02\x08\x01b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00"
    b"\x10\r"
)


def choose_providers(device: str | torch.device, available: Iterable[str]) -> list[Provider]:
    """The providers to try, best first, the CPU last; OpenVINO by its name is there twice.

    Args:
        device: "auto", a device of torch, or one of `NAMES`.
        available: what the installed onnxruntime was built with.

    Raises:
        OptionError: the device is unknown, or a provider asked for by name is not there.
    """
    present = set(available)
    kind, index = _kind_and_index(device)
    if kind in NAMES and kind not in _OF_TORCH and NAMES[kind] not in present:
        others = ", ".join(n for n, full in NAMES.items() if full in present) or "none but cpu"
        raise OptionError(
            f"the installed onnxruntime has no {NAMES[kind]}; it has: {others}. "
            "Use the device auto, or install the onnxruntime that belongs to your GPU"
        )
    wanted = _wanted_kinds(kind)
    chosen = [(NAMES[k], _options(k, index)) for k in wanted if NAMES[k] in present]
    if kind == "openvino":
        # Not OpenVINO's own choice, AUTO: that leaves the whole network to onnxruntime's CPU
        # provider, and a list such as AUTO:GPU,CPU does not start where there is no such GPU.
        chosen.append(OPENVINO_ON_CPU)
    return [*chosen, (CPU, {})]


def _wanted_kinds(kind: str) -> Sequence[str]:
    """The keys of `NAMES` that suit a kind of device, best first; none for the CPU."""
    if kind == "auto":
        return _AUTOMATIC
    if kind == "tensorrt":
        return ("tensorrt", "cuda")
    if kind in _OF_TORCH:
        return _OF_TORCH[kind]
    return (kind,) if kind in NAMES else ()


def _kind_and_index(device: str | torch.device) -> tuple[str, int]:
    if isinstance(device, torch.device):
        return device.type, device.index or 0
    kind, _, index = device.partition(":")
    known = kind in ("auto", "cpu") or kind in _OF_TORCH or kind in NAMES
    if not known or (index and not index.isdigit()):
        raise OptionError(
            f"the device {device!r} is unknown; for an ONNX model use auto, cpu, cuda, cuda:1 "
            f"or one of {', '.join(sorted(NAMES))}"
        )
    return kind, int(index or 0)


def _options(kind: str, index: int) -> dict[str, Any]:
    if kind == "cuda":
        # The defaults try every algorithm, with gigabytes of scratch memory at 2048 pixels, and
        # double the arena each time it grows.
        return {
            "device_id": index,
            "cudnn_conv_algo_search": "HEURISTIC",
            "arena_extend_strategy": "kSameAsRequested",
        }
    if kind in ("tensorrt", "rocm", "migraphx", "directml"):
        return {"device_id": index}
    if kind == "openvino":
        return {"device_type": f"GPU.{index}" if index else "GPU", **_AS_THE_FILE}
    return {}


def explain_cpu(
    device: str | torch.device, available: Iterable[str], packages: Mapping[str, str]
) -> str | None:
    """Why a model runs on the CPU although there is something faster, and what to do about it.

    Args:
        device: what was asked for; a torch device, or a name. For "auto" the CPU is what was to be
            expected unless torch has something faster.
        available: the providers that the installed onnxruntime was built with.
        packages: the installed flavours of onnxruntime and their versions.

    Returns:
        One sentence; None if the CPU is what was to be expected.
    """
    kind, _ = _kind_and_index(device)
    wanted = _wanted_kinds(choose_device("auto").type if kind == "auto" else kind)
    if wanted and wanted[0] == "cuda" and torch.version.hip:
        wanted = wanted[1:]  # torch calls AMD's GPUs so as well
    if not wanted:
        return None
    usable = [name for name in wanted if NAMES[name] in set(available)]
    installed = " and ".join(f"{name} {version}" for name, version in packages.items())
    if usable:
        if usable[0] not in ("cuda", "tensorrt"):
            return (
                f"onnxruntime ran on the CPU: {NAMES[usable[0]]} could not start. Update the "
                f"GPU's driver and {installed or 'onnxruntime'}, or use the .pth file"
            )
        brought = f" (torch brings CUDA {torch.version.cuda})" if torch.version.cuda else ""
        return (
            f"onnxruntime ran on the CPU: {NAMES[usable[0]]} could not start. Its version of CUDA "
            f"and cuDNN is most likely not the one that is here{brought}; install the release of "
            f"{installed or 'onnxruntime-gpu'} that was built for it, or use the .pth file"
        )
    if len(packages) > 1:
        return (
            f"onnxruntime ran on the CPU: {installed} are installed over each other, and the one "
            f"without the GPU won. Uninstall both, then install {_package_for(wanted[0])} alone"
        )
    return (
        f"onnxruntime ran on the CPU: the installed {installed or 'onnxruntime'} has no "
        f"{NAMES[wanted[0]]}. Install {_package_for(wanted[0])} in its place, or use the .pth file"
    )


def _package_for(kind: str) -> str:
    return _BUILT_FOR.get(kind, "onnxruntime-gpu")


def installed_packages() -> dict[str, str]:
    """The installed flavours of onnxruntime and their versions."""
    return {name: version for name in _PACKAGES if (version := installed_version(name))}


def installed_version(name: str) -> str:
    """The version of an installed package; empty if it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def open_session(
    runtime: Any,  # noqa: ANN401 - onnxruntime has no types
    model: Path | bytes,
    providers: Sequence[Provider],
) -> tuple[Any, list[Provider]]:
    """Opens a model.

    Args:
        runtime: the module onnxruntime.
        model: its path, or what the file would hold.
        providers: best first; one may stand there several times with different options, of which
            onnxruntime itself would ignore all but the first.

    Returns:
        The session, and the providers without those that were tried in vain.

    Raises:
        Exception: onnxruntime cannot load the model; its errors have no base of their own.
    """
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # errors are reported in our own words
    # Not by the name's ending, or an .ort file would be read in a format that nobody checked.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.enable_cpu_mem_arena = False  # a quarter less memory, and none is kept
    source = model if isinstance(model, bytes) else str(model)
    left = list(providers)
    while True:
        once = dict(reversed(left))  # the first of each name
        order = list(dict.fromkeys(name for name, _ in left))
        session = runtime.InferenceSession(
            source, options, providers=[(name, once[name]) for name in order]
        )
        first = left[0][0]
        if session.get_providers()[0] == first or first not in [name for name, _ in left[1:]]:
            return session, left
        del left[0]


def provider_that_starts(
    runtime: Any,  # noqa: ANN401 - onnxruntime has no types
    providers: Sequence[Provider],
) -> str:
    """The name of the first provider that can be loaded; one that is built in may still not start.

    Args:
        runtime: the module onnxruntime.
        providers: best first, the CPU last.

    Raises:
        Exception: onnxruntime does not work at all; its errors have no base of their own.
    """
    session, _ = open_session(runtime, _SMALLEST, providers)
    return session.get_providers()[0]
