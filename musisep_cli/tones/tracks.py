"""Tracks: what every instrument plays in every frame, in bins and in Hz.

Axes: ``n`` frames, ``v`` voices of all instruments in a row: an instrument that plays chords has
several.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.tones.tones import Tones

USUAL_HOP_S = 0.01
"""Time between frames that is assumed where a track has but one, in seconds."""


@dataclass(frozen=True)
class Transcript:
    """What was found in some frames, a slot per voice.

    Attributes:
        tones: what each plays, ``[n, v]``.
        amplitude: a, ``[n, v]``.
        objective: Eq. 21, ``[n]``.
        audible: whether the recording sounds in the frame, bool ``[n]``.
    """

    tones: Tones
    amplitude: Tensor
    objective: Tensor
    audible: Tensor


@dataclass(frozen=True, kw_only=True)
class PitchTracks:
    """What every instrument plays in every frame: the content of a ``pitch.csv``.

    Attributes:
        times_s: frame centres, ``[n]``.
        f0_hz: pitch, ``[v, n]``.
        amplitude: of a tone's peak in the spectrum, half of a sine's amplitude, ``[v, n]``.
        on: whether the voice sounds, bool ``[v, n]``.
        players: which instrument has each voice, from 0 on, ``[v]``; empty for one voice each.
    """

    times_s: NDArray[np.float64]
    f0_hz: NDArray[np.floating[Any]]
    amplitude: NDArray[np.floating[Any]]
    on: NDArray[np.bool_]
    players: tuple[int, ...] = ()

    @property
    def of_voices(self) -> tuple[int, ...]:
        """Which instrument has each voice, ``[v]``."""
        return self.players or tuple(range(len(self.f0_hz)))

    @property
    def n_instruments(self) -> int:
        """Number of instruments."""
        return max(self.of_voices, default=-1) + 1

    def voices(self, instrument: int) -> list[int]:
        """Return the rows that an instrument has, by its number."""
        return [row for row, player in enumerate(self.of_voices) if player == instrument]

    def of_instruments(self, order: Sequence[int]) -> PitchTracks:
        """Return the tracks of some instruments in an order, by their numbers."""
        rows = [row for number in order for row in self.voices(number)]
        return PitchTracks(
            times_s=self.times_s,
            f0_hz=self.f0_hz[rows],
            amplitude=self.amplitude[rows],
            on=self.on[rows],
            players=tuple(place for place, n in enumerate(order) for _ in self.voices(n)),
        )

    def of_loudest(self) -> PitchTracks:
        """Return one voice for every instrument, its loudest in each frame."""
        level = np.where(self.on, self.amplitude, -1.0)
        rows = [self.voices(number) for number in range(self.n_instruments)]
        loudest = np.array([np.array(own)[level[own].argmax(0)] for own in rows])  # i, n
        frames = np.arange(len(self.times_s))
        return PitchTracks(
            times_s=self.times_s,
            f0_hz=self.f0_hz[loudest, frames],
            amplitude=self.amplitude[loudest, frames],
            on=self.on[loudest, frames],
        )

    @property
    def hop_s(self) -> float:
        """Time from frame to frame, in seconds."""
        return float(np.diff(self.times_s).mean()) if len(self.times_s) > 1 else USUAL_HOP_S


def pitch_tracks(
    transcript: Transcript,
    frame: GaborFrame,
    n_samples: int,
    gain: float,
    players: NDArray[np.int64] | None = None,
    n_players: int | None = None,
) -> PitchTracks:
    """Return what was played in Hz, with amplitudes at the recording's own level.

    Args:
        transcript: of all frames, in bins.
        frame: the representation.
        n_samples: length of the recording.
        gain: what the recording was multiplied by for the analysis.
        players: which instrument has each voice, ``[v]``; None for one voice each.
        n_players: how many of the instruments, from the first on, are wanted; None for all.
    """
    n_voices = transcript.amplitude.shape[1]
    players = np.arange(n_voices) if players is None else players
    kept = np.argsort(players, kind="stable")  # instrument after instrument
    kept = kept if n_players is None else kept[players[kept] < n_players]
    # Where the recording is silent, nothing is on, whatever was decoded.
    tones, heard = transcript.tones, transcript.audible[:, None]
    f0_hz, amplitude, on = (
        values.T.cpu().numpy()[kept]
        for values in (
            tones.f0_bins * frame.bin_hz,
            transcript.amplitude * heard.to(tones.on.dtype) / gain,
            (tones.on > 0) & heard,
        )
    )
    times_s = frame.centres(n_samples).cpu().numpy() / frame.sample_rate_hz
    return PitchTracks(
        times_s=times_s,
        f0_hz=f0_hz,
        amplitude=amplitude,
        on=on,
        players=tuple(players[kept].tolist()),
    )
