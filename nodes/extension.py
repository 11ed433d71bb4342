"""The pack's nodes, as ComfyUI asks for them."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from .crop_restore_paste import CropFaces, PasteFacesBack, RestoreFaces
from .detect_faces import DetectFaces
from .model_nodes import ConvertGpenModel, LoadFaceDetector, LoadGpenModel
from .restore_image import RestoreAfterSwap, RestoreImage
from .select_faces import SelectFaces
from .task_nodes import ColorizeImage, FaceFromSegmentation, InpaintFace

_NODES: list[type[io.ComfyNode]] = [
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


class _Extension(ComfyExtension):
    """The pack."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """The pack's nodes."""
        return _NODES


async def comfy_entrypoint() -> ComfyExtension:
    """Called by ComfyUI once."""
    return _Extension()
