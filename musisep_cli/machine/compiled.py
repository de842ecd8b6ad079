"""Compilation: numerical loops translated to machine code by numba, once per version of the code.

Some loops run over a few dozen numbers each, thousands of times per frame: array operations would
spend their time on overhead and on memory. numba compiles them on first use and keeps the result on
the disk, so that later runs start at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numba

Parameters = ParamSpec("Parameters")
Returned = TypeVar("Returned")

_REORDERED = {"reassoc", "contract", "arcp", "nsz"}
"""What the compiler may do to sums and quotients to vectorise them; NaN and infinity stay."""


@cache
def _digest(folder: Path) -> str:
    """Return a short fingerprint of the files of a folder that hold compiled functions."""
    sources = [path.read_bytes() for path in sorted(folder.glob("*.py"))]
    return hashlib.sha256(b"".join(s for s in sources if b"@compiled" in s)).hexdigest()[:12]


def compiled(function: Callable[Parameters, Returned]) -> Callable[Parameters, Returned]:
    """Return the function in machine code, kept on the disk where that is possible.

    numba looks at the time stamp of the function's own file only, and would go on to use old code
    of the functions that it calls from other files. The name that the result is kept by therefore
    holds a fingerprint of the whole folder.

    Args:
        function: of numbers, arrays and tuples of them; it may call other compiled functions of
            its folder.
    """
    folder = Path(function.__code__.co_filename).parent
    function.__qualname__ = f"{function.__qualname__}_{_digest(folder)}"
    try:
        return _translated(function, kept=True)
    except RuntimeError:  # neither this folder nor the user's cache can be written to
        return _translated(function, kept=False)


def _translated(
    function: Callable[Parameters, Returned], *, kept: bool
) -> Callable[Parameters, Returned]:
    """Return the function as numba makes it, kept on the disk or not."""
    # A division by 0 gives infinity, as in NumPy: a check of every divisor prevents vectorising.
    translate: Any = numba.njit(cache=kept, nogil=True, error_model="numpy", fastmath=_REORDERED)
    translated: Callable[Parameters, Returned] = translate(function)
    return translated
