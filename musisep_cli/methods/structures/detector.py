"""Detector: pitches and instruments from the spectra of a recording, without a network.

It hears every fourth frame to learn the instruments' structures (first pass, clustering), then all
frames to find what each of them plays (second pass).

Axes: ``n`` frames, ``f`` bins, ``k`` peaks of a frame, ``m`` candidates, ``i`` instruments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from musisep_cli.frames.framewise import BLOCK_FRAMES, Framewise, stretches
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.methods.structures.average_structure import Instruments, instruments
from musisep_cli.methods.structures.first_pass import Candidates, PitchSets, first_pass
from musisep_cli.methods.structures.harmonic_structure import Structures
from musisep_cli.methods.structures.pitch_likelihood import weights
from musisep_cli.methods.structures.second_pass import second_pass
from musisep_cli.methods.structures.settings import DetectorSettings
from musisep_cli.methods.structures.spectral_peaks import SpectralPeaks, spectral_peaks
from musisep_cli.tones.peaks import magnitude

Array: TypeAlias = NDArray[np.floating[Any]]

FRAMES_AT_ONCE = 16
"""Frames heard in one go: their candidates and peaks fit into the processor's cache."""


@dataclass(frozen=True)
class Heard:
    """What the first pass found in some frames.

    Attributes:
        peaks: of the frames.
        weight: how much each of them counts, ``[n, k]``.
        tried: every peak as a pitch.
        sets: the most likely pitches.
    """

    peaks: SpectralPeaks
    weight: Array
    tried: Candidates
    sets: PitchSets

    @property
    def structures(self) -> Structures:
        """Return the structures of the tones that the criterion counts."""
        return Structures.of(self.peaks, self.sets.f0_bins, self.sets.on)


@dataclass(frozen=True)
class Detector:
    """Finds pitches and instruments.

    Attributes:
        frame: the representation.
        n_instruments: the most tones at once.
        settings: of the parts.
    """

    frame: GaborFrame
    n_instruments: int
    settings: DetectorSettings

    def peaks(self, spectra: Tensor) -> SpectralPeaks:
        """Return the peaks of complex spectra ``[n, f]``."""
        return spectral_peaks(magnitude(spectra).cpu().numpy(), self.frame, self.settings.peaks)

    def hear(self, spectra: Tensor) -> Iterator[Heard]:
        """Yield the first pass over complex spectra ``[n, f]``, a few frames at a time."""
        settings = self.settings
        for block in stretches(len(spectra), FRAMES_AT_ONCE):
            peaks = self.peaks(spectra[block])
            weight = weights(peaks, settings.peaks.depth_db, settings.likelihood)
            tried = Candidates.of(peaks, self.frame, settings.first_pass, settings.likelihood)
            sets = first_pass(
                tried,
                peaks,
                weight,
                self.n_instruments,
                settings.first_pass,
                settings.likelihood,
            )
            each = tried.one_per_peak(weight, settings.first_pass.moves.size)
            yield Heard(peaks, weight, each, sets)

    def learn(
        self, spectra: Framewise[Tensor], pause: Callable[[int], None] = lambda _: None
    ) -> Instruments:
        """Return the instruments' structures, learned from spectra ``[n, f]``.

        Args:
            spectra: of every fourth frame or so.
            pause: called with the number of frames that are heard; may raise to end the work.
        """
        found: list[Structures] = []
        for block in stretches(len(spectra), BLOCK_FRAMES):
            first = block.start
            for heard in self.hear(spectra[block]):
                found.append(heard.structures.later(first))
                first += len(heard.weight)
            pause(block.stop)
        tones = together(found)
        return instruments(
            evenly_spread(tones, self.settings.clustering.most_points),
            self.n_instruments,
            self.settings.clustering,
            lambda: pause(len(spectra)),
        )

    def play(self, heard: Heard, known: Instruments) -> Array:
        """Return the second pass: every instrument's pitch in bins, 0 for rests, ``[n, i]``."""
        return second_pass(
            heard.tried,
            heard.peaks,
            heard.weight,
            heard.sets.count,
            known,
            self.settings.first_pass,
        )


def together(parts: Sequence[Structures]) -> Structures:
    """Return the tones of several parts in a row."""
    columns = zip(*(vars(part).values() for part in parts), strict=True)
    return Structures(*(np.concatenate(column) for column in columns))


def evenly_spread(tones: Structures, n_most: int) -> Structures:
    """Return at most so many tones, all those of frames that are spread over the recording."""
    if len(tones) <= n_most:
        return tones
    frames, number = np.unique(tones.frame, return_inverse=True)
    n_each = np.bincount(number).max()
    kept = np.linspace(0, len(frames) - 1, n_most // n_each).round().astype(np.int64)
    return tones[np.flatnonzero(np.isin(number, kept))]
