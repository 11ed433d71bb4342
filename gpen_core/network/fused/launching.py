"""What the network does between its convolutions, each step in one kernel of Triton.

The layers compute the same without: what they do in several operations of torch is what each method
here is tested against. In torch each operation reads and writes whole maps, which on a GPU takes
most of the network's time.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .layout import checked_maps, group_of, new_map, step_of

Launch = Callable[[str, tuple[int, ...], dict[str, Any], dict[str, int]], None]
"""Launches the kernel of a name on a grid of programs: its arguments, and constants."""

_MODULES = {
    "activate_concat": "decoder_kernels",
    "blur_activate_concat": "decoder_kernels",
    "encode": "encoder_kernels",
    "style_batch": "style_kernels",
    "modulate": "style_kernels",
}
"""Where each kernel is."""

_VALUES = 2048
"""Of a map in each program: 16 in a thread."""

_BLURRED = 1024
"""Likewise in those that blur, which keep four rows of them."""

_LONG, _SHORT = 16, 4
"""Rows of a program that blurs: three more are read, so many; but few where maps are small."""

_SMALL = 128
"""Width of a map that is small."""

ROWS_OF_STYLES = 8
"""Outputs of a layer that a program of `style_batch` demodulates."""


def launch_triton(
    name: str, grid: tuple[int, ...], arguments: dict[str, Any], constants: dict[str, int]
) -> None:
    """Launches a kernel on the current stream of the current device."""
    module = importlib.import_module(f".{_MODULES[name]}", __package__)
    getattr(module, name)[grid](**arguments, **constants, num_warps=4)


@dataclass(frozen=True)
class Rgb:
    """A level's RGB, computed while its features are at hand."""

    weight: Tensor
    """(3, channels, 1, 1)."""

    style: Tensor
    """(faces, channels, 1, 1)."""

    scale: Tensor
    """(faces, 1, 1, 1)."""

    bias: Tensor
    below: Tensor | None
    """RGB of the level below: all of it, or rows [a - 3, b) for rows [2a - 3, 2b - 3)."""


