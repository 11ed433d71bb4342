"""Where the five landmarks lie in an aligned crop."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..errors import OptionError

# The ArcFace template of 96×112 pixels, from which GPEN derives its own.
_ARCFACE = (
    (30.29459953, 51.69630051),
    (65.53179932, 51.50139999),
    (48.02519989, 71.73660278),
    (33.54930115, 92.36550140),
    (62.72990036, 92.20410156),
)
# FFHQ's mean landmarks in a crop of 512 pixels, as face restoration programs use them.
_FFHQ = (
    (192.98138, 239.94708),
    (318.90277, 240.19360),
    (256.63416, 314.01935),
    (201.26117, 371.41043),
    (313.08905, 371.15118),
)

TemplateName = str
"""A name of `TEMPLATES`."""

TEMPLATES: Mapping[TemplateName, NDArray[np.float64]] = {
    "gpen": (np.asarray(_ARCFACE) + (8.0, 0.0) + 28.0) / 168.0,
    "ffhq": np.asarray(_FFHQ) / 512.0,
}
"""The landmarks (5, 2) of each template, as parts of the crop's side."""


def template(name: TemplateName, size: int) -> NDArray[np.float64]:
    """The landmarks (5, 2) in a crop of `size` pixels, in the order of `Face.landmarks`.

    "gpen" is the template of GPEN's authors: ArcFace's made square (8 pixels more on the left and
    right) with a quarter of its side, 28 pixels, of padding around it. "ffhq" shows faces 12 %
    larger.

    Raises:
        OptionError: the name is unknown.
    """
    check_template(name)
    return TEMPLATES[name] * size


def check_template(name: TemplateName) -> None:
    """Refuses a name that no template has.

    Raises:
        OptionError: the name is unknown.
    """
    if name not in TEMPLATES:
        raise OptionError(f"the template {name!r} is unknown; choose one of {', '.join(TEMPLATES)}")
