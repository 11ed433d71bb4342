"""From the values of controls, any of which may be missing, to the core's options."""

from __future__ import annotations

from gpen_core.compositing.colour_match import ColourMatch
from gpen_core.detection.options import DetectionOptions
from gpen_core.geometry.templates import TemplateName
from gpen_core.restoration.options import RestorationOptions

from .settings import setting


def options_from_settings() -> RestorationOptions:
    """As the settings page says."""
    return restoration_options()


def restoration_options(
    strength: float | None = None,
    template: TemplateName | None = None,
    colour: ColourMatch | None = None,
    faces: str | None = None,
    feather: float | None = None,
) -> RestorationOptions:
    """The options; what is None comes from the settings page.

    Raises:
        OptionError: a value is out of range.
    """
    defaults = RestorationOptions()
    return RestorationOptions(
        strength=setting("gpen_strength") if strength is None else float(strength),
        template=template or setting("gpen_template"),
        colour=colour or setting("gpen_colour"),
        faces=faces or defaults.faces,
        feather=defaults.feather if feather is None else float(feather),
    )


def detection_options(
    confidence: float | None = None,
    minimum_size: float | None = None,
    maximum_count: float | None = None,
) -> DetectionOptions:
    """The options from sliders on which 0 means "not set"."""
    return DetectionOptions(
        confidence=float(confidence) if confidence else None,
        minimum_size=20.0 if minimum_size is None else float(minimum_size),
        maximum_count=int(maximum_count) if maximum_count else None,
    )
