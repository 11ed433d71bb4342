"""Counts what a face costs a GPU: kernels launched, bytes read and written. Needs no GPU.

    python benchmarks/launches.py --size 2048       prints the tables
    python benchmarks/launches.py --document        writes them into docs/performance.md

The network runs on torch's device "meta", which computes shapes and no values. An operation is one
launch that reads its inputs and writes its outputs once. The bias of a convolution is a launch
more, which reads and writes the output: so torch adds it after cuDNN. What caches save, and what a
kernel reads more than once, is not counted. Of the package's own kernels (`network/fused/`) each
launch is counted where it would be made, and reads or writes each tensor it is given once.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from gpen_core.bench.cases import CONFIGURATIONS
from gpen_core.bench.table import Table, markdown
from gpen_core.network.config import GpenConfig
from gpen_core.network.fused.launching import FusedKernels
from gpen_core.network.generator import GpenNetwork
from gpen_core.network.memory import StripPlan, strip_plans, whole_frame
from gpen_core.runtime.devices import dtype_for

PAGE = Path(__file__).resolve().parents[1] / "docs/performance.md"
BEGIN = "<!-- counts: written by benchmarks/launches.py -->"
END = "<!-- end of counts -->"

_PLANS: dict[str, Callable[[GpenConfig], StripPlan]] = {
    "whole": whole_frame,
    "strips": lambda config: strip_plans(config)[0],
    "least strips": lambda config: strip_plans(config)[-1],
}
_CASES = (("whole", 1), ("whole", 4), ("strips", 1), ("least strips", 1))
_DETAILED = ("fp16", "whole", 1)
_OPERATIONS = {"torch": False, "own kernels": True}
_SMALL = 1024 * 8 * 8
"""Values of the largest map of 8 pixels; such cost their launch and little else."""


class Count(TorchDispatchMode):
    """Counts the operations that run while it is entered: launches and bytes of each kind."""

    def __init__(self) -> None:
        super().__init__()
        self.launches: Counter[str] = Counter()
        self.sizes: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Runs an operation and counts it."""
        given = kwargs or {}
        result = func(*args, **given)
        name = func.overloadpacket.__name__
        if name == "convolution":
            # As cuDNN returns it; on "meta" the channels would come before the pixels.
            result = torch.empty_like(result, memory_format=torch.channels_last)
        if _launches_nothing(func):
            return result
        inputs = [value for key, value in given.items() if key != "out"]
        tensors = [each for each in tree_leaves((args, inputs, result)) if isinstance(each, Tensor)]
        self.add(_kind(name, args, tensors[-1]), *tensors)
        if name == "convolution" and args[2] is not None:
            self.add("bias of convolutions", tensors[-1], tensors[-1])
        return result

    def launch(self, name: str, grid: Any, arguments: dict[str, Any], constants: Any) -> None:
        """Counts a kernel of the package in place of launching it."""
        tensors = [each for each in arguments.values() if isinstance(each, Tensor)]
        self.add(f"kernel {name}", *tensors)

    def add(self, kind: str, *tensors: Tensor) -> None:
        """Counts a launch that reads or writes each of the tensors once."""
        self.launches[kind] += 1
        self.sizes[kind] += sum(map(_size, tensors))


def _launches_nothing(func: Any) -> bool:
    """Whether an operation only makes a view, or takes memory."""
    aliases = [returned.alias_info for returned in func._schema.returns]
    views = any(alias is not None and not alias.is_write for alias in aliases)
    return views or "empty" in func.__name__ or func.__name__.startswith("_unsafe_view")


def _size(tensor: Tensor) -> int:
    """Bytes of the values that are there; of an expanded tensor each once."""
    sizes = zip(tensor.shape, tensor.stride(), strict=True)
    return tensor.element_size() * math.prod(size for size, stride in sizes if stride)


