"""Interruption: signals to end, delayed until the work can be put down without loss."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_HANGUP = getattr(signal, "SIGHUP", None)
"""A closed terminal or a dropped SSH; Windows has no such signal."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, *([_HANGUP] if _HANGUP else []))
"""Signals that ask the program to end: Ctrl-C, the polite request of ``kill`` and batch systems,
and a terminal that is closed."""
_received = threading.Event()
"""Whether a signal has come since ``signals_as_interrupt`` began. A library that calls Python back
from C may swallow the exception; this flag then keeps the next piece of work from beginning."""


def _heeded() -> list[signal.Signals]:
    """Return the signals that are not to be ignored: ``nohup`` has a program ignore a hangup."""
    return [
        number
        for number in SIGNALS
        if number != _HANGUP or signal.getsignal(number) is not signal.SIG_IGN
    ]


def heed_interrupts() -> None:
    """Have an interrupt raise ``KeyboardInterrupt`` in a process that was started to ignore it.

    Shells start what scripts put into the background so, and the workers of a cluster inherit it:
    a request to end would be lost there. Outside the main thread nothing changes.
    """
    main = threading.current_thread() is threading.main_thread()
    if main and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def deferred() -> Iterator[threading.Event]:
    """Hold signals back within a block, so that its steps are not torn apart.

    The state of a training is whole between two steps and not within one. The work in the block
    looks at the event after every step, and ends when it is set. Outside the main thread, where
    Python allows no signal handlers, nothing is held back.

    Yields:
        An event that the first signal sets.

    Raises:
        KeyboardInterrupt: at a second signal; at the end of the block, if there was one; at the
            beginning, if a library swallowed an earlier one.
    """
    if _received.is_set():
        raise KeyboardInterrupt
    requested = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield requested
        return

    def remember(number: int, frame: FrameType | None) -> None:
        if requested.is_set():
            raise KeyboardInterrupt
        requested.set()

    before = {number: signal.signal(number, remember) for number in _heeded()}
    try:
        yield requested
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if requested.is_set():
        raise KeyboardInterrupt


@contextmanager
def signals_as_interrupt() -> Iterator[None]:
    """Turn all ``SIGNALS`` into ``KeyboardInterrupt`` within a block, and remember them.

    Outside the main thread, where Python allows no signal handlers, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        _received.set()
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in _heeded()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _received.clear()
