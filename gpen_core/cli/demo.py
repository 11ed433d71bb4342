"""`gpen demo`: the whole program on one photo, with everything it can show."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..detection import load_detector
from ..files import write_text
from ..images import Picture, read_picture, to_dtype, to_float, write_picture
from ..overlay import draw_faces
from ..pipeline import Progress, RestoredPicture, restore_picture
from ..restorer import Restorer
from .console import Console
from .sample import sample_photo, write_stand_in
from .setting_up import folders_of, installed_model, load_restorer

_CLOSE_UP = 768


def run(arguments: argparse.Namespace) -> int:
    """Restores the sample photo; writes pictures and report; prints time and memory."""
    photo = arguments.picture or sample_photo()
    with Console() as console, tempfile.TemporaryDirectory() as scratch:
        restorer = _model(arguments, console, Path(scratch))
        detector = load_detector("auto", folders_of(arguments).searched("detection"))
        picture = read_picture(photo)
        began = time.perf_counter()

        def show(progress: Progress) -> None:
            console.progress(progress.stage, progress.done, progress.total)

        result = restore_picture(picture.pixels, restorer, detector, progress=show)
        seconds = time.perf_counter() - began
        _write(arguments.output, picture, result)
        console.say(f"{photo}: {result.report.summary()}")
        console.say(f"model {restorer.name} ({restorer.size} pixels), detector {detector.name}")
        console.say(f"{seconds:.1f} s on {result.report.device}, {_peak_memory()}")
        console.say(
            f"written to {arguments.output}/: restored.png, faces.png, before-after.png, report.json"
        )
    return 0


def _model(arguments: argparse.Namespace, console: Console, scratch: Path) -> Restorer:
    """The installed model, or the stand-in with plain words about it."""
    if arguments.model is not None or installed_model(folders_of(arguments)) is not None:
        return load_restorer(arguments)
    console.say(
        "No GPEN model is installed: using a stand-in of the same size and format, built on the\n"
        "spot, which runs every layer of the network but only SHARPENS. It restores nothing.\n"
        "For restoration put GPEN-BFR-2048.pth into models/facerestore_models."
    )
    return Restorer.load(write_stand_in(scratch), arguments.device, arguments.precision)


def _write(folder: Path, picture: Picture, result: RestoredPicture) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_picture(folder / "restored.png", picture.with_pixels(result.pixels), overwrite=True)
    shown = to_dtype(to_float(picture.pixels), np.uint8)
    overlay = Picture(draw_faces(shown, result.faces), icc_profile=picture.icc_profile)
    write_picture(folder / "faces.png", overlay, overwrite=True)
    write_text(folder / "report.json", result.report.to_json(), overwrite=True)
    if result.crops:
        first = result.crops[0]
        pair = np.concatenate([_close_up(first.aligned), _close_up(first.restored)], axis=1)
        close_up = Picture(pair, icc_profile=picture.icc_profile)
        write_picture(folder / "before-after.png", close_up, overwrite=True)


def _close_up(crop: torch.Tensor) -> NDArray[Any]:
    """A crop (3, S, S) in 0..1 reduced for showing, uint8 (side, side, 3)."""
    reduced = torch.nn.functional.interpolate(
        crop.unsqueeze(0), (_CLOSE_UP, _CLOSE_UP), mode="bicubic", antialias=True
    )
    return to_dtype(reduced[0].permute(1, 2, 0).numpy(), np.uint8)


def _peak_memory() -> str:
    try:
        import resource
    except ImportError:
        return "peak memory not known on this system"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in KiB, macOS in bytes.
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return f"peak memory of the whole program {peak / unit:.0f} MiB"
