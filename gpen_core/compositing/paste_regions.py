"""Which parts of a picture faces are pasted into, and which faces each part waits for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..geometry.alignment import Alignment
from ..geometry.regions import Region, grid_tiles

TILE = 960
"""Side, in pixels of the picture, of the squares in which faces wait for each other."""


class PasteRegion(NamedTuple):
    """What of a face lies in one tile of the picture, and all faces that reach into it."""

    region: Region
    faces: tuple[int, ...]


def pieces_of(alignments: Sequence[Alignment], regions: Sequence[Region]) -> list[PasteRegion]:
    """The work: each face in each tile of the picture's grid, with the faces it touches there.

    These stand in the order of their places, so that sums do not depend on who came first.
    """
    places = [alignment.image_to_crop.ravel().tolist() for alignment in alignments]
    order = sorted(range(len(regions)), key=places.__getitem__)
    faces_of: dict[Region, list[int]] = {}
    for face in order:
        for tile in grid_tiles(regions[face], TILE):
            faces_of.setdefault(tile, []).append(face)
    return [
        PasteRegion(part, tuple(touching(part, faces, regions)))
        for tile, faces in faces_of.items()
        for part in (tile.shared(regions[face]) for face in faces)
    ]


def touching(part: Region, faces: Sequence[int], regions: Sequence[Region]) -> Iterator[int]:
    """The faces whose regions share pixels with a part of the picture."""
    return (face for face in faces if not part.shared(regions[face]).empty)


def in_parts(pieces: Sequence[PasteRegion], side: int) -> dict[Region, list[PasteRegion]]:
    """The squares of the picture's grid of `side`, a divisor of `TILE`, with what is in each."""
    parts: dict[Region, list[PasteRegion]] = {}
    for piece in pieces:
        for square in grid_tiles(piece.region, side):
            parts.setdefault(square, []).append(
                PasteRegion(square.shared(piece.region), piece.faces)
            )
    return parts
