"""Stem names: what the file of a stem may be called, on every system and beside other files."""

from __future__ import annotations

import re
from collections.abc import Sequence

from musisep_cli.errors import ConfigError

RESERVED = ("residual", "rest", "mix", "dictionary", "pitch", "manifest")
"""Names that other files of a separation have, whatever they end in."""
LONGEST_NAME = 60
"""Most characters of a name: file systems take some 255 bytes, of which one takes up to four."""
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|,]|^\.|^without-|^\s*$')
"""What makes a name unfit for a file on some system, or for a list with commas."""


def check_names(names: Sequence[str], flag: str) -> None:
    """Refuse names that stems cannot have.

    Args:
        names: of all stems.
        flag: by which they were given.

    Raises:
        ConfigError: a name cannot be that of a file, or is that of another.

    >>> check_names(["recorder", "violin"], "--names")
    """
    for name in names:
        if _FORBIDDEN.search(name) or len(name) > LONGEST_NAME:
            raise ConfigError(
                f"{flag}: '{name}' cannot be the name of a file. Leave out quotes, slashes and "
                f"the like, and keep to {LONGEST_NAME} characters."
            )
    folded = [name.casefold() for name in names]
    taken = [name for name, key in zip(names, folded, strict=True) if key in RESERVED]
    taken += [name for name, key in zip(names, folded, strict=True) if folded.count(key) > 1]
    if taken:
        raise ConfigError(f"{flag}: '{taken[0]}' is the name of another file. Choose another.")
