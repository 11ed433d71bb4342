"""The node that writes a GPEN file in another format."""

from __future__ import annotations

from typing import Literal

from comfy_api.latest import io

from ..gpen_core.conversion.convert import convert_model
from ..gpen_core.conversion.formats import FORMATS
from ..gpen_core.errors import OptionError
from .shared import host
from .shared.model_files import ModelFileNode, find_model
from .shared.schema import checks_types, choice_widget, node_schema, output

_FORMATS = tuple(ending.removeprefix(".") for ending in FORMATS)
_PRECISIONS = ("fp32", "fp16")


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
                choice_widget("format", _FORMATS, "onnx needs the packages onnx and onnxruntime"),
                choice_widget(
                    "precision",
                    _PRECISIONS,
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
        cls,
        model_name: str,
        format: Literal["safetensors", "onnx"],
        precision: str,
        overwrite: bool,
    ) -> io.NodeOutput:
        """Converts the file."""
        if precision not in _PRECISIONS:
            raise OptionError(f"the precision is {precision!r}, but must be fp32 or fp16")
        source = find_model(model_name)
        half = "-fp16" if precision == "fp16" else ""
        target = source.with_name(f"{source.stem}{half}.{format}")
        with host.interruptible():
            done = convert_model(
                source, target, precision == "fp16", overwrite=overwrite, cancelled=host.cancelled
            )
        return io.NodeOutput(str(done.target))