class FusedKernels:
    """Launches the kernels; the arguments are those of the layers."""

    def __init__(self, launch: Launch = launch_triton) -> None:
        """`launch` stands in for Triton's."""
        self._launch = launch

    def feature(
        self,
        x: Tensor,
        bias: Tensor | None,
        weight: Tensor | None = None,
        inside: tuple[int, int] | None = None,
    ) -> Tensor:
        """The encoder's feature.

        Args:
            x: a convolution without its bias; RGB, if there is a `weight`.
            bias: of the convolution; None for a feature that needs nothing more.
            weight: of the 1x1 convolution from RGB.
            inside: of the rows those that are in the level: zeros stand in place of the others.
                None for a whole level.
        """
        made = new_map(x, _channels(x, weight), x.shape[2], x.shape[3])
        self._encode(x, bias, weight, made, None, inside)
        return made

    def blurred(
        self,
        x: Tensor,
        bias: Tensor | None = None,
        weight: Tensor | None = None,
        inside: tuple[int, int] | None = None,
    ) -> Tensor:
        """What the blur makes of the feature, for the convolution of stride 2 that follows.

        Around a whole level there are zeros; other rows include the halo of the blur.
        """
        halo = 1 if inside is None else -3
        made = new_map(x, _channels(x, weight), x.shape[2] + halo, x.shape[3] + 1)
        self._encode(x, bias, weight, None, made, inside)
        return made

    def feature_and_blurred(self, x: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """Both, of a whole level."""
        made = torch.empty_like(x)
        blurred = new_map(x, x.shape[1], x.shape[2] + 1, x.shape[3] + 1)
        self._encode(x, bias, None, made, blurred, None)
        return made, blurred

    def _encode(
        self,
        x: Tensor,
        bias: Tensor | None,
        weight: Tensor | None,
        feature: Tensor | None,
        blurred: Tensor | None,
        inside: tuple[int, int] | None,
    ) -> None:
        faces, _, rows, width = x.shape
        inside_from, inside_to = (0, rows) if inside is None else inside
        arguments = {
            **checked_maps(x=x, feature=feature, blurred=blurred),
            "weight": weight,
            "bias": bias,
            "rows": rows,
            "width": width,
            "inside_from": inside_from,
            "inside_to": inside_to,
            "edge": 2 if inside is None and blurred is not None else 0,
        }
        size = (rows, width) if blurred is None else (blurred.shape[2], blurred.shape[3])
        self._blur("encode", faces, _channels(x, weight), size, arguments)

    def blur_activate_concat(
        self,
        x: Tensor,
        feature: Tensor,
        out: Tensor,
        bias: Tensor,
        feature_gain: Tensor,
        feature_bias: Tensor,
        scale: Tensor | None,
    ) -> None:
        """What follows a transposed convolution `x`, into `out`; see `StyledConv.activate`."""
        faces, channels, rows, width = feature.shape
        arguments = {
            **checked_maps(x=x, feature=feature, out=out),
            **_constants(bias, feature_gain, feature_bias, scale),
            "rows": rows,
            "width": width,
            "edge": (rows + 3 - x.shape[2]) // 2,
            "style_step": step_of(scale),
        }
        self._blur("blur_activate_concat", faces, channels, (rows, width), arguments)

    def _blur(
        self,
        name: str,
        faces: int,
        channels: int,
        size: tuple[int, int],
        arguments: dict[str, Any],
    ) -> None:
        group = group_of(channels)
        pixels, (rows, width) = _BLURRED // group, size
        each = _LONG if width > _SMALL else _SHORT
        groups = channels // group
        grid = (groups * -(-width // pixels), -(-rows // each), faces)
        arguments |= {"groups": groups, "each": each}
        self._launch(name, grid, arguments, {"CHANNELS": group, "PIXELS": pixels})

    def activate_concat(
        self,
        x: Tensor,
        feature: Tensor,
        out: Tensor,
        bias: Tensor,
        feature_gain: Tensor,
        feature_bias: Tensor,
        scale: Tensor | None,
    ) -> None:
        """What follows a convolution `x`, into `out`; see `StyledConv.activate`."""
        names = ("rgb", "rgb_weight", "rgb_style", "rgb_scale", "rgb_bias", "below")
        arguments = {
            **checked_maps(x=x, feature=feature, out=out),
            **_constants(bias, feature_gain, feature_bias, scale),
            **dict.fromkeys(names),
            "style_step": step_of(scale),
            "below_shift": 0,
        }
        self._activate(x, arguments)

    def activate_concat_rgb(
        self,
        x: Tensor,
        feature: Tensor,
        out: Tensor | None,
        bias: Tensor,
        feature_gain: Tensor,
        feature_bias: Tensor,
        scale: Tensor | None,
        rgb: Rgb,
    ) -> Tensor:
        """Like `activate_concat`, into `out` if it is given; returns the level's RGB."""
        _, _, rows, width = x.shape
        made = new_map(x, 3, rows, width, rgb.bias.dtype)
        arguments = {
            **checked_maps(x=x, feature=feature, out=out, rgb=made, below=rgb.below),
            **_constants(bias, feature_gain, feature_bias, scale),
            "rgb_weight": rgb.weight,
            "rgb_style": rgb.style,
            "rgb_scale": rgb.scale,
            "rgb_bias": rgb.bias,
            "style_step": step_of(scale, rgb.style, rgb.scale),
            "below_shift": 0 if rgb.below is None else rgb.below.shape[2] - rows // 2,
        }
        self._activate(x, arguments)
        return made

    def _activate(self, x: Tensor, arguments: dict[str, Any]) -> None:
        faces, channels, rows, width = x.shape
        group = group_of(channels)
        pixels = _VALUES // group
        arguments |= {"groups": channels // group, "pixels": rows * width, "width": width}
        grid = (-(-rows * width // pixels), faces)
        self._launch("activate_concat", grid, arguments, {"CHANNELS": group, "PIXELS": pixels})

    def style_batch(
        self, styles: Tensor, squares: Tensor, gains: Tensor, blocks: Tensor, widest: int
    ) -> Tensor:
        """What `StyleBatch` makes of styles: (faces, all inputs and then all outputs)."""
        faces, total = styles.shape
        made = styles.new_empty(faces, total + gains.shape[0])
        arguments = {
            "styles": styles,
            "squares": squares,
            "gains": gains,
            "blocks": blocks,
            "out": made,
            "total": total,
            "step": made.shape[1],
        }
        constants = {"WIDEST": 1 << (widest - 1).bit_length(), "ROWS": ROWS_OF_STYLES}
        self._launch("style_batch", (blocks.shape[0], faces), arguments, constants)
        return made

    def modulate(self, weight: Tensor, rows: Tensor, columns: Tensor, dtype: torch.dtype) -> Tensor:
        """A weight of 3x3 taps, scaled along its first dimension and its second, in a type."""
        first, second = weight.shape[:2]
        made = torch.empty(
            weight.shape, dtype=dtype, device=weight.device, memory_format=torch.channels_last
        )
        arguments = {
            **checked_maps(weight=weight, out=made),
            "rows": rows,
            "columns": columns,
            "count": first * 9 * second,
            "width": second,
        }
        values = _VALUES // 2
        self._launch("modulate", (-(-weight.numel() // values),), arguments, {"VALUES": values})
        return made


def _constants(
    bias: Tensor, feature_gain: Tensor, feature_bias: Tensor, scale: Tensor | None
) -> dict[str, Tensor | None]:
    return {
        "scale": scale,
        "bias": bias,
        "feature_gain": feature_gain,
        "feature_bias": feature_bias,
    }


def _channels(x: Tensor, weight: Tensor | None) -> int:
    return x.shape[1] if weight is None else weight.shape[0]
