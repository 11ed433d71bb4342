"""Model files, read without trusting them."""

from .identify import describe
from .reading import read_state_dict
from .state_dict import check_finite

__all__ = ["check_finite", "describe", "read_state_dict"]
