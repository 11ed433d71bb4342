"""Finding faces: one interface, three detectors, and the rules common to them."""

from .detector import (
    DetectionOptions,
    Detector,
    FoundFaces,
    Pixels,
    detect_faces,
    search_faces,
)
from .registry import DETECTOR_NAMES, DetectorName, load_detector

__all__ = [
    "DETECTOR_NAMES",
    "DetectionOptions",
    "Detector",
    "DetectorName",
    "FoundFaces",
    "Pixels",
    "detect_faces",
    "load_detector",
    "search_faces",
]
