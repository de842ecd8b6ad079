"""Process: what a program of this package asks of the C libraries below it.

These are settings of the whole process, hence for programs, not for whoever imports the package.
"""

from __future__ import annotations

import ctypes
import os

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Numbers of the parameters in glibc's malloc.h."""
KEPT_BYTES = 2**30
"""As much may be unused before any of it is given back."""
LARGEST_BYTES = 2**25
"""Larger blocks come from the system; glibc takes no higher limit."""
SPINS = 1000
"""Rounds that a thread of GNU OpenMP waits actively, some ten microseconds: as many as it takes by
itself where it knows of more threads than cores."""


def keep_freed_memory() -> None:
    """From now on, where the C library is glibc; elsewhere nothing changes.

    It gives large blocks back to the system as soon as they are free, and takes the next from it,
    which clears every page of it: a twelfth of all time, where one tensor of some megabytes follows
    another. What is kept is what was in use at once before, so that no more memory is needed.
    """
    try:
        set_parameter = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # not Linux, or another C library
        return
    set_parameter(TRIM_THRESHOLD, KEPT_BYTES)
    set_parameter(MMAP_THRESHOLD, LARGEST_BYTES)


def wait_briefly() -> None:
    """Threads that wait for each other soon sleep; to be called before PyTorch is imported.

    GNU OpenMP, which it brings on Linux, spins for milliseconds. Where others are at work, that is
    the time of the thread that is waited for. Two threads for 3 s of a duet on two cores took 43 s
    with another program on each core, and now 24; two such at once took 21 to 59 s, and now 16. One
    by itself takes the 7 to 8 s it took. Threads that sleep at once would make that 11. Whoever
    sets one of the variables is followed.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", str(SPINS))
