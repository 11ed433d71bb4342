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
from ...gpen_core.faces.left_out import LeftOut
from ...gpen_core.geometry.templates import TemplateName
from .pictures import check_images

if TYPE_CHECKING:
    from comfy.model_patcher import ModelPatcher

    from ...gpen_core.model_files.task import FileTask
    from ...gpen_core.restorers.protocol import Restorer

ModelSocket = io.Custom("GPEN_MODEL")
DetectorSocket = io.Custom("GPEN_DETECTOR")
FacesSocket = io.Custom("GPEN_FACES")


@dataclass(eq=False)
class GpenModel:
    """A loaded model and the host's hold on its memory."""

    restorer: Restorer
    patcher: ModelPatcher | None
    """Of the network that the restorer runs, if torch does; see `host.load`."""

    task: FileTask | None = None
    """What is known about what the file was trained for."""


@dataclass(frozen=True)
class Faces:
    """The faces of a batch of pictures: one value, so that they stay in step with the batch."""

    pictures: tuple[tuple[Face, ...], ...]
    """For each picture of the batch its faces, in the order in which they are cut out."""

    height: int
    """Of the pictures they were found in."""

    width: int
    template: TemplateName = "gpen"
    """How they are cut out and put back."""

    left_out: tuple[tuple[LeftOut, ...], ...] = ()
    """For each picture the faces that were found and are not here; none if empty."""

    @property
    def count(self) -> int:
        """Faces in all pictures."""
        return sum(len(faces) for faces in self.pictures)

    def found(self, index: int) -> FoundFaces:
        """What came of looking for the faces of one picture."""
        return FoundFaces(self.pictures[index], self.left_out[index] if self.left_out else ())

    def with_found(self, found: Sequence[FoundFaces]) -> Faces:
        """Other faces of the same pictures."""
        left_out = tuple(each.left_out for each in found)
        return replace(self, pictures=tuple(each.faces for each in found), left_out=left_out)

    def check_length(self, images: Tensor) -> None:
        """Raises OptionError if it is no IMAGE or the faces belong to one of another length."""
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
