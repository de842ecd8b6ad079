"""Interruption: Ctrl-C and SIGTERM, noticed where the work can be put down."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_received = threading.Event()
"""Set by ``signals_as_interrupt``: a library that calls Python back from C may swallow the
exception, and then the next piece of work must not begin."""


@contextmanager
def deferred() -> Iterator[threading.Event]:
    """Between two steps of a training the state is whole, within one it is not: signals wait.

    The event is set by the first signal; a second one interrupts at once, as does one that still
    waits when the block ends. Outside the main thread, where Python lets nobody handle signals,
    nothing is deferred.

    Raises:
        KeyboardInterrupt: at the end of the block, or at the second signal; at the beginning, if
            an earlier signal was swallowed.
    """
    if _received.is_set():
        raise KeyboardInterrupt
    requested = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield requested
        return

    def note(number: int, frame: FrameType | None) -> None:
        if requested.is_set():
            raise KeyboardInterrupt
        requested.set()

    before = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield requested
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if requested.is_set():
        raise KeyboardInterrupt


@contextmanager
def signals_as_interrupt() -> Iterator[None]:
    """Ctrl-C and SIGTERM raise ``KeyboardInterrupt``, and are remembered within the block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        _received.set()
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _received.clear()
