"""Tracks: the pitches of all voices on the grid of the model, and where they tell voices apart.

Given tracks and those that were found are on grids of their own. Pitch is linear in its logarithm
while a voice sounds, and whether it does is what the nearest frame says.

Axes: ``n`` frames of the grid, ``m`` those of a track, ``j`` voices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from musisep_cli.methods.method import State
from musisep_cli.players.given.by_score import merged
from musisep_cli.sound.pitch import midi_number
from musisep_cli.sound.score.tables import columns_of, numbers, read_rows
from musisep_cli.tones.tracks import PitchTracks

Values: TypeAlias = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class VoiceTracks:
    """What every voice sings; voice j belongs to instrument j mod the number of instruments.

    Attributes:
        times_s: rising, ``[m]``.
        f0_hz: pitches in Hz, 0 where a voice does not sound, ``[j, m]``.
        n_instruments: number of instruments.
    """

    times_s: NDArray[np.float64]
    f0_hz: NDArray[np.float64]
    n_instruments: int

    @classmethod
    def of(cls, tracks: PitchTracks) -> VoiceTracks:
        """Return the tracks that were found, a voice for every instrument."""
        f0_hz = np.where(tracks.on & (tracks.f0_hz > 0), tracks.f0_hz, 0.0)
        return cls(tracks.times_s, f0_hz.astype(np.float64), len(f0_hz))

    @classmethod
    def from_state(cls, state: State) -> VoiceTracks:
        """Return the tracks that ``state`` put into a state."""
        return cls(state["times_s"].numpy(), state["f0_hz"].numpy(), int(state["n_instruments"]))

    @property
    def state(self) -> State:
        """Return the tracks as a state to go on from."""
        return {
            "times_s": torch.from_numpy(self.times_s),
            "f0_hz": torch.from_numpy(self.f0_hz),
            "n_instruments": self.n_instruments,
        }

    @property
    def players(self) -> NDArray[np.int64]:
        """Return which instrument has each voice, ``[j]``."""
        return np.arange(len(self.f0_hz)) % self.n_instruments

    def at(self, times_s: Values) -> NDArray[np.float32]:
        """Return the pitches at other times, 0 where a voice does not sound, ``[j, n]``."""
        rows = [_at(times_s, self.times_s, track) for track in self.f0_hz]
        return np.stack(rows).astype(np.float32)

    def merged(self) -> NDArray[np.bool_]:
        """Return in which frames the pitch does not tell two instruments apart, ``[m]``."""
        on = self.f0_hz.T > 0
        semitones = midi_number(np.where(on, self.f0_hz.T, 440.0))
        return merged(on, semitones, self.players)

    def merged_share(self) -> float:
        """Return the share of merged frames among those in which a voice sounds."""
        sounding = int((self.f0_hz > 0).any(0).sum())
        return float(self.merged().sum() / max(sounding, 1))


def _at(times_s: Values, known_s: Values, f0_hz: Values) -> Values:
    """Return one track at other times, ``[n]``.

    >>> times_s, track = np.array([0.5, 1.4, 1.6]), np.array([100.0, 400.0, 0.0])
    >>> _at(times_s, np.arange(3.0), track).round(6).tolist()
    [200.0, 400.0, 0.0]
    """
    sounding, pitch = f0_hz > 0, np.log(np.maximum(f0_hz, 1.0))
    after = np.searchsorted(known_s, times_s).clip(1, max(len(known_s) - 1, 1)) % len(known_s)
    before = (after - 1).clip(0)
    step_s = np.maximum(known_s[after] - known_s[before], 1e-9)
    part = ((times_s - known_s[before]) / step_s).clip(0, 1)
    nearest = np.where(part > 0.5, after, before)
    # Beside a rest the nearest frame counts: a pitch that glides from nothing into a note is none.
    between = (1 - part) * pitch[before] + part * pitch[after]
    found = np.where(sounding[before] & sounding[after], between, pitch[nearest])
    return np.where(sounding[nearest], np.exp(found), 0.0)


def stretches_of(flags: NDArray[np.bool_], times_s: Values) -> Iterator[tuple[float, float]]:
    """Yield begin and end in s of every stretch of frames that are marked.

    >>> list(stretches_of(np.array([False, True, True, False]), np.arange(4.0)))
    [(1.0, 2.0)]
    """
    bounds = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int)))
    for first, end in bounds.reshape(-1, 2).tolist():
        yield float(times_s[first]), float(times_s[end - 1])


def read_tracks(path: Path) -> VoiceTracks:
    """Return the tracks of a run's ``pitch.csv``.

    Raises:
        InputError: the file is missing or damaged.
    """
    columns_of(path)
    rows = read_rows(path, numbers("instrument", "time_s", "f0_hz", "on"))
    table = np.array(rows, dtype=np.float64)
    instruments, i = np.unique(table[:, 0], return_inverse=True)
    times_s, m = np.unique(table[:, 1], return_inverse=True)
    f0_hz = np.zeros((len(instruments), len(times_s)))
    f0_hz[i, m] = np.where(table[:, 3] > 0, table[:, 2], 0.0)
    return VoiceTracks(times_s, f0_hz, len(instruments))
