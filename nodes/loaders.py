"""The nodes that load: a GPEN model, a face detector."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..gpen_core.detection.registry import DETECTOR_NAMES, load_detector
from ..gpen_core.errors import CheckpointError
from ..gpen_core.restorers.execution import ACCELERATION_HELP, ACCELERATIONS
from ..gpen_core.runtime.devices import PRECISIONS
from .shared import host
from .shared.model_files import (
    detection_folders,
    find_model,
    fingerprint,
    missing_model,
)
from .shared.schema import CATEGORY, model_file
from .shared.search_aliases import also_found_as
from .shared.values import DetectorSocket, ModelSocket


class LoadGpenModel(io.ComfyNode):
    """Reads a GPEN file into the host's memory management."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        return io.Schema(
            node_id="GPENLoadModel",
            display_name="Load GPEN Model",
            category=CATEGORY,
            **also_found_as("face restore model", "gpen model loader"),
            description=(
                "Loads a GPEN face restoration model. The file may have any name; its size is read "
                "from its content. GPEN's weights are for non-commercial use."
            ),
            inputs=[
                model_file(),
                io.Combo.Input(
                    "precision",
                    options=list(PRECISIONS),
                    default="auto",
                    tooltip="auto is fp32; fp16 and bf16 need half the memory on a graphics card",
                ),
                io.Combo.Input(
                    "acceleration",
                    options=list(ACCELERATIONS),
                    default="auto",
                    tooltip=ACCELERATION_HELP,
                    optional=True,
                ),
            ],
            outputs=[
                ModelSocket.Output("gpen_model", display_name="model", tooltip="the loaded model")
            ],
        )

    @classmethod
    def validate_inputs(cls, model_name: str | None = None) -> bool | str:
        """Refuses a file that is not there, before anything runs.

        What comes over a link is not known yet, None, and left to `execute`. The host repeats the
        message for each argument named here, so precision is left to `execute` too.
        """
        if model_name is None or find_model(model_name) is not None:
            return True
        return missing_model(model_name)

    @classmethod
    def fingerprint_inputs(
        cls,
        model_name: str | None = None,
        precision: str | None = None,
        acceleration: str | None = None,
    ) -> str:
        """Another file of the same name is loaded again. What comes over a link is None."""
        return f"{fingerprint(find_model(model_name or ''))}-{precision}-{acceleration}"

    @classmethod
    def execute(cls, model_name: str, precision: Any, acceleration: Any = "auto") -> io.NodeOutput:
        """Loads the file; where it runs is up to the host from now on."""
        path = find_model(model_name)
        if path is None:
            raise CheckpointError(missing_model(model_name))
        return io.NodeOutput(host.open_model(path, precision, acceleration))


class LoadFaceDetector(io.ComfyNode):
    """Loads a face detector."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        return io.Schema(
            node_id="GPENLoadFaceDetector",
            display_name="Load Face Detector (GPEN)",
            category=CATEGORY,
            **also_found_as("face detection model", "retinaface", "yunet", "mtcnn"),
            description=(
                "Chooses how faces are found. The embedded detector needs no files; RetinaFace and "
                "YuNet use files in models/facedetection."
            ),
            inputs=[
                io.Combo.Input(
                    "detector_name",
                    options=list(DETECTOR_NAMES),
                    default="auto",
                    tooltip="auto takes RetinaFace if it is installed, else the embedded detector",
                )
            ],
            outputs=[
                DetectorSocket.Output(
                    "gpen_detector", display_name="detector", tooltip="the loaded detector"
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, detector_name: str | None = None) -> bool | str:
        """Refuses a name that is none; None is not known yet."""
        if detector_name is None or detector_name in DETECTOR_NAMES:
            return True
        return f"the detector {detector_name!r} is unknown; use {', '.join(DETECTOR_NAMES)}"

    @classmethod
    def execute(cls, detector_name: Any) -> io.NodeOutput:
        """Loads it."""
        return io.NodeOutput(load_detector(detector_name, detection_folders(), host.device()))
