"""The formats and versions that models can be converted to; imports nothing heavy."""

FORMATS = (".safetensors", ".onnx")
"""How the name of a converted file ends."""

OPSETS = range(13, 24)
"""Versions of ONNX's operators in which GPEN's graph is the same."""

DEFAULT_OPSET = 17
