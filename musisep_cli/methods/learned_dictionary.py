"""Learned dictionary: how it is shown, for every method that learns one.

Axes: ``h`` harmonics, ``i`` instruments.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musisep_cli import pictures
from musisep_cli.errors import DictionaryError
from musisep_cli.methods.method import Shown, Table
from musisep_cli.tones.dictionary import load_any

LOWEST_DB = -60.0
"""Harmonics below this are shown as a dot."""


def shown_dictionary(path: Path, names: Sequence[str]) -> Shown:
    """Return a ``dictionary.json`` as a table and a picture.

    Raises:
        DictionaryError: the file is no dictionary, or has another number of instruments.
    """
    dictionary = load_any(path).numpy()
    if dictionary.shape[1] != len(names):
        raise DictionaryError(
            f"{path}: holds {dictionary.shape[1]} instruments, the separation has {len(names)}. "
            "Restore the file, or separate again with --overwrite."
        )
    return Shown(
        tables=(dictionary_table(dictionary, names),),
        pictures={"dictionary": lambda target, title: _draw(target, title, dictionary, names)},
    )


def dictionary_table(dictionary: NDArray[np.floating[Any]], names: Sequence[str]) -> Table:
    """Return a dictionary ``[h, i]`` as a table: a row per harmonic, in dB."""
    rows = [
        [str(number), *(_harmonic(float(value)) for value in amplitudes)]
        for number, amplitudes in enumerate(dictionary, 1)
    ]
    return Table("Dictionary: harmonics in dB", ("harmonic", *names), rows)


def _harmonic(amplitude: float) -> str:
    """Return an amplitude in dB; a dot if it is hardly there."""
    level_db = 20 * math.log10(amplitude) if amplitude > 0 else -math.inf
    return "·" if level_db < LOWEST_DB else f"{level_db:z.1f}"


def _draw(
    target: Path, title: str, dictionary: NDArray[np.floating[Any]], names: Sequence[str]
) -> None:
    """Write the picture of a dictionary ``[h, i]``."""
    title = f"{title}: relative amplitude of every harmonic"
    pictures.write_dictionary(target, dictionary, names=names, title=title)
