"""What the name of a model file claims, and where that and the content disagree."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath

from ..checkpoints.network_kinds import Network
from ..errors import escaped
from ..network.config import PUBLISHED
from .catalogue import Catalogue, Model, load_catalogue, title
from .contents import GPEN, Contents
from .task_table import Task, named_task

# Which network a name speaks of, by a part of it. The first that fits counts.
_NETWORKS = {
    "gfpgan": Network.GFPGAN,
    "codeformer": Network.CODEFORMER,
    "restoreformer": Network.RESTOREFORMER,
    "detection_resnet50": Network.RETINAFACE,
    # What the authors of SCRFD call the one of 10 gigaflops.
    "retinaface_10g": Network.SCRFD,
    "retinaface": Network.RETINAFACE,
    "parsenet": Network.PARSENET,
    "bisenet": Network.BISENET,
    "gpen": GPEN,
}


@dataclass(frozen=True)
class FilenameHints:
    """What a file's name says; None where it says nothing."""

    network: Network | None
    size: int | None
    task: Task | None


def parse_filename(name: str) -> FilenameHints:
    """Reads a file's name: "gpen_bfr_2048 (1).onnx" claims GPEN, 2048 pixels, restoration."""
    lower = PurePath(name).stem.lower()
    if "gpen" in lower and lower.endswith(("-d", "_d")):
        # GPEN's own are named like GPEN-BFR-512-D.
        return FilenameHints(Network.DISCRIMINATOR, None, None)
    network = next((network for part, network in _NETWORKS.items() if part in lower), None)
    if network is None:
        return _of_published_file(name)
    if network != GPEN:
        return FilenameHints(network, None, None)
    numbers = [int(number) for number in re.findall(r"\d+", lower)]
    size = next((number for number in numbers if number in PUBLISHED), None)
    return FilenameHints(network, size, named_task(lower))


def _of_published_file(name: str) -> FilenameHints:
    """What is known of a file by a name that says nothing by itself: pytorch_model-2048.pt."""
    model = load_catalogue().by_name(name)
    if model is None or model.network != GPEN:
        return FilenameHints(None, None, None)
    return FilenameHints(GPEN, model.size, model.task)


def claimed_model(name: str, catalogue: Catalogue) -> Model | None:
    """The model that a file's name claims to be, None if it claims none of the catalogue."""
    exact = catalogue.by_name(name)
    if exact is not None:
        return exact
    claim = parse_filename(name)
    if claim.size is None or claim.task is None:
        return None
    wanted = (claim.network, claim.size, claim.task)
    return next((m for m in catalogue.models if (m.network, m.size, m.task) == wanted), None)


def mismatches(name: str, contents: Contents, known: Model | None) -> tuple[str, ...]:
    """Where a file's name and content disagree, in half sentences; none if they agree.

    Args:
        name: of the file.
        contents: what it holds.
        known: the model it is by its hash, which may say more than the content alone.
    """
    claim = parse_filename(name)
    network = known.network if known else contents.network
    size = known.size if known else contents.size
    found = _wrong_ending(name, contents)
    if claim.network and network and not claim.network.may_be(network):
        found.append(f"named like {claim.network}, but holds {title(network, size)}")
    elif claim.size and size and claim.size != size:
        found.append(f"named for {claim.size} pixels, but holds {size}")
    if known and claim.task and claim.task != known.task:
        found.append(f"named for {claim.task}, but made for {known.task}")
    return tuple(found)


def _wrong_ending(name: str, contents: Contents) -> list[str]:
    is_onnx = contents.format == "onnx"
    if is_onnx == name.lower().endswith(".onnx"):
        return []
    what = "an ONNX model" if is_onnx else "PyTorch weights"
    ending = escaped(PurePath(name).suffix) or "of another format"
    return [f"holds {what} under the ending {ending}"]
