"""What can be measured: cases, the methods that are compared on them, and what a run gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from ..network.config import PUBLISHED, GpenConfig
from ..runtime.devices import Precision

Part = Literal["network", "pipeline", "paste"]
PARTS: tuple[Part, ...] = ("network", "pipeline", "paste")

STAGES = ("detect", "crop", "restore", "paste")
"""Of a whole picture, as its report times them."""

AllocatorName = Literal["default", "kept"]

Run = Mapping[str, float | None]
"""The figures of one run by name, such as "seconds"; None if it cannot be measured here."""

CONFIGURATIONS = {64: GpenConfig(64, 1, 0.125), **PUBLISHED}
"""Networks by size: the published ones, and a tiny one to try the benchmark out."""


@dataclass(frozen=True)
class Method:
    """One way of doing what a case asks for."""

    name: str
    builder: str
    """"module:function": called with the case in the process that measures; what it returns
    depends on the part, see `measure_network`, `measure_pipeline` and `measure_paste`."""

    paths: tuple[str, ...] = ()
    """Folders that the builder's process can import from besides its own."""


@dataclass(frozen=True)
class NetworkCase:
    """The network alone, on one crop or several at once."""

    part: ClassVar[Part] = "network"

    size: int
    device: str = "cpu"
    precision: Precision = "fp32"
    allocator: AllocatorName = "default"
    """How the C library allocates memory, see `processes`."""

    batch: int = 1
    """Crops restored together."""


@dataclass(frozen=True)
class PipelineCase:
    """Pictures from detection to the finished picture."""

    part: ClassVar[Part] = "pipeline"

    width: int
    height: int
    faces: int
    size: int
    frames: int = 1
    """How many pictures one after the other; more than one is a video."""

    device: str = "cpu"
    precision: Precision = "fp32"


@dataclass(frozen=True)
class PasteCase:
    """Restored crops pasted back into a picture."""

    part: ClassVar[Part] = "paste"

    width: int
    height: int
    faces: int
    size: int


Case = NetworkCase | PipelineCase | PasteCase
CASES: dict[str, type[Case]] = {kind.part: kind for kind in (NetworkCase, PipelineCase, PasteCase)}


@dataclass(frozen=True)
class Comparison:
    """A case, and the methods that take turns on it."""

    case: Case
    methods: tuple[Method, ...]
    baselines: tuple[str, ...] = ()
    """Names of the methods that others are measured against."""
