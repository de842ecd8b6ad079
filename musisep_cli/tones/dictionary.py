"""Dictionary: the relative harmonic amplitudes of every instrument (paper, Section 2.3).

D[h, eta] >= 0 says how strong harmonic h of instrument eta is, relative to its strongest: every
column has a maximum near 1. The amplitude that fits a tone with coefficients c_h best, and how
badly it fits, both in the lifted distance, are

    a = argmin_a sum_h (sqrt|c_h| - sqrt(a D_h))^2 = (sum_h sqrt(|c_h| D_h) / sum_h D_h)^2,     (1)
    misfit = min_a sum_h (sqrt|c_h| - sqrt(a D_h))^2 / sum_h |c_h|
           = 1 - (sum_h sqrt(|c_h| D_h))^2 / (sum_h |c_h| sum_h D_h).                           (2)

In both, the sum is quadratic in sqrt(a). (2) is one minus the squared cosine between sqrt|c| and
sqrt D.

Axes: ``h`` harmonics, ``i`` instruments, ``k`` tones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from musisep_cli.errors import DictionaryError
from musisep_cli.tones.peaks import magnitude

FORMAT = "musisep-dictionary-1"
"""What a ``dictionary.json`` names as its format; another number would be another format."""
LEAST_MAGNITUDE = 1e-12
"""Added to magnitudes before a root is taken: keeps the derivative of the root finite at 0."""
LEAST_SUM = 1e-3
"""Columns of D are not divided by less than this: those that training has driven to 0."""
LARGEST_RELATIVE = 2
"""Larger relative amplitudes are no dictionary: the upper bound of 1 is soft, but not that soft."""


@dataclass(frozen=True, kw_only=True)
class DictionaryConfig:
    """Start value and treatment of the dictionary (paper, Section 3.5)."""

    n_harmonics: int = 25
    """Number of harmonics of a tone; higher ones are not modelled."""
    start_decay: float = 0.5
    """Factor from harmonic to harmonic: column eta = 1, 2, ... starts as
    (start_decay / eta)^(h - 1)."""
    start_floor: float = field(default=1e-3, metadata={"least": 0})
    """Smallest relative amplitude at the start (authors' implementation): a 0 would stay one."""
    init_file: str = field(default="", metadata={"no_file": ("",)})
    """Path of a dictionary.json to start from instead, say of an isolated track (Table 3)."""
    frozen: bool = False
    """Whether the dictionary is kept as it is given instead of being learned."""


def start_dictionary(config: DictionaryConfig, n_instruments: int) -> Tensor:
    """Return the untrained dictionary D_0[h, eta] = (0.5 / eta)^(h - 1), ``[h, i]`` (Section 3.5).

    >>> start_dictionary(DictionaryConfig(n_harmonics=3), 2).tolist()
    [[1.0, 1.0], [0.5, 0.25], [0.25, 0.0625]]
    """
    h = torch.arange(config.n_harmonics)[:, None]
    eta = torch.arange(1, n_instruments + 1)
    return torch.pow(config.start_decay / eta, h).clamp_min(config.start_floor)


def upper_bound_loss(dictionary: Tensor) -> Tensor:
    """Return the mean over instruments of (log max_h D[h, eta])^2 (Section 3.5).

    Added to the loss, it ties the maximum of every column to 1.

    The maximum is kept off 0, where the logarithm has no value.

    >>> float(upper_bound_loss(torch.tensor([[1.0, 0.5], [0.2, 1.0]])))
    0.0
    """
    tiny = torch.finfo(dictionary.dtype).eps
    return torch.log(dictionary.amax(0).clamp_min(tiny)).square().mean()


def amplitude_estimate(coefficients: Tensor, relative: Tensor) -> Tensor:
    """Return the amplitude a of (1): the one that fits the coefficients of a tone best.

    Args:
        coefficients: complex c_h, ``[k, h]``.
        relative: D_h of the tone's instrument, ``[k, h]``.

    Returns:
        Amplitudes, ``[k]``.
    """
    relative = relative.clamp_min(0)
    magnitudes = magnitude(coefficients) + LEAST_MAGNITUDE
    roots = (magnitudes * (relative + LEAST_MAGNITUDE)).sqrt().sum(-1)
    return (roots / relative.sum(-1).clamp_min(LEAST_SUM)).square()  # (1)


def timbre_misfit(coefficients: Tensor, relative: Tensor) -> Tensor:
    """Return the misfit of (2), between 0 (the timbre fits) and 1 (no harmonic in common).

    Args:
        coefficients: complex c_h, ``[..., h]``.
        relative: D_h, ``[..., h]``; the leading axes broadcast.

    Returns:
        Misfits, ``[...]``.
    """
    magnitudes, relative = magnitude(coefficients), relative.clamp_min(0)
    overlap = (magnitudes * relative).sqrt().sum(-1).square()
    tiny = torch.finfo(magnitudes.dtype).tiny
    return 1 - overlap / (magnitudes.sum(-1) * relative.sum(-1)).clamp_min(tiny)  # (2)


def to_json(dictionary: Tensor) -> dict[str, Any]:
    """Return the dictionary as a JSON object: a list of relative amplitudes per instrument.

    Training does not project D, so an entry may lie a little below 0: it is written as 0.
    """
    return {
        "format": FORMAT,
        "n_harmonics": dictionary.shape[0],
        "instruments": [column.tolist() for column in dictionary.detach().clamp_min(0).cpu().T],
    }


def from_json(content: object, *, n_harmonics: int, n_instruments: int) -> Tensor:
    """Return the dictionary ``[h, i]`` of a JSON object, checked.

    Raises:
        DictionaryError: not a dictionary, of another size, or with values that are not finite
            numbers in [0, 2]; the upper bound of 1 is soft.
    """
    if not isinstance(content, Mapping) or content.get("format") != FORMAT:
        raise DictionaryError(
            f'this is not a dictionary of musisep (no \'"format": "{FORMAT}"\'); '
            "give a dictionary.json that a separation wrote"
        )
    columns = content.get("instruments")
    if not isinstance(columns, list) or not all(_is_column(column) for column in columns):
        raise DictionaryError(
            "'instruments' must be a list of lists of numbers between 0 and 2, one per instrument"
        )
    if len(columns) != n_instruments:
        raise DictionaryError(
            f"the dictionary holds {len(columns)} instruments, the separation asks for "
            f"{n_instruments}: choose another dictionary or pass -n {len(columns)}"
        )
    lengths = {len(column) for column in columns}
    if lengths != {n_harmonics}:
        raise DictionaryError(
            f"the dictionary's columns have {sorted(lengths)} harmonics, the tones {n_harmonics}: "
            f"pass --harmonics {max(lengths)} or another dictionary"
        )
    return torch.tensor(columns, dtype=torch.float32).T.contiguous()


def load(path: Path, *, n_harmonics: int, n_instruments: int) -> Tensor:
    """Read the dictionary ``[h, i]`` of a ``dictionary.json``, checked.

    Raises:
        DictionaryError: the file cannot be read, or ``from_json`` refuses it.
    """
    content = _content(path)
    try:
        return from_json(content, n_harmonics=n_harmonics, n_instruments=n_instruments)
    except DictionaryError as error:
        raise DictionaryError(f"{path}: {error}") from error


def load_any(path: Path) -> Tensor:
    """Return the dictionary ``[h, i]`` of a ``dictionary.json`` of any size, checked.

    Raises:
        DictionaryError: the file cannot be read, or is no dictionary.
    """
    content = _content(path)
    columns = content.get("instruments") if isinstance(content, Mapping) else None
    if not isinstance(columns, list) or not columns or not isinstance(columns[0], list):
        raise DictionaryError(
            f"{path}: holds no dictionary (no list 'instruments'). Give a dictionary.json that a "
            "separation wrote."
        )
    if not columns[0]:
        raise DictionaryError(f"{path}: its instruments have no harmonics. Restore the file.")
    return load(path, n_harmonics=len(columns[0]), n_instruments=len(columns))


def _content(path: Path) -> object:
    """Return the content of a JSON file."""
    try:
        content: object = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise DictionaryError(
            f"{path}: cannot be read ({error.strerror}); give a dictionary.json"
        ) from error
    except (ValueError, RecursionError) as error:
        raise DictionaryError(
            f"{path}: not a valid JSON file ({error}); give a dictionary.json"
        ) from error
    return content


def _is_column(column: object) -> bool:
    """Whether this is a list of numbers that may be relative amplitudes."""
    return isinstance(column, list) and all(
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and 0 <= value <= LARGEST_RELATIVE
        for value in column
    )
