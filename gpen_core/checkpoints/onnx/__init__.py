"""GPEN models in ONNX files, run by onnxruntime."""
