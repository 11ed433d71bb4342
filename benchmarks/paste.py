"""Time per face of cutting crops out and pasting them back, against compositing whole frames.

    python benchmarks/paste.py --size 2048 --faces 30

The picture has 24 megapixels by default. "frame" does what face restoration programs usually do:
the crop and its mask are warped into a frame as large as the picture, and the frame is blended with
it. It uses the same sampling as the package, so that the ratio shows the frame's cost alone.
Methods take turns, so that other load on the machine falls on all of them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gpen_core.compositing.masks import area_mask, crop_coordinates
from gpen_core.compositing.paste import Canvas
from gpen_core.geometry.alignment import Alignment
from gpen_core.geometry.regions import Region
from gpen_core.geometry.sampling import extract_crop, sample

Pixels = NDArray[np.uint8]

FEATHER = 0.011


def scene(width: int, height: int, faces: int, size: int) -> tuple[Pixels, list[Alignment]]:
    """A picture of noise, and faces in rows, each a little turned, no two overlapping."""
    random = np.random.default_rng(0)
    columns = int(np.ceil(np.sqrt(faces * width / height)))
    rows = int(np.ceil(faces / columns))
    cell = min(width / columns, height / rows)
    scale = size / (0.7 * cell)
    alignments: list[Alignment] = []
    for index in range(faces):
        row, column = divmod(index, columns)
        angle = random.uniform(-0.2, 0.2)
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        centre = ((column + 0.5) * width / columns, (row + 0.5) * height / rows)
        shift = (size - 1) / 2 - turn @ np.array(centre)
        alignments.append(Alignment(np.column_stack([turn, shift]), size))
    return random.integers(0, 256, (height, width, 3), dtype=np.uint8), alignments


def extract(pixels: Pixels, alignments: Sequence[Alignment]) -> None:
    """Cuts every face out."""
    for alignment in alignments:
        extract_crop(pixels, alignment)


def paste(pixels: Pixels, alignments: Sequence[Alignment], crop: torch.Tensor) -> Pixels:
    """Pastes a crop into every place, as the package does."""
    canvas = Canvas(pixels, alignments, feather=FEATHER)
    for index in range(len(alignments)):
        canvas.paste(index, crop)
    return canvas.pixels


def paste_frames(pixels: Pixels, alignments: Sequence[Alignment], crop: torch.Tensor) -> Pixels:
    """The same by frames as large as the picture."""
    height, width = pixels.shape[:2]
    result = pixels.astype(np.float32) / 255
    for alignment in alignments:
        colour = sample(crop, alignment.image_to_crop, height, width).permute(1, 2, 0).numpy()
        x, y = crop_coordinates(alignment, Region(0, 0, width, height), torch.device("cpu"))
        mask = area_mask(x, y, alignment, FEATHER).numpy()[:, :, None]
        result += (colour.clip(0, 1) - result) * mask
    return np.rint(result * 255).astype(np.uint8)


def clock(work: Callable[[], Any]) -> float:
    """Seconds that a call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(options: argparse.Namespace) -> list[dict[str, float]]:
    """Milliseconds per face by method, for each round."""
    pixels, alignments = scene(options.width, options.height, options.faces, options.size)
    crop = extract_crop(pixels, alignments[0])
    # Frames cost the same for every face, and much.
    few = alignments[: options.frames]
    same = np.abs(paste(pixels, few, crop).astype(int) - paste_frames(pixels, few, crop))
    largest = float(same.max())
    return [
        {
            "extract": clock(lambda: extract(pixels, alignments)) / len(alignments) * 1000,
            "paste": clock(lambda: paste(pixels, alignments, crop)) / len(alignments) * 1000,
            "frame": clock(lambda: paste_frames(pixels, few, crop)) / len(few) * 1000,
            "largest_difference": largest,
        }
        for _ in range(options.rounds)
    ]


def main() -> None:
    """Prints the table and, with `--json`, writes all figures."""
    parser = argparse.ArgumentParser(description="Time per face of cutting out and pasting back.")
    parser.add_argument("--width", type=int, default=6000)
    parser.add_argument("--height", type=int, default=4000)
    parser.add_argument("--faces", type=int, default=30)
    parser.add_argument("--size", type=int, default=2048, choices=(256, 512, 1024, 2048))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--frames", type=int, default=3, help="faces composited by whole frames")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rounds = measure(options)
    print(
        f"{options.width}×{options.height}, {options.faces} faces, crops of {options.size}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}"
    )
    for method in ("extract", "paste", "frame"):
        print(f"{method:8} {statistics.median(r[method] for r in rounds):8.1f} ms per face")
    ratios = sorted(r["frame"] / r["paste"] for r in rounds)
    print(f"paste is {ratios[0]:.1f} to {ratios[-1]:.1f} times as fast as whole frames")
    print(f"largest difference between them: {rounds[0]['largest_difference']:.0f} of 255 levels")
    if options.json:
        options.json.write_text(json.dumps({"runs": rounds}, indent=2))


if __name__ == "__main__":
    main()
