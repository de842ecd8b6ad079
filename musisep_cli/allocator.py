"""Allocator: memory that was freed stays with the process, to be used again.

glibc gives large blocks back to the system as soon as they are free, and takes the next from it,
which clears every page of it: a twelfth of all time, where one tensor of some megabytes follows
another. What is kept is what was in use at once before, so that no more memory is needed.

It is a setting of the whole process: for programs of this package, not for whoever imports it.
"""

from __future__ import annotations

import ctypes

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Numbers of the parameters in glibc's malloc.h."""
KEPT_BYTES = 2**30
"""As much may be unused before any of it is given back."""
LARGEST_BYTES = 2**25
"""Larger blocks come from the system; glibc takes no higher limit."""


def keep_freed_memory() -> None:
    """From now on, where the C library is glibc; elsewhere nothing changes."""
    try:
        set_parameter = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # not Linux, or another C library
        return
    set_parameter(TRIM_THRESHOLD, KEPT_BYTES)
    set_parameter(MMAP_THRESHOLD, LARGEST_BYTES)
