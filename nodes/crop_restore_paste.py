"""The steps of a restoration as separate nodes: crop, restore, paste back."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ..gpen_core.compositing.canvas import Canvas
from ..gpen_core.compositing.colour_match import match_colour
from ..gpen_core.errors import OptionError
from ..gpen_core.geometry.alignment import Alignment, align, scale_factors
from ..gpen_core.geometry.sampling import extract_crop, resize_crop
from ..gpen_core.geometry.templates import check_template
from ..gpen_core.images.checks import PASTE_MASK_PURPOSE
from ..gpen_core.network.config import LARGEST, SIZES
from ..gpen_core.restoration.face_job import cut_out
from .shared import host
from .shared.batch_job import load_face_parser, require_task, run_on_each
from .shared.pictures import check_images, check_mask, clipped_frame, frame_of, mask_for
from .shared.results import CropBatch, ImageBatch
from .shared.schema import (
    checks_types,
    choice_widget,
    mask,
    model,
    node_schema,
    output,
    restoration_options,
    restoration_widgets,
)
from .shared.values import Faces, FacesSocket, GpenModel

_SIZES = [str(size) for size in SIZES]


class CropFaces(io.ComfyNode):
    """Crops faces."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        return node_schema(
            node_id="GPENCropFaces",
            display_name="Crop Faces (GPEN)",
            aliases=("align faces", "extract faces"),
            description=(
                "Crops each face from the images, upright and in the position GPEN expects. All "
                "faces of a batch come as one batch of crops, in order."
            ),
            inputs=[
                io.Image.Input("image", tooltip="the images in which the faces were found"),
                FacesSocket.Input("faces", tooltip="from Detect Faces or Select Faces (GPEN)"),
                choice_widget(
                    "size",
                    _SIZES,
                    "side of the crops in pixels: that of the GPEN model",
                    str(LARGEST),
                ),
                *restoration_widgets("template"),
            ],
            outputs=[
                output(io.Image, "crops", "crops", "the faces; a small black image if none"),
                output(FacesSocket, "cut_faces", "faces", "the faces and how they were cropped"),
            ],
        )

    @classmethod
    @checks_types
    def execute(cls, image: Tensor, faces: Faces, size: str, template: Any) -> io.NodeOutput:
        """Crops image by image."""
        check_template(template)
        if size not in _SIZES:
            raise OptionError(f"the size is {size!r}, but must be one of {', '.join(_SIZES)}")
        faces.check_images(image)
        cropped = replace(faces, template=template)
        crops = CropBatch()
        for index, found in enumerate(_alignments(cropped, int(size))):
            if not found:
                continue
            host.stop_if_cancelled()
            frame = clipped_frame(image, index)
            for alignment in found:
                # Fallbacks are logged; this node has no report.
                crops.add(cut_out(frame, alignment, host.device(), []))
        return io.NodeOutput(crops.image(), cropped)


class RestoreFaces(io.ComfyNode):
    """Runs the network on crops."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        return node_schema(
            node_id="GPENRestoreFaces",
            display_name="Run GPEN on Crops",
            aliases=("restore crops", "restore face crops"),
            description="Restores face crops with GPEN. Crops of another size are resized first.",
            inputs=[
                model(),
                io.Image.Input("crops", tooltip="from Crop Faces (GPEN), or square face images"),
            ],
            outputs=[output(io.Image, "restored", "restored", "the crops, at the model's size")],
        )

    @classmethod
    @checks_types
    def execute(cls, model: GpenModel, crops: Tensor) -> io.NodeOutput:
        """Restores one crop after the other."""
        require_task(model, "restoration")
        check_images(crops)
        if CropBatch.is_empty(crops):
            return io.NodeOutput(crops)
        restored = CropBatch()

        def restore(index: int) -> Tensor:
            crop = resize_crop(_to_crop(crops, index), model.restorer.size)
            crop = model.restorer.restore(crop, host.cancelled)
            restored.add(crop)
            return crop

        run_on_each(model, "restoration", range(crops.shape[0]), restore)
        return io.NodeOutput(restored.image())


class PasteFacesBack(io.ComfyNode):
    """Pastes restored crops into the images."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        return node_schema(
            node_id="GPENPasteFacesBack",
            display_name="Paste Faces Back (GPEN)",
            aliases=("paste crops", "uncrop faces"),
            description=(
                "Pastes restored crops back where they were cropped, without a seam. The images "
                "may be the original ones or the same ones upscaled. Outside the faces every pixel "
                "stays as it is."
            ),
            inputs=[
                io.Image.Input("image", tooltip="the images, or the same ones upscaled"),
                FacesSocket.Input("faces", tooltip="from Crop Faces (GPEN)"),
                io.Image.Input("restored", tooltip="from Run GPEN on Crops"),
                *restoration_widgets("strength", "feather", "colour"),
                mask("where pasting is allowed"),
                *restoration_widgets("mask", optional=True),
            ],
            outputs=[
                output(io.Image, "pasted", "image", "the restored images"),
                output(io.Mask, "pasted_mask", "mask", "what was pasted"),
            ],
        )

    @classmethod
    @checks_types
    def execute(
        cls,
        image: Tensor,
        faces: Faces,
        restored: Tensor,
        mask: Tensor | None = None,
        **settings: Any,
    ) -> io.NodeOutput:
        """Pastes image by image."""
        options = restoration_options(**settings)
        faces.check_length(image)
        check_images(restored)
        if faces.count and restored.shape[0] != faces.count:
            raise OptionError(
                f"there are {faces.count} faces but {restored.shape[0]} restored crops; connect "
                "the faces of the Crop Faces (GPEN) node that cut these crops"
            )
        result = ImageBatch(image)
        check_mask(mask, image.shape[0], PASTE_MASK_PURPOSE)
        factor = scale_factors((faces.height, faces.width), image.shape[1:3])
        crops = iter(range(restored.shape[0]))
        parser = load_face_parser(options.mask) if faces.count else None
        height, width = image.shape[1:3]
        for index, found in enumerate(_alignments(faces, restored.shape[1])):
            if not found:
                continue
            host.stop_if_cancelled()
            frame = frame_of(image, index)
            background_alignments = [each.for_resized(factor) for each in found]
            paste_mask = mask_for(mask, index, height, width)
            canvas = Canvas(
                frame, background_alignments, options.strength, options.feather, paste_mask
            )
            for number, alignment in enumerate(background_alignments):
                crop = _to_crop(restored, next(crops))
                original = partial(extract_crop, frame, alignment, crop.device)
                crop = match_colour(options.colour, crop, original)
                canvas.paste(number, crop, None if parser is None else parser.mask(crop))
            result.put(index, canvas.pixels, canvas.mask)
        return io.NodeOutput(result.images(), result.masks())


def _alignments(faces: Faces, size: int) -> list[list[Alignment]]:
    """For each image the alignments of its faces to crops of a size."""
    return [[align(face, size, faces.template) for face in found] for found in faces.pictures]


def _to_crop(images: Tensor, index: int) -> Tensor:
    """One image of a batch as a crop (3, S, S), float32, on the device in use.

    Raises:
        OptionError: it is not square or holds NaN.
    """
    height, width = images.shape[1:3]
    if height != width:
        raise OptionError(
            f"face crops are square, but these images are {width}×{height}; "
            "cut faces out with Crop Faces (GPEN) first"
        )
    crop = torch.from_numpy(clipped_frame(images, index))
    return crop.to(host.device()).permute(2, 0, 1).contiguous()
