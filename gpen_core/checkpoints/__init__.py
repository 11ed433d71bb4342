"""Model files, read without trusting them."""

from .file_kind import FileKind
from .identify import describe
from .networks import Network
from .reading import Weights, kind_of_file, read_state_dict, read_weights
from .state_dict import check_finite

__all__ = [
    "FileKind",
    "Network",
    "Weights",
    "check_finite",
    "describe",
    "kind_of_file",
    "read_state_dict",
    "read_weights",
]
