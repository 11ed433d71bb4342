"""Giving freed memory back to the system."""

from __future__ import annotations

import ctypes
import sys


def give_back() -> None:
    """Gives back what the C library keeps of freed memory; nothing where it has no such function.

    glibc keeps pieces of up to 32 MB, as large pictures are made of, in the thread's own heap.
    """
    if not sys.platform.startswith("linux"):
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
    if trim is not None:
        trim(0)
