"""Model files, read without trusting them."""

from .file_kind import FileKind
from .identify import describe
from .reading import kind_of_file, read_state_dict
from .state_dict import check_finite

__all__ = ["FileKind", "check_finite", "describe", "kind_of_file", "read_state_dict"]
