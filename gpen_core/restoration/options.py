"""Options of a restoration: defaults, limits and help texts for every front end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..compositing.colour_match import COLOUR_MATCHES, ColourMatch
from ..compositing.masks import (
    DEFAULT_FEATHER,
    FEATHER_SHAPES,
    MASKS,
    FeatherShape,
    MaskName,
)
from ..errors import OptionError
from ..faces.selection import check_selection
from ..geometry.templates import TEMPLATES, TemplateName
from ..runtime.ranges import Range

RESTORATION_LIMITS: Mapping[str, Range] = {
    "strength": Range(0.0, 1.0, 0.01),
    "feather": Range(0.0, 0.2, 0.001),
}
"""What each number of `RestorationOptions` may be."""

CHOICES: Mapping[str, Iterable[str]] = {
    "template": TEMPLATES,
    "mask": MASKS,
    "colour": COLOUR_MATCHES,
    "feather_shape": FEATHER_SHAPES,
}
"""What each name of `RestorationOptions` may be."""

HELP = {
    "strength": "how much of the restored face to take, 0 to 1; GPEN's authors use 0.8 for selfies",
    "template": "how a face sits in the crop: gpen as GPEN's authors do, ffhq 12 % closer",
    "feather": "width of the soft edge of the pasted area, as a part of the crop's side",
    "mask": "what of the crop is pasted: "
    + ", or ".join(f"{name} ({mask.help})" for name, mask in MASKS.items()),
    "colour": ", or ".join(
        f"{name}: {match.help}" if match.help else name for name, match in COLOUR_MATCHES.items()
    ),
    "faces": "which faces: all, largest, largest:3, or numbers and ranges such as 0,2-4",
    "feather_shape": f"profile of the soft edge: {', '.join(FEATHER_SHAPES)}",
}


@dataclass(frozen=True)
class RestorationOptions:
    """How faces are cut out, restored and put back.

    Raises:
        OptionError: a value is outside what its field says.
    """

    strength: float = 1.0
    """How much of the restored face is taken, 0..1; GPEN's authors use 0.8 for selfies."""

    template: TemplateName = "gpen"
    """How a face sits in the crop: "gpen" as GPEN's authors align it, "ffhq" 12 % closer."""

    feather: float = DEFAULT_FEATHER
    """Width of the soft edge of the pasted area, as a part of the crop's side, 0..0.2."""

    mask: MaskName = "area"
    """What of the crop is pasted: "area" for all of it, "parse" for face and hair only, which needs
    a face parser."""

    colour: ColourMatch = "none"
    """Whose colour the face gets: "none" keeps the network's, "lowfreq" takes the overall colour
    and light of the picture."""

    faces: str = "all"
    """Which faces are restored: "all", "largest", "largest:3", or numbers and ranges such as
    "0,2-4"."""

    feather_shape: FeatherShape = "cubic"
    """Profile of the soft edge."""

    def __post_init__(self) -> None:
        for name, allowed in RESTORATION_LIMITS.items():
            allowed.check(name, getattr(self, name))
        for name, choices in CHOICES.items():
            value: str = getattr(self, name)
            if value not in choices:
                raise OptionError(f"{name} is {value!r}, but must be one of {', '.join(choices)}")
        check_selection(self.faces)


@dataclass(frozen=True)
class Preset:
    """A model size and options that belong together; options that the user names win."""

    model_size: int
    """Side of the model's crops in pixels."""

    options: RestorationOptions


PRESETS = {"selfie": Preset(2048, RestorationOptions(strength=0.8))}
"""As GPEN's authors use them; see their demo for selfies."""
