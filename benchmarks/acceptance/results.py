"""Right results: of the network in every precision, whole and in strips, compiled and in ONNX."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import torch

from gpen_core.bench.cases import CONFIGURATIONS
from gpen_core.bench.probes import time_calls
from gpen_core.cli.self_test import run_tests
from gpen_core.conversion.formats import DEFAULT_OPSET
from gpen_core.conversion.to_onnx import write_onnx
from gpen_core.errors import OptionError
from gpen_core.network.device_check import fault_of_kernels
from gpen_core.restorers.execution import strips_for
from gpen_core.restorers.onnx_providers import NAMES
from gpen_core.restorers.onnx_restorer import OnnxRestorer
from gpen_core.runtime.devices import (
    can_compile,
    dtype_for,
    has_fused_kernels,
    precision_name,
    uses_tf32,
)
from gpen_core.runtime.optional_packages import is_installed, require

from .checks import Measured, Setting, Skipped
from .networks import crops, known_error, known_picture, with_kernels, with_tf32

_SMALL = 64
_CALLS = 3


def device_without_a_number(setting: Setting) -> Iterator[Measured]:
    """A1111 says "cuda", which older torch takes only in some places."""
    bare = torch.device(setting.device.type)
    restorer = setting.networks.restorer(_SMALL, torch.float32, bare)
    (crop,) = crops(1, _SMALL)
    error = float((restorer.restore(crop) - crop).abs().max())
    yield Measured(f"on {bare}, {_SMALL}", error, "passthrough in float32 (TF32)")


def doctor(setting: Setting) -> Iterator[Measured]:
    """The tests with known answers that users run."""
    for outcome in run_tests(setting.device):
        yield Measured(outcome.text, 0 if outcome.passed else 1, "failures")


def parity(setting: Setting) -> Iterator[Measured]:
    """Every size and precision, whole and in strips, against the published implementation."""
    for size in setting.sizes:
        picture = known_picture(size).to(setting.device)
        for dtype, tf32 in _precisions(setting, size):
            name = precision_name(dtype) + (" (TF32)" if tf32 and dtype == torch.float32 else "")
            for fused, kernels in with_kernels(setting.device):
                network = setting.networks.get(size, dtype, setting.device, fused=fused)
                for plan in (None, *strips_for(CONFIGURATIONS[size], setting.device)):
                    way = "whole" if plan is None else f"strips of {plan.rows} rows"
                    with torch.inference_mode(), with_tf32(tf32):
                        error = known_error(size, network(picture, plan))
                    yield Measured(f"{size} {name}, {way}, {kernels}", error, f"error in {name}")


def _precisions(setting: Setting, size: int) -> Iterator[tuple[torch.dtype, bool]]:
    """Types of feature maps, and whether TF32 is allowed."""
    yield torch.float32, False
    if uses_tf32(setting.device):
        yield torch.float32, True
    if not setting.on_card and size > _SMALL:
        return  # the CPU would take minutes
    with suppress(OptionError):  # torch lacks it here
        yield dtype_for("fp16", setting.device), True
    with suppress(OptionError):
        yield dtype_for("bf16", setting.device), True


def fused_kernels(setting: Setting) -> Iterator[Measured]:
    """They compile here, give what torch gives, and are what restorers use."""
    if not has_fused_kernels(setting.device):
        raise Skipped("no fused kernels with this card and torch")
    for dtype, _ in _precisions(setting, _SMALL):
        fault = fault_of_kernels(setting.device, dtype)
        yield Measured(f"{precision_name(dtype)}: {fault or 'right'}", bool(fault), "failures")
    restorer = setting.networks.restorer(_SMALL, setting.half, setting.device)
    restorer.restore_many(crops(_CALLS, _SMALL))
    given_up = [note for note in restorer.notes if "fused kernels" in note]
    yield Measured(f"given up {given_up[:1]}", len(given_up), "failures")


def passthrough(setting: Setting) -> Iterator[Measured]:
    """A network that returns its input: every layer of full size, with numbers that are exact."""
    picture = known_picture(setting.size)
    for dtype in dict.fromkeys((torch.float32, setting.half)):
        network = setting.networks.get(setting.size, dtype, setting.device, "passthrough")
        with torch.inference_mode(), with_tf32(False):
            error = float((network(picture.to(setting.device)).cpu() - picture).abs().max())
        name = precision_name(dtype)
        yield Measured(f"{setting.size} {name}", error, f"passthrough in {name}")


def compiled(setting: Setting) -> Iterator[Measured]:
    """torch.compile on weights that a host moves and runs in inference mode."""
    if not can_compile():
        raise Skipped("torch.compile needs a newer torch")
    if setting.on_card and not is_installed("triton"):
        raise Skipped("torch.compile needs Triton")
    size = min(setting.size, 512)
    restorer = setting.networks.restorer(size, setting.half, setting.device, "compile")
    (crop,) = crops(1, size)
    with torch.inference_mode():
        errors = [float((restorer.restore(crop) - crop).abs().max()) for _ in range(_CALLS)]
    yield Measured(f"{size} {restorer.way.describe()}", max(errors), "passthrough in float16")
    yield Measured(f"steps down {restorer.notes[:1]}", len(restorer.notes), "failures")


def onnx(setting: Setting) -> Iterator[Measured]:
    """An ONNX file runs where it should, and rightly."""
    for package in ("onnx", "onnxruntime"):
        if not is_installed(package):
            raise Skipped(f"needs the package {package}")
    available = require("onnxruntime", "this check").get_available_providers()
    if setting.on_card and NAMES["cuda"] not in available:
        raise Skipped("the installed onnxruntime has no CUDAExecutionProvider")
    wanted = NAMES["cuda"] if setting.on_card else "CPUExecutionProvider"
    size = min(setting.size, 512)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "passthrough.onnx"
        state = setting.networks.state("passthrough", size)
        write_onnx(path, state, CONFIGURATIONS[size], False, DEFAULT_OPSET, {})
        restorer = OnnxRestorer.load(path, setting.device)
        started = restorer.backend
        (crop,) = crops(1, size)
        error = float((restorer.restore(crop) - crop).abs().max())
        times = {
            place: time_calls(partial(restorer.restore, crop.to(place)), setting.device).seconds
            for place in dict.fromkeys((torch.device("cpu"), setting.device))
        }
        restorer.unload()  # before the file goes, which Windows would not allow
    yield Measured(f"{size} on {started}", error, "passthrough in ONNX")
    yield Measured(f"other than {wanted} {restorer.notes[:1]}", int(started != wanted), "failures")
    for place, seconds in times.items():
        yield Measured(f"a face to and from {place}", seconds * 1000, unit="ms")
