"""The nodes for GPEN's other models: colorize, inpaint, make faces from segmentation maps."""

from __future__ import annotations

import numpy as np
import torch
from comfy_api.latest import io
from torch import Tensor

from ..gpen_core.detection.detector import Detector
from ..gpen_core.images.checks import INPAINT_MASK_PURPOSE, require_marked
from ..gpen_core.restoration.options import RestorationOptions
from ..gpen_core.runtime.ranges import Range
from ..gpen_core.tasks.colorize import colorize_picture
from ..gpen_core.tasks.inpaint import inpaint_aligned, inpaint_picture
from ..gpen_core.tasks.inpaint_mask import DEFAULT_FEATHER, MOST_FEATHER
from ..gpen_core.tasks.segmentation import synthesize_face
from .shared import host
from .shared.batch_job import NODE_OF_TASK, require_task, run_on_each
from .shared.pictures import Frame, check_images, clipped_frame, frame_of, mask_for
from .shared.results import CropBatch, ImageBatch
from .shared.schema import (
    checks_types,
    images,
    known_detector,
    known_faces,
    model,
    node_schema,
    number_widget,
    output,
)
from .shared.values import Faces, GpenModel


class ColorizeImage(io.ComfyNode):
    """Colorizes images."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        return node_schema(
            node_id="GPENColorize",
            display_name=NODE_OF_TASK["colorization"],
            aliases=("colorise", "colourize", "old photo"),
            description=(
                "Colorizes grey images of faces with a GPEN colorization model. Light and detail "
                "stay the image's own; only the colour is the network's. Best for aligned "
                "faces, which the model was trained with."
            ),
            inputs=[
                io.Image.Input("image", tooltip="the images, one or a batch; only their light"),
                model("a colorization model from Load GPEN Model"),
            ],
            outputs=[output(io.Image, "coloured", "image", "the coloured images")],
        )

    @classmethod
    @checks_types
    def execute(cls, image: Tensor, model: GpenModel) -> io.NodeOutput:
        """Colorizes image by image."""
        result = ImageBatch(image)

        def colorize(index: int) -> None:
            frame = clipped_frame(image, index)
            result.put(index, colorize_picture(frame, model.restorer, host.cancelled).pixels)

        run_on_each(model, "colorization", range(image.shape[0]), colorize)
        return io.NodeOutput(result.images())


class InpaintFace(io.ComfyNode):
    """Fills masked parts of faces."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        return node_schema(
            node_id="GPENInpaint",
            display_name=NODE_OF_TASK["inpainting"],
            aliases=("face inpainting", "remove scratches"),
            description=(
                "Fills masked parts of faces with a GPEN inpainting model. Every pixel outside the "
                "mask stays as it is. Faces are found first, unless the images are aligned faces "
                "already."
            ),
            inputs=[
                images(),
                io.Mask.Input("mask", tooltip="what to fill: half covered counts"),
                model("an inpainting model from Load GPEN Model"),
                number_widget(
                    "feather_pixels",
                    Range(0, MOST_FEATHER),
                    DEFAULT_FEATHER,
                    "width in pixels of the soft edge, which lies within the mask",
                ),
                io.Boolean.Input(
                    "aligned",
                    default=False,
                    tooltip="whether the images are square aligned faces: none are searched",
                ),
                known_detector(),
                known_faces(),
            ],
            outputs=[output(io.Image, "filled", "image", "the filled images")],
        )

    @classmethod
    @checks_types
    def execute(
        cls,
        image: Tensor,
        mask: Tensor,
        model: GpenModel,
        feather_pixels: int,
        aligned: bool,
        detector: Detector | None = None,
        faces: Faces | None = None,
    ) -> io.NodeOutput:
        """Fills image by image; one with nothing masked passes through."""
        require_task(model, "inpainting")
        if faces is not None:
            faces.check_images(image)
        if not aligned and faces is None:
            detector = detector or host.open_detector()
        masks = _masks(image, mask)
        result = ImageBatch(image)
        options = RestorationOptions(template=faces.template) if faces else RestorationOptions()

        def inpaint(index: int) -> None:
            frame = clipped_frame(image, index)
            if aligned:
                made = inpaint_aligned(
                    frame, masks[index], model.restorer, feather_pixels, host.cancelled
                )
            else:
                made = inpaint_picture(
                    frame,
                    masks[index],
                    model.restorer,
                    detector,
                    options,
                    faces=None if faces is None else faces.pictures[index],
                    feather_pixels=feather_pixels,
                    cancelled=host.cancelled,
                )
            # Outside the mask even values beyond 0..1 stay as they came.
            masked = masks[index][..., np.newaxis] >= 0.5
            result.put(index, np.where(masked, made.pixels, frame_of(image, index)))

        run_on_each(model, "inpainting", masks, inpaint)
        return io.NodeOutput(result.images())


class FaceFromSegmentation(io.ComfyNode):
    """Makes faces from segmentation maps."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        return node_schema(
            node_id="GPENFaceFromSegmentation",
            display_name=NODE_OF_TASK["segmentation"],
            aliases=("segmentation to face", "seg2face"),
            description=(
                "Makes a face from a segmentation map in the colours of CelebAMask-HQ, with a GPEN "
                "segmentation-to-face model."
            ),
            inputs=[
                io.Image.Input("image", tooltip="square maps, one or a batch; each part a colour"),
                model("a segmentation model from Load GPEN Model"),
            ],
            outputs=[output(io.Image, "made", "image", "the faces, at the model's size")],
        )

    @classmethod
    @checks_types
    def execute(cls, image: Tensor, model: GpenModel) -> io.NodeOutput:
        """Makes one face after the other."""
        check_images(image)
        made = CropBatch()

        def synthesize(index: int) -> Tensor:
            frame = clipped_frame(image, index)
            face = synthesize_face(frame, model.restorer, host.cancelled)
            crop = torch.from_numpy(face.pixels).permute(2, 0, 1)
            made.add(crop)
            return crop

        run_on_each(model, "segmentation", range(image.shape[0]), synthesize)
        return io.NodeOutput(made.image())


def _masks(image: Tensor, mask: Tensor) -> dict[int, Frame]:
    """The masks of those images of a batch in which something is masked."""
    check_images(image)
    height, width = image.shape[1:3]
    every = {index: mask_for(mask, index, height, width) for index in range(image.shape[0])}
    masks = {
        index: part for index, part in every.items() if part is not None and (part >= 0.5).any()
    }
    require_marked(masks.values(), INPAINT_MASK_PURPOSE)
    return masks
