"""Which node a model is for."""

from __future__ import annotations

from collections.abc import Mapping

from ...gpen_core.model_files.task_table import Task
from ...gpen_core.tasks.loading import admit
from .values import GpenModel

NODES: Mapping[Task, str] = {
    "restoration": "Restore Faces (GPEN Face Restoration)",
    "colorization": "Colorize Image (GPEN)",
    "inpainting": "Inpaint Face (GPEN)",
    "segmentation": "Face from Segmentation (GPEN)",
}
"""What the nodes of each task are called."""


def require_task(model: GpenModel, task: Task) -> None:
    """Refuses a model that is known to be for another task; notes what is not known.

    Raises:
        CheckpointError: it is for another task.
    """
    if model.task is not None:
        admit(model.restorer, model.task, task, NODES)
