"""Locks: only one process at a time writes in a folder.

The operating system holds the lock, so it ends with its process, however that process ends.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock

from musisep_cli.errors import OutputError

LOCK = ".lock"
"""Name of the lock file, which lies in the folder that it guards."""
PATIENCE_S = 20.0
"""Time in seconds to wait for a lock: the workers of a killed run notice its end after their
current step, and then still write what they have."""


@contextmanager
def hold(folder: Path, patience_s: float) -> Iterator[None]:
    """Keep other processes out of a folder within a block.

    Args:
        folder: a folder that exists.
        patience_s: how long to wait for another process to end, in seconds.

    Raises:
        OutputError: another process still holds the folder (the message says which), or the file
            system refuses.
    """
    path = folder / LOCK
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=patience_s)
    except filelock.Timeout as error:
        raise OutputError(
            f"{folder}: is in use by {_holder(path)}. Wait for it to end, or choose another folder "
            "with --out."
        ) from error
    except OSError as error:
        raise OutputError(f"{folder}: cannot be locked ({error.strerror}).") from error
    try:
        with suppress(OSError):  # a full disk takes no text, but the lock holds all the same
            path.write_text(f"process {os.getpid()} on {platform.node()}, {time.ctime()}", "utf-8")
        yield
    finally:
        # Before the release: a process that waits for the removed file notices that it is gone,
        # and locks a new one.
        with suppress(OSError):
            path.unlink()
        lock.release()


def _holder(path: Path) -> str:
    """Return what the lock file says of its process, or "another process"."""
    try:
        text = path.read_text("utf-8", errors="replace")[:200]
    except OSError:
        text = ""
    return text.partition(",")[0] or "another process"
