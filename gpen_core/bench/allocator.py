"""How the C library gives memory out to the processes that measure.

By default glibc returns large blocks to the system as soon as they are freed, and each page of the
next block costs a page fault: a large part of the time of a network that takes much memory. Which
part depends on the machine, so both settings are worth knowing: "default", in which users run, and
"kept", in which freed memory stays with the process and is used again without faults.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping

from .cases import AllocatorName

_PREFIX = "MALLOC_"

# Not a huge MALLOC_MMAP_THRESHOLD_ to keep blocks on the heap: glibc before 2.35 ignores values
# above 32 MiB.
_KEPT = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
    "MALLOC_TOP_PAD_": str(64 << 20),
}


def allocators() -> tuple[AllocatorName, ...]:
    """The settings that exist on this system."""
    return ("default", "kept") if platform.libc_ver()[0] == "glibc" else ("default",)


def environment(allocator: AllocatorName, parent: Mapping[str, str]) -> dict[str, str]:
    """A process's environment variables for a setting, made of its parent's."""
    # What a user has set for other programs would make "default" something else.
    variables = {name: value for name, value in parent.items() if not name.startswith(_PREFIX)}
    return variables | _KEPT if allocator == "kept" else variables
