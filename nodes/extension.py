"""The pack's nodes, as ComfyUI asks for them."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from ..gpen_core.model_files.task_table import Task
from .convert_model import ConvertGpenModel
from .crop_restore_paste import CropFaces, PasteFacesBack, RestoreFaces
from .detect_faces import DetectFaces
from .loaders import LoadFaceDetector, LoadGpenModel
from .restore_image import RestoreAfterSwap, RestoreImage
from .select_faces import SelectFaces
from .task_nodes import ColorizeImage, FaceFromSegmentation, InpaintFace

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


def nodes_by_task() -> dict[Task, str]:
    """For each task the name of its node, as the host shows it."""
    names: dict[Task, str] = {}
    for node in NODES:
        task: Task | None = getattr(node, "TASK", None)
        if task is not None:
            names[task] = str(node.define_schema().display_name)
    return names


class GpenExtension(ComfyExtension):
    """The pack."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """The pack's nodes."""
        return NODES


async def comfy_entrypoint() -> GpenExtension:
    """Called by ComfyUI once."""
    return GpenExtension()
