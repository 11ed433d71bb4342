"""`gpen demo`: the whole program on one photo, with everything it can show."""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...detection.detector import Detector
from ...detection.registry import load_detector
from ...errors import ImageError
from ...faces.overlay import draw_faces
from ...images.picture import Picture, to_dtype, to_float
from ...images.reading import read_picture
from ...images.writing import write_picture
from ...network.config import PUBLISHED
from ...network.synthetic_weights import detail_state
from ...restoration.pipeline import restore_picture
from ...restoration.results import RestoredCrop, RestoredPicture
from ...restorers.load import load_restorer
from ...restorers.protocol import Restorer
from ...runtime.atomic_files import make_folder, write_text
from ...runtime.devices import choose_device
from ...runtime.progress import Progress
from ..arguments import ModelArguments, add_model, add_overwrite, file_path, parsed
from ..console import Console
from ..loaders import installed_model, load_named_restorer
from ..targets import check_free
from . import NOTICE

_RESTORED, _FACES, _PAIR, _REPORT = "restored.png", "faces.png", "before-after.png", "report.json"
_STAND_IN = "detail-checkpoint-2048.pth"
_CLOSE_UP = 768
_GAP = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the command takes."""
    parser.description = (
        "Restores a sample photo; writes the picture, what was found, a comparison and the report. "
        "Without an installed GPEN model a stand-in that only sharpens is built."
    )
    parser.epilog = NOTICE
    parser.add_argument(
        "-o",
        "--output",
        type=file_path,
        default=Path("demo"),
        metavar="FOLDER",
        help="default: demo",
    )
    parser.add_argument(
        "--picture", type=file_path, metavar="FILE", help="another picture than the sample photo"
    )
    add_overwrite(parser)
    add_model(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Restores the sample photo; writes pictures and report; prints time and memory."""
    photo: Path = arguments.picture or sample_photo()
    for name in (_RESTORED, _FACES, _PAIR, _REPORT):
        check_free(arguments.output / name, arguments.overwrite)
    picture = read_picture(photo)
    console.print(f"photo {photo}")
    model = parsed(ModelArguments, arguments)
    # The restorer may read its file again when memory runs out, so the file stays until the end.
    with tempfile.TemporaryDirectory() as scratch:
        restorer = _load(model, console, Path(scratch))
        device = choose_device(model.device)
        detector = load_detector("auto", model.folders.searched("detection"), device)
        result, seconds = _restore(picture, restorer, detector, console)
        written = _write(arguments.output, picture, result, arguments.overwrite)
        console.print(result.report.summary())
        console.print(f"model {restorer.name} ({restorer.size} pixels), detector {detector.name}")
        console.print(f"{seconds:.1f} s on {result.report.device}, {_peak_memory(restorer.device)}")
        console.print(f"written to {arguments.output}: {', '.join(written)}")
    return 0


def sample_photo() -> Path:
    """The portrait of astronaut Eileen Collins (NASA, public domain) that scikit-image ships.

    Raises:
        ImageError: scikit-image is not installed, or not with this picture.
    """
    package = importlib.util.find_spec("skimage")
    folders = package.submodule_search_locations if package is not None else None
    for folder in folders or ():
        photo = Path(folder) / "data" / "astronaut.png"
        if photo.is_file():
            return photo
    raise ImageError(
        "the sample photo comes with scikit-image, which is not installed; "
        "run pip install scikit-image, or name a photo with --picture"
    )


def _restore(
    picture: Picture, restorer: Restorer, detector: Detector, console: Console
) -> tuple[RestoredPicture, float]:
    """The restored picture, and the seconds that it took."""

    def show(progress: Progress) -> None:
        console.progress(progress.stage, progress.part)

    began = time.perf_counter()
    result = restore_picture(picture.pixels, restorer, detector, on_progress=show)
    return result, time.perf_counter() - began


def _load(arguments: ModelArguments, console: Console, scratch: Path) -> Restorer:
    """The installed model, or the stand-in, which is announced."""
    if arguments.model is not None or installed_model(arguments.folders) is not None:
        return load_named_restorer(arguments)
    console.print(
        "No GPEN model is installed: using a stand-in of the same size and format, built on the\n"
        "spot, which runs every layer of the network but only SHARPENS. It restores nothing.\n"
        "For restoration put GPEN-BFR-2048.pth into models/facerestore_models."
    )
    return load_restorer(_write_stand_in(scratch), arguments.device, arguments.precision)


def _write_stand_in(folder: Path) -> Path:
    """Writes a checkpoint of the 2048 model's size that sharpens and restores nothing.

    Returns:
        The file, 285 MB, in the official format.
    """
    path = folder / _STAND_IN
    torch.save(detail_state(PUBLISHED[2048], fine=1.0), path)
    return path


def _write(
    folder: Path, picture: Picture, result: RestoredPicture, overwrite: bool
) -> tuple[str, ...]:
    """Writes all results; returns the names of the files."""
    make_folder(folder)
    write_picture(folder / _RESTORED, picture.with_pixels(result.pixels), overwrite)
    shown = to_dtype(to_float(picture.pixels), np.uint8)
    overlay = Picture(draw_faces(shown, result.faces), icc_profile=picture.icc_profile)
    write_picture(folder / _FACES, overlay, overwrite)
    write_text(folder / _REPORT, result.report.to_json(), overwrite)
    if not result.crops:
        return _RESTORED, _FACES, _REPORT
    largest = max(result.crops, key=lambda crop: crop.face.size)
    pair = Picture(_side_by_side(largest), icc_profile=picture.icc_profile)
    write_picture(folder / _PAIR, pair, overwrite)
    return _RESTORED, _FACES, _PAIR, _REPORT


def _side_by_side(crop: RestoredCrop) -> NDArray[np.uint8]:
    """The crop before and after, with a white gap between."""
    gap = np.full((_CLOSE_UP, _GAP, 3), 255, np.uint8)
    return np.concatenate([_close_up(crop.aligned), gap, _close_up(crop.restored)], axis=1)


def _close_up(crop: torch.Tensor) -> NDArray[Any]:
    """The part of a crop (3, S, S) in 0..1 that is pasted, for showing: uint8 (side, side, 3)."""
    edge = crop.shape[-1] // 16
    pasted = crop[None, :, edge:-edge, edge:-edge]
    reduced = torch.nn.functional.interpolate(
        pasted, (_CLOSE_UP, _CLOSE_UP), mode="bicubic", antialias=True
    )
    return to_dtype(reduced[0].permute(1, 2, 0).numpy(), np.uint8)


def _peak_memory(device: torch.device) -> str:
    on_device = ""
    if device.type == "cuda":
        on_device = f", {torch.cuda.max_memory_allocated(device) / 2**20:.0f} MiB on {device}"
    try:
        import resource
    except ImportError:
        return f"peak memory not known on this system{on_device}"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in KiB, macOS in bytes.
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return f"peak memory of the whole program {peak / unit:.0f} MiB{on_device}"
