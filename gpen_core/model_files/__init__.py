"""Model files: what they are, whether they are what they claim to be, and getting them."""

from .catalogue import Catalogue, Licence, Model, ModelFile, load_catalogue
from .contents import READERS, Contents, read_contents
from .default_model import best_model
from .scan import ScannedFile, model_files, scan
from .task import FileTask, task_of
from .verify import Verdict, Verification, verify_file

__all__ = [
    "READERS",
    "Catalogue",
    "Contents",
    "FileTask",
    "Licence",
    "Model",
    "ModelFile",
    "ScannedFile",
    "Verdict",
    "Verification",
    "best_model",
    "load_catalogue",
    "model_files",
    "read_contents",
    "scan",
    "task_of",
    "verify_file",
]