def _kind(name: str, args: Sequence[Any], result: Tensor) -> str:
    if name == "convolution":
        weight, stride, transposed, groups = args[1], args[3], args[6], args[8]
        if groups > 1:
            return "blur"
        if transposed:
            return "convolutions 3×3, transposed"
        side = f"convolutions {weight.shape[-1]}×{weight.shape[-1]}"
        return f"{side}, stride 2" if stride[0] == 2 else side
    if result.dim() == 4 and result.shape[1] == 3:
        return "RGB: types, scale, bias, doubling"
    if result.dim() < 4 or result.shape[-1] == 3:
        return "style, modulated weights"
    if result[:1].numel() <= _SMALL:
        return "maps up to 8×8"
    if name.startswith("leaky_relu") or name == "addcmul":
        return "activations into the next input"
    return "other maps: scaled, padded, zeroed"


def networks(size: int) -> dict[str, GpenNetwork]:
    """The network by precision, without weights."""
    config = CONFIGURATIONS[size]
    # One number stands for all of a tensor: no memory is taken for the file's weights.
    one = torch.full((), 0.01, dtype=torch.float32, device="cpu")
    state = {name: one.expand(shape) for name, shape in config.shapes().items()}
    return {
        precision: GpenNetwork(state, config, dtype_for(precision)).to("meta")
        for precision in ("fp16", "fp32")
    }


def count(network: GpenNetwork, way: str, faces: int, fused: bool) -> Count:
    """What a run of the network takes, with torch's operations alone or with fused kernels."""
    shape = (faces, 3, network.config.size, network.config.size)
    images = torch.empty(shape, dtype=network.dtype, device="meta")
    counted = Count()
    network.fused = FusedKernels(counted.launch) if fused else None
    with torch.no_grad(), counted:
        network(images.contiguous(memory_format=torch.channels_last), _PLANS[way](network.config))
    return counted


def tables(size: int) -> list[Table]:
    """Launches and bytes of a face by precision and way; and by kind of operation for one."""
    lines: list[tuple[str, ...]] = []
    details: list[Table] = []
    for precision, network in networks(size).items():
        for (way, faces), (name, fused) in product(_CASES, _OPERATIONS.items()):
            counted = count(network, way, faces, fused)
            launches, moved = counted.launches.total() / faces, counted.sizes.total() / faces
            figures = f"{launches:.0f}", f"{moved / 1e9:.2f} GB"
            lines.append((precision, way, str(faces), name, *figures))
            if (precision, way, faces) == _DETAILED:
                title = f"A face of {size} pixels in {precision}, {way}, with {name}"
                details.append(_by_kind(title, counted))
    header = ("precision", "way", "faces at once", "with", "launches a face", "read and written")
    return [Table(f"Launches and bytes of a face of {size} pixels", header, tuple(lines)), *details]


def _by_kind(title: str, counted: Count) -> Table:
    lines = tuple(
        (kind, str(counted.launches[kind]), f"{moved / 1e6:.0f} MB")
        for kind, moved in counted.sizes.most_common()
    )
    return Table(title, ("kind", "launches", "read and written"), lines)


def documented(size: int = 2048) -> str:
    """The page of the documentation with the counts as they should be."""
    content = PAGE.read_text(encoding="utf-8")
    before, rest = content.split(BEGIN)
    text = "\n\n".join(f"{table.title}:\n\n{markdown(table)}" for table in tables(size))
    return f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the tables, or writes them into the documentation."""
    parser = argparse.ArgumentParser(description="Count kernels and bytes of a face on a GPU.")
    parser.add_argument("--size", type=int, choices=tuple(CONFIGURATIONS), default=2048)
    parser.add_argument("--document", action="store_true", help=f"write them into {PAGE.name}")
    wanted = parser.parse_args(arguments)
    if wanted.document:
        PAGE.write_text(documented(), encoding="utf-8")
        return 0
    for table in tables(wanted.size):
        print(f"{table.title}:\n\n{markdown(table)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
