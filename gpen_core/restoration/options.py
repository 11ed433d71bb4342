"""What a restoration can be told: defaults, limits and help texts for every front end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..errors import OptionError
from ..geometry.templates import TEMPLATES, TemplateName

MaskName = Literal["area", "parse"]
ColourMatch = Literal["none", "lowfreq"]

MASKS: tuple[MaskName, ...] = ("area", "parse")
COLOUR_MATCHES: tuple[ColourMatch, ...] = ("none", "lowfreq")

HELP = {
    "strength": "how much of the restored face to take, 0 to 1; GPEN's authors use 0.8 for selfies",
    "template": "how a face sits in the crop: gpen as GPEN's authors do, ffhq 12 % closer",
    "feather": "width of the soft edge of the pasted area, as a part of the crop's side",
    "mask": "what of the crop is pasted: area (all), or parse (face and hair; needs ParseNet)",
    "colour": "none, or lowfreq: the restored face takes the original's overall colour and light",
    "faces": "which faces: all, largest, largest:3, or numbers and ranges such as 0,2-4",
}


@dataclass(frozen=True)
class RestorationOptions:
    """How faces are cut out, restored and put back. Every field has a meaning in `HELP`."""

    strength: float = 1.0
    template: TemplateName = "gpen"
    feather: float = 0.011
    mask: MaskName = "area"
    colour: ColourMatch = "none"
    faces: str = "all"

    def __post_init__(self) -> None:
        """Raises OptionError for a value outside what the field accepts."""
        _check_range("strength", self.strength, 0.0, 1.0)
        _check_range("feather", self.feather, 0.0, 0.2)
        _check_choice("template", self.template, TEMPLATES)
        _check_choice("mask", self.mask, MASKS)
        _check_choice("colour", self.colour, COLOUR_MATCHES)


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise OptionError(f"{name} is {value}, but must lie between {low:g} and {high:g}")


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise OptionError(f"{name} is {value!r}, but must be one of {', '.join(choices)}")


@dataclass(frozen=True)
class Preset:
    """A model size and options that belong together; options that the user names win."""

    model_size: int
    """Side of the model's crops in pixels."""

    options: RestorationOptions


PRESETS = {"selfie": Preset(2048, RestorationOptions(strength=0.8))}
"""As GPEN's authors use them; see their demo for selfies."""
