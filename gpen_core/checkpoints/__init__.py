"""Model files, read without trusting them."""

from .identify import describe
from .reading import Weights, read_state_dict, read_weights
from .state_dict import check_finite

__all__ = ["Weights", "check_finite", "describe", "read_state_dict", "read_weights"]
