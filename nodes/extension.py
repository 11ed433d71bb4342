"""The pack's nodes, as ComfyUI asks for them."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from .converting import ConvertGpenModel
from .detecting import DetectFaces
from .loaders import LoadFaceDetector, LoadGpenModel
from .other_tasks import ColorizeImage, FaceFromSegmentation, InpaintFace
from .restoring import RestoreAfterSwap, RestoreImage
from .selecting import SelectFaces
from .stepping import CropFaces, PasteFacesBack, RestoreFaces

NODES: list[type[io.ComfyNode]] = [
    LoadGpenModel,
    LoadFaceDetector,
    RestoreImage,
    RestoreAfterSwap,
    DetectFaces,
    SelectFaces,
    CropFaces,
    RestoreFaces,
    PasteFacesBack,
    ColorizeImage,
    InpaintFace,
    FaceFromSegmentation,
    ConvertGpenModel,
]


class GpenExtension(ComfyExtension):
    """The pack."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """The pack's nodes."""
        return NODES


async def comfy_entrypoint() -> GpenExtension:
    """Called by ComfyUI once."""
    return GpenExtension()
