"""A whole picture enlarged, with a super-resolution network or without: what faces are pasted into.

Networks are those that spandrel knows, ESRGAN and Real-ESRGAN (RRDBNet) above all. Their weights
come through `checkpoints`, like all others; spandrel only builds the network.
"""

from .enlarged import Enlarged, resample
from .loading import load_upscaler
from .upscaler import Upscaler

__all__ = ["Enlarged", "Upscaler", "load_upscaler", "resample"]
