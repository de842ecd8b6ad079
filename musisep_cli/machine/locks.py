"""Locks: two processes never write the same files.

The operating system holds the lock, so it ends with its process, however that ends.
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
"""Name of the lock file in the folder that it guards."""
PATIENCE_S = 20.0
"""A killed run's workers take a step to notice, and write what they have."""


@contextmanager
def hold(folder: Path, patience_s: float) -> Iterator[None]:
    """Keep other processes out of a folder that exists, after waiting for them so long.

    Raises:
        OutputError: another one holds it, and the message says which; or the file system refuses.
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
        with suppress(OSError):  # a full disk: the lock holds all the same
            path.write_text(f"process {os.getpid()} on {platform.node()}, {time.ctime()}", "utf-8")
        yield
    finally:
        # Before the release: who waits for the removed file notices, and locks a new one.
        with suppress(OSError):
            path.unlink()
        lock.release()


def _holder(path: Path) -> str:
    try:
        text = path.read_text("utf-8", errors="replace")[:200]
    except OSError:
        text = ""
    return text.partition(",")[0] or "another process"
