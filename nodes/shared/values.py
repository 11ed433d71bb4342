"""The values that travel between this pack's nodes, and the sockets they travel through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from comfy_api.latest import io
from torch import Tensor

from ...gpen_core.detection.detector import FoundFaces
from ...gpen_core.errors import OptionError
from ...gpen_core.faces.face import Face
from ...gpen_core.faces.selection import LeftOut
from ...gpen_core.geometry.templates import TemplateName
from .pictures import check_images

if TYPE_CHECKING:
    from comfy.model_patcher import ModelPatcher

    from ...gpen_core.model_files.file_task import FileTask
    from ...gpen_core.restorers.protocol import Restorer

ModelSocket = io.Custom("GPEN_MODEL")
DetectorSocket = io.Custom("GPEN_DETECTOR")
FacesSocket = io.Custom("GPEN_FACES")


@dataclass(eq=False)
class GpenModel:
    """A loaded model and the host's hold on its memory."""

    restorer: Restorer
    patcher: ModelPatcher | None
    """Manages the memory of the restorer's network, if torch runs it; see `host.load`."""

    task: FileTask | None = None
    """What the file was trained for, as far as it is known."""


@dataclass(frozen=True)
class Faces:
    """The faces of a batch of images: one value, so that they stay in step with the batch."""

    pictures: tuple[tuple[Face, ...], ...]
    """The faces of each image of the batch, in the order in which they are cropped."""

    height: int
    """Height in pixels of the images in which they were found."""

    width: int
    """Width in pixels of the images in which they were found."""

    template: TemplateName = "gpen"
    """How they are aligned in their crops."""

    left_out: tuple[tuple[LeftOut, ...], ...] = ()
    """The faces of each image that were found but are not among these; none if empty."""

    @property
    def count(self) -> int:
        """How many faces there are in all images."""
        return sum(len(faces) for faces in self.pictures)

    def found(self, index: int) -> FoundFaces:
        """The faces of one image, and those left out."""
        return FoundFaces(self.pictures[index], self.left_out[index] if self.left_out else ())

    def with_found(self, found: Sequence[FoundFaces]) -> Faces:
        """These images with other faces."""
        left_out = tuple(each.left_out for each in found)
        return replace(self, pictures=tuple(each.faces for each in found), left_out=left_out)

    def check_length(self, images: Tensor) -> None:
        """Raises OptionError if it is not an IMAGE, or not as long as the faces' batch."""
        check_images(images)
        if images.shape[0] != len(self.pictures):
            raise OptionError(
                f"the faces were found in {len(self.pictures)} pictures, but the image batch "
                f"holds {images.shape[0]}; connect the same images to both nodes"
            )

    def check_images(self, images: Tensor) -> None:
        """Raises OptionError if the faces belong to a batch of another length or size."""
        self.check_length(images)
        height, width = images.shape[1:3]
        if (height, width) != (self.height, self.width):
            raise OptionError(
                f"the faces were found in pictures of {self.width}×{self.height} pixels, but these "
                f"images are {width}×{height}; connect the same images to both nodes"
            )
