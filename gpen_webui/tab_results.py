"""What came of a picture in the tab, and saving it as the host saves pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from modules import images, shared
from PIL import Image

from gpen_core.report import Report
from gpen_core.tasks import TaskReport

from . import host


@dataclass(frozen=True)
class Done:
    """A finished picture, as far as the page shows it; no more, as a folder may hold many."""

    name: str
    image: Image.Image
    report: Report | TaskReport
    summary: str
    """One line for people."""

    crops: Sequence[Image.Image] = ()


def save_picture(image: Image.Image, facts: str) -> None:
    """Saves a picture where the host's settings say.

    Args:
        image: the picture; what it says about itself is kept.
        facts: how it was made, for its infotext.
    """
    images.save_image(
        image,
        **host.accepted(
            images.save_image,
            path=shared.opts.outdir_samples or shared.opts.outdir_extras_samples,
            basename="",
            extension=shared.opts.samples_format,
            info=facts,
            short_filename=True,
            no_prompt=True,
            grid=False,
            pnginfo_section_name="extras",
            existing_info=dict(image.info),
            suffix="-gpen",
        ),
    )
