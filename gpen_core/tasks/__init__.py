"""What GPEN's other models do: colour, fill and make faces.

The network is the same for every task, so a file's tensors do not tell what it was trained for.
"""

from .colorize import colorize_picture
from .inpaint import inpaint_aligned, inpaint_picture
from .loading import load_for_task
from .report import TaskReport, TaskResult
from .segmentation import synthesize_face

__all__ = [
    "TaskReport",
    "TaskResult",
    "colorize_picture",
    "inpaint_aligned",
    "inpaint_picture",
    "load_for_task",
    "synthesize_face",
]
