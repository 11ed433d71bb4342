"""What is allowed: one table for all checks. Every figure is one that may be smaller."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limit:
    """The largest figure that passes."""

    allowed: float
    unit: str = ""


LIMITS: dict[str, Limit] = {
    # Largest difference from the published implementation, pictures in -1..1.
    "error in float32": Limit(2e-4),
    "error in float32 (TF32)": Limit(2e-2),
    "error in float16": Limit(2e-2),
    "error in bfloat16": Limit(0.15),
    # Of networks that must return their input.
    "passthrough in float32": Limit(1e-5),
    "passthrough in float32 (TF32)": Limit(2e-3),
    "passthrough in float16": Limit(4e-3),
    "passthrough in ONNX": Limit(4e-3),
    # Counted.
    "results that differ": Limit(0),
    "failures": Limit(0),
    "kernels of a face, torch alone": Limit(400),
    "kernels of a face, fused kernels": Limit(120),
    "kernels of slow paths": Limit(0),
    # Memory.
    "memory not given back": Limit(64, "MiB"),
    "memory beside the weights": Limit(0.05, "of the weights"),
    "difference from the estimate": Limit(0.2, "of it"),
    "memory in all, strips in float16": Limit(400, "MiB"),
    "memory in all, whole frame in float16": Limit(800, "MiB"),
    # Speed.
    "time of a 2048 face in float16, H200": Limit(1000 / 300, "ms"),
    "time of a 2048 face in float16, H100": Limit(1000 / 250, "ms"),
    "time in parts of the published code's": Limit(1 / 8),
    "time the card has nothing to do": Limit(0.1, "of it"),
}
