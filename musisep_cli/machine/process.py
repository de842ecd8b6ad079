"""Process: settings of the C libraries that this process uses, for memory and for threads.

They change the whole process. So programs of this package call them, and importing it does not.
"""

from __future__ import annotations

import ctypes
import os

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Numbers by which glibc's malloc.h names the two parameters of ``mallopt``."""
KEPT_BYTES = 2**30
"""Bytes of free memory that the process keeps before it gives any back: 1 GiB."""
LARGEST_BYTES = 2**25
"""Bytes from which on a block comes from the system: 32 MiB, the highest that glibc accepts."""
SPINS = 1000
"""Rounds that a thread of GNU OpenMP waits actively, some ten microseconds: its own default where
it knows of more threads than cores."""


def keep_freed_memory() -> None:
    """Let the C library keep freed memory for the next tensor, where it is glibc.

    By default glibc gives large blocks back to the system as soon as they are free and takes the
    next ones from it. The system clears every page that it hands out: a twelfth of all time, where
    one tensor of some megabytes follows another. The kept memory was in use before, so the peak of
    the process does not rise. With another C library nothing changes.
    """
    try:
        set_parameter = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # not Linux, or another C library
        return
    set_parameter(TRIM_THRESHOLD, KEPT_BYTES)
    set_parameter(MMAP_THRESHOLD, LARGEST_BYTES)


def wait_briefly() -> None:
    """Let threads that wait for each other sleep soon; to be called before PyTorch is imported.

    GNU OpenMP, which PyTorch brings on Linux, lets a waiting thread spin for milliseconds. Where
    other programs are at work, the spinning takes the time of the very thread that is waited for.
    Measured with two threads for 3 s of a duet on two cores: 43 s before and 24 s now with another
    program on each core; 21 to 59 s before and 16 s now for two such runs at once; 7 to 8 s before
    and now for one alone, which would be 11 s if threads slept at once. A user who has set
    ``OMP_WAIT_POLICY`` or ``GOMP_SPINCOUNT`` keeps that setting.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", str(SPINS))
