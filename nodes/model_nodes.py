"""The nodes that load a GPEN model or a face detector, or write a model in another format."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..gpen_core.conversion.convert import convert_model
from ..gpen_core.conversion.formats import FORMAT_NAMES, WEIGHT_PRECISIONS, path_beside
from ..gpen_core.detection.registry import AUTO_HELP, DETECTOR_NAMES, DETECTORS
from ..gpen_core.restorers.execution import ACCELERATION_HELP, ACCELERATIONS
from ..gpen_core.runtime.devices import PRECISIONS
from .shared import host
from .shared.model_files import ModelFileNode, find_model
from .shared.schema import checks_types, choice_widget, node_schema, output
from .shared.values import DetectorSocket, ModelSocket


class LoadGpenModel(ModelFileNode):
    """Reads a GPEN file into the host's memory management."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        return node_schema(
            node_id="GPENLoadModel",
            display_name="Load GPEN Model",
            aliases=("face restore model", "gpen model loader"),
            description=(
                "Loads a GPEN face restoration model. The file may have any name; its size is read "
                "from its content. GPEN's weights are for non-commercial use."
            ),
            inputs=[
                cls.model_file(),
                choice_widget(
                    "precision",
                    PRECISIONS,
                    "auto is fp32; fp16 and bf16 need half the memory on a GPU",
                ),
                choice_widget("acceleration", ACCELERATIONS, ACCELERATION_HELP, optional=True),
            ],
            outputs=[output(ModelSocket, "gpen_model", "model", "the loaded model")],
        )

    @classmethod
    @checks_types
    def execute(cls, model_name: str, precision: Any, acceleration: Any = "auto") -> io.NodeOutput:
        """Loads the file; where it runs is up to the host from now on."""
        return io.NodeOutput(host.open_model(find_model(model_name), precision, acceleration))


class LoadFaceDetector(io.ComfyNode):
    """Loads a face detector."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        return node_schema(
            node_id="GPENLoadFaceDetector",
            display_name="Load Face Detector (GPEN)",
            aliases=("face detection model", *DETECTORS, "mtcnn"),
            description=(
                "Chooses how faces are found. The embedded detector needs no files; the others "
                "use files in models/facedetection."
            ),
            inputs=[choice_widget("detector_name", DETECTOR_NAMES, AUTO_HELP)],
            outputs=[output(DetectorSocket, "gpen_detector", "detector", "the loaded detector")],
        )

    @classmethod
    def validate_inputs(cls, detector_name: str | None = None) -> bool | str:
        """Refuses an unknown name; None means that it comes over a link and is not known yet."""
        if detector_name is None or detector_name in DETECTOR_NAMES:
            return True
        return f"the detector {detector_name!r} is unknown; use {', '.join(DETECTOR_NAMES)}"

    @classmethod
    @checks_types
    def execute(cls, detector_name: Any) -> io.NodeOutput:
        """Loads it."""
        return io.NodeOutput(host.open_detector(detector_name))


class ConvertGpenModel(ModelFileNode):
    """Writes a GPEN file in another format, next to the original."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        return node_schema(
            node_id="GPENConvertModel",
            display_name="Convert GPEN Model",
            aliases=("safetensors", "onnx export"),
            is_output_node=True,
            description=(
                "Writes a GPEN model as .safetensors, which loads faster and cannot hold code, or "
                "as .onnx, which ReActor and other programs run. The new file goes next to "
                "the old one and is kept only if it is the same model."
            ),
            inputs=[
                cls.model_file(),
                choice_widget(
                    "format", FORMAT_NAMES, "onnx needs the packages onnx and onnxruntime"
                ),
                choice_widget(
                    "precision",
                    WEIGHT_PRECISIONS,
                    "of the weights; fp16 is a much smaller file, a little less exact",
                ),
                io.Boolean.Input(
                    "overwrite", default=False, tooltip="replace a file of the same name"
                ),
            ],
            outputs=[output(io.String, "path", "path", "the file that was written")],
        )

    @classmethod
    @checks_types
    def execute(
        cls, model_name: str, format: str, precision: str, overwrite: bool
    ) -> io.NodeOutput:
        """Converts the file."""
        source = find_model(model_name)
        target = path_beside(source, format, precision)
        with host.interruptible():
            done = convert_model(
                source, target, precision == "fp16", overwrite=overwrite, cancelled=host.cancelled
            )
        return io.NodeOutput(str(done.target))
