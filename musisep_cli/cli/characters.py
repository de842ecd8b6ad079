"""Characters that a terminal may lack: plain ones in their place."""

from __future__ import annotations

import codecs
import io
import sys

_INSTEAD = {
    "\N{MIDDLE DOT}": "-",
    "\N{HORIZONTAL ELLIPSIS}": "...",
    "\N{BOX DRAWINGS LIGHT HORIZONTAL}": "-",
    "\N{BOX DRAWINGS HEAVY HORIZONTAL}": "-",
    "\N{BOX DRAWINGS LIGHT VERTICAL}": "|",
    "\N{EN DASH}": "-",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
}
_SPINNER = range(0x2800, 0x2900)
"""The dots that turn while something is worked at."""


def take_plain_characters() -> None:
    """Let stdout and stderr write plain characters where their encoding lacks others.

    A name that it cannot show at all is written in escapes, and does not end the program.
    """
    codecs.register_error("musisep", _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="musisep")


def _plain(error: UnicodeError) -> tuple[str | bytes, int]:
    """What is written in the place of the first character that cannot be."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    start = error.start
    character = error.object[start]
    if ord(character) in _SPINNER:
        return "*", start + 1
    if character in _INSTEAD:
        return _INSTEAD[character], start + 1
    one = UnicodeEncodeError(error.encoding, error.object, start, start + 1, error.reason)
    return codecs.backslashreplace_errors(one)
