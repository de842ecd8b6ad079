"""Hearing: the parameters of all voices over a whole recording, as the network says them.

The network hears excerpts of 4 s, as in training, that overlap by half. In every half the two say
it together, with weights that cross from one to the other. Memory does not grow with the recording.

Axes: ``n`` frames, ``j`` voices, ``h`` harmonics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musisep_cli.frames.framewise import BLOCK_FRAMES, Framewise, stretches
from musisep_cli.frames.leaves import leafwise
from musisep_cli.methods.source_filter.adaptation import (
    EXCERPT_FRAMES,
    Material,
    TrainingConfig,
    loss_of,
)
from musisep_cli.methods.source_filter.network import Network
from musisep_cli.methods.source_filter.source import HOP_S, Voices, line_amplitudes
from musisep_cli.tones.tracks import PitchTracks

HALF = EXCERPT_FRAMES // 2
"""Frames by which excerpts overlap."""


class Hearing:
    """Hears a recording.

    Args:
        network: says the parameters.
        material: the recording and its pitches.
        config: which model the objective is of.
        n_instruments: number of instruments. Of an instrument's second voice and later ones the
            noise counts only while they sound: an instrument breathes once.
        n_harmonics: number of harmonics of the timbres.
        seed: of the noise in the objective of ``paper``.

    Attributes:
        losses: loss of every excerpt so far.
        harmonics: sums over frames of squared line amplitudes, ``[j, h]``.
    """

    def __init__(
        self,
        network: Network,
        material: Material,
        config: TrainingConfig,
        *,
        n_instruments: int,
        n_harmonics: int,
        seed: int,
    ) -> None:
        self.network, self.material, self.config = network, material, config
        self.n_instruments = n_instruments
        self.draw = np.random.default_rng([seed, 2, 0])
        self.losses: list[float] = []
        self.harmonics = torch.zeros(len(material.f0_hz), n_harmonics, dtype=torch.float64)

    @torch.no_grad()
    def blocks(self) -> Iterator[Voices]:
        """Yield the parameters of consecutive frames, ``[n, j]``."""
        n_frames = self.material.n_frames
        n_halves = max(-(-n_frames // HALF), 1)
        last = max(n_halves - 2, 0)
        before: Voices | None = None
        for half in range(n_halves):
            start, length = half * HALF, min(HALF, n_frames - half * HALF)
            heard = self._excerpt(start) if half <= last else None
            own = None if heard is None else heard[:length]
            kept = None if before is None else before[HALF : HALF + length]
            before = heard if heard is not None else before
            block = _crossed(kept, own)
            self._count(block, start)
            yield block

    def _excerpt(self, start: int) -> Voices:
        """Return what the network says of an excerpt, at the recording's level, ``[n, j]``."""
        length = min(EXCERPT_FRAMES, self.material.n_frames - start)
        sound, f0_hz, level = self.material.excerpt(start, length)
        voices = self.network(sound[None], f0_hz[None])
        loss = loss_of(self.config, sound[None], voices, f0_hz[None], draw=self.draw)
        self.losses.append(float(loss))
        own: Voices = leafwise(lambda values: values[0], voices).by_voice
        extra = torch.arange(len(f0_hz), device=f0_hz.device) >= self.n_instruments
        breathes = (f0_hz > 0) | ~extra[:, None]
        return replace(
            own,
            amplitude=level * own.amplitude,
            noise=level * own.noise * breathes.T,
            bands=own.bands.contiguous(),
        )

    def _count(self, voices: Voices, start: int) -> None:
        """Add the harmonics of a block of frames."""
        by_voice = voices.by_voice
        f0_hz = self.material.f0_hz[:, start : start + voices.amplitude.shape[0]]
        lines = line_amplitudes(by_voice, f0_hz, self.harmonics.shape[1])
        self.harmonics += lines.double().square().sum(1).cpu()

    @property
    def objective(self) -> float:
        """Return the mean loss of the excerpts."""
        return float(np.mean(self.losses))

    def timbres(self) -> Tensor:
        """Return root mean square harmonics of every instrument, lifted (roots), ``[i, h]``."""
        by_instrument = torch.stack(
            [self.harmonics[i :: self.n_instruments].sum(0) for i in range(self.n_instruments)]
        )
        return by_instrument.sqrt().sqrt()


def _crossed(leaving: Voices | None, coming: Voices | None) -> Voices:
    """Return one set of parameters that becomes another over their frames, or the only one."""
    if leaving is None or coming is None:
        only = leaving if coming is None else coming
        assert only is not None  # noqa: S101 - every half is heard at least once
        return only
    n = len(coming.amplitude)
    weights = (torch.arange(n, device=coming.amplitude.device) + 0.5) / n

    def cross(old: Tensor, new: Tensor) -> Tensor:
        part = weights.reshape(-1, *[1] * (new.ndim - 1))
        return (1 - part) * old + part * new

    return leafwise(cross, leaving, coming)


def voices_between(found: Framewise[Voices], times_s: Tensor) -> Callable[[slice], Voices]:
    """Return a function that gives the parameters at some times, on lines between frames.

    Args:
        found: of all frames of the model, ``[n, j]``.
        times_s: rising, in s; slices of them are asked for.
    """

    def at(block: slice) -> Voices:
        place = (times_s[block] / HOP_S).clamp(0, len(found) - 1)
        first, last = int(place[0]), min(int(place[-1]) + 2, len(found))
        rows = found[first:last]
        below = place.long() - first
        above = (below + 1).clamp_max(last - first - 1)
        part = (place - place.floor()).to(rows.amplitude)

        def between(values: Tensor) -> Tensor:
            share = part.reshape(-1, *[1] * (values.ndim - 1))
            return (1 - share) * values[below] + share * values[above]

        return leafwise(between, rows)

    return at


def played(
    voices_at: Callable[[slice], Voices],
    f0_hz: NDArray[np.float32],
    times_s: NDArray[np.float64],
    n_instruments: int,
    gain: float,
) -> PitchTracks:
    """Return what every instrument sings in every frame, of several voices the loudest.

    Args:
        voices_at: returns the parameters of a slice of the frames, ``[n, j]``.
        f0_hz: pitches in Hz, 0 in rests, ``[j, n]``.
        times_s: times of the frames, ``[n]``.
        n_instruments: number of instruments; voice j is of instrument j mod their number.
        gain: what the recording was multiplied by for the analysis.
    """
    parts = []
    for block in stretches(len(times_s), BLOCK_FRAMES):
        voices = voices_at(block).by_voice
        pitches = torch.from_numpy(f0_hz[:, block]).to(voices.amplitude)
        lines = line_amplitudes(voices, pitches)
        parts.append(lines.amax(-1).cpu().numpy() / 2)
    of_voices = PitchTracks(
        times_s=times_s,
        f0_hz=f0_hz,
        amplitude=np.concatenate(parts, 1) / gain,
        on=f0_hz > 0,
        players=tuple(voice % n_instruments for voice in range(len(f0_hz))),
    )
    return of_voices.of_loudest()
