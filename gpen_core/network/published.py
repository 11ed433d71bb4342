"""The published GPEN networks: the one place that says which sizes there are."""

from __future__ import annotations

from .config import GpenConfig

PUBLISHED = {
    256: GpenConfig(256, channel_multiplier=1, narrow=0.5),
    512: GpenConfig(512, channel_multiplier=2, narrow=1),
    1024: GpenConfig(1024, channel_multiplier=2, narrow=1),
    2048: GpenConfig(2048, channel_multiplier=2, narrow=1),
}
"""Configurations by the size of the crop in pixels, smallest first."""

SIZES = tuple(PUBLISHED)
LARGEST = max(SIZES)
