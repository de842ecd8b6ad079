"""Character: whether a recording sounds like a few melodic lines.

Four simple statistics of up to 15 s of the recording below 8 kHz decide. Nothing is learned: the
bounds lie between the values that were measured on melodic lines (duets and trios of sampled and
real instruments, two singers) and on other sounds (drums, speech and noise made for the purpose).

| statistic | melodic lines | other sounds |
| --- | --- | --- |
| steady: share of energy in steady partials, window 93 ms | 0.90 to 1 | speech 0.2, drums 0.6 |
| resolved: the same, window 46 ms; beating partials lower it | 0.96 to 1 | 6 lines 0.87 |
| flatness: geometric over arithmetic mean of the spectrum | below 0.01 | drums 0.2 |
| tones: harmonic series that hold 90 % of the peaks' energy | number of lines | noise 8 |
| inharmonic: share of energy in partials of no series (``inharmonic``) | up to 0.11 | bells 0.2 |

Further values: steady 0.5 for noise; resolved 0.94 for a piano duet; flatness 0.03 for a duet with
drums under it; tones 4.7 for 6 lines. Low registers lower `resolved` too, so it counts only where
there are many tones as well. Of sounds of a soundfont (FluidR3), celesta, glockenspiel, vibraphone,
marimba and bells come to 0.2 to 0.9 by themselves and to 0.1 to 0.5 beside a flute or a cello, a
harp, whose strings ring on, to 0.15, a contrabass to 0.11 and all others to 0.10 or less; xylophone
and steel drums have nearly harmonic partials.

Axes: ``t`` samples, ``n`` frames, ``f`` bins, ``p`` peaks, ``q`` candidates for a fundamental.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from musisep_cli.inspection.inharmonic import inharmonic_share
from musisep_cli.sound.recording import Recording
from musisep_cli.sound.turn import heard_weights
from musisep_cli.tones.tone_count import (
    HIGHEST_HZ,
    LOWEST_HZ,
    audible,
    peaks_of_frames,
    spectra_of,
    tones_in,
)

Floats: TypeAlias = NDArray[np.floating[Any]]
N_EXCERPTS, EXCERPT_S = 5, 3.0
"""Number of excerpts that are looked at, and their length in s: enough, and done in a second."""
SHORTEST_S = 0.5
"""Length in s of the shortest recording that is judged; less holds too few frames."""
LEAST_STEADY = 0.8
"""Least ``steady`` of melodic lines, between their 0.90 and the 0.6 of drums."""
LEAST_RESOLVED = 0.95
"""Least ``resolved`` of a few lines, between their 0.96 and the 0.94 of a piano duet."""
MOST_FLATNESS = 0.015
"""Greatest ``flatness`` of melodic lines, between their 0.01 and the 0.03 of a duet with drums."""
NOISE_FLATNESS = 0.3
"""Flatness from which on a sound without steady partials is called noise; drums have 0.2."""
MOST_INHARMONIC = 0.13
"""Greatest ``inharmonic`` of instruments that the tone model fits."""
SOME_TONES, MANY_TONES = 3.0, 4.5
"""Tones at once above which a recording is dense if it is badly resolved too, and in any case."""
SHARP_ONSETS_PER_S = 1.5
"""Sharp onsets per second below which a broadband sound is not called percussion."""
STEADY_WINDOW_S, RESOLVED_WINDOW_S = 0.093, 0.046
"""Windows in s for ``steady`` and ``resolved``: 4096 and 2048 samples at 44.1 kHz."""
HOP_S = 0.0155
"""Distance between frames in s, a sixth of the longer window."""
STEADY_S, STEADY_HZ = 0.2, 500.0
"""Lengths of the median filters, in s over time and in Hz over frequency: partials last longer than
the one, and drum hits are wider than the other."""


@dataclass(frozen=True, kw_only=True)
class Character:
    """Statistics of a recording, as defined in the table of this module.

    Attributes:
        steady: share of energy in steady partials, long window, 0 to 1.
        resolved: share of energy in steady partials, short window, 0 to 1.
        flatness: spectral flatness, mean weighted with the energy of the frames, 0 to 1.
        sharp_onsets_per_s: how often per second most of the spectrum rises by 10 dB at once.
        tones: mean number of tones that sound at once.
        most_tones: number of tones at once that one frame in 20 exceeds.
        inharmonic: share of energy in partials that are no multiples of a fundamental, 0 to 1.
    """

    steady: float
    resolved: float
    flatness: float
    sharp_onsets_per_s: float
    tones: float
    most_tones: int
    inharmonic: float

    def warnings(self) -> list[str]:
        """Return sentences that say why this is not a few melodic lines; none if it is."""
        if self.steady < LEAST_STEADY or self.flatness > MOST_FLATNESS:
            return [self._not_tonal()]
        found = [self._inharmonic()] if self.inharmonic > MOST_INHARMONIC else []
        if self.tones > MANY_TONES or (self.tones > SOME_TONES and self.resolved < LEAST_RESOLVED):
            found.append(
                f"dense polyphony: about {self.tones:.0f} tones at once, at times "
                f"{self.most_tones} or more; an instrument is taken to play one tone at a time, "
                "and chords are split or lost"
            )
        return found

    def _inharmonic(self) -> str:
        """Return the warning for a recording with partials that are no multiples."""
        return (
            "this sounds like bells or bars (celesta, glockenspiel, vibraphone): "
            f"{self.inharmonic:.0%} of the energy is in partials that are no multiples of a "
            "fundamental; such a sound is taken for several tones, and comes out in pieces"
        )

    def _not_tonal(self) -> str:
        """Return the warning for a recording whose energy is not in steady partials."""
        if self.steady >= LEAST_STEADY:
            what = "percussion or noise beside the tones"
        elif self.sharp_onsets_per_s < SHARP_ONSETS_PER_S:
            what = "noise" if self.flatness > NOISE_FLATNESS else "gliding or unsteady sounds"
        else:
            what = "percussion or speech"
        return (
            f"this looks like {what} ({self.steady:.0%} of the energy is in steady partials, "
            f"flatness {self.flatness:.3f}); only melodic lines become stems, the rest goes to the "
            "residual or spoils them"
        )


def judge(recording: Recording) -> Character | None:
    """Return the statistics of a recording; None if it is too short, or its excerpts are silent."""
    rate = recording.sample_rate_hz
    excerpts = [x for x in _excerpts(recording) if float(np.abs(x).max()) > 0]
    if not excerpts or len(excerpts[0]) < SHORTEST_S * rate:
        return None
    peaks = [peaks for x in excerpts for peaks in peaks_of_frames(x, rate)]
    counts = [count for count in (tones_in(*of_frame) for of_frame in peaks) if count]
    n_tones = np.array(counts, dtype=np.intp)
    long_frames = _audible_frames(excerpts, rate, STEADY_WINDOW_S)
    return Character(
        steady=_steadiness(long_frames),
        resolved=_steadiness(_audible_frames(excerpts, rate, RESOLVED_WINDOW_S)),
        flatness=_flatness(long_frames),
        sharp_onsets_per_s=_sharp_onsets_per_s(excerpts, rate),
        tones=float(n_tones.mean()) if len(n_tones) else 0.0,
        most_tones=int(np.quantile(n_tones, 0.95)) if len(n_tones) else 0,
        inharmonic=float(np.mean([inharmonic_share(*of_frame) for of_frame in peaks])),
    )


def _excerpts(recording: Recording) -> list[NDArray[np.float32]]:
    """Return excerpts ``[t]`` of what is heard, spread evenly, or all of a short recording."""
    weights = heard_weights(recording.samples)
    size = round(EXCERPT_S * recording.sample_rate_hz)
    surplus = recording.n_samples - N_EXCERPTS * size
    if surplus <= 0:
        return [recording.samples @ weights]
    starts = [round(surplus * k / (N_EXCERPTS - 1)) + k * size for k in range(N_EXCERPTS)]
    return [recording.samples[start : start + size] @ weights for start in starts]


def _audible_frames(
    excerpts: Sequence[Floats], rate: int, window_s: float
) -> list[tuple[Floats, float]]:
    """Return the audible magnitudes ``[n, f]`` and the distance of bins in Hz, per excerpt."""
    spectra = [spectra_of(samples, rate, window_s, HOP_S) for samples in excerpts]
    return [(audible(magnitude, bin_hz), bin_hz) for magnitude, bin_hz in spectra]


def _steadiness(frames: Sequence[tuple[Floats, float]]) -> float:
    """Return the share of energy in steady partials, which are lines along time in a spectrogram.

    With the medians H along time and P along frequency of the magnitudes S, it is

        sum S^2 H^2 / (H^2 + P^2) / sum S^2        (1)

    A median along time keeps lines and removes hits, one along frequency does the reverse
    (Fitzgerald, DAFx 2010, as in librosa.decompose.hpss).

    Args:
        frames: magnitudes ``[n, f]`` and distance of bins in Hz, of every excerpt.
    """
    steady = total = 0.0
    for magnitude, bin_hz in frames:
        # H^2 and P^2; the length of a median filter is odd.
        along_time = _medians(magnitude.T, round(STEADY_S / HOP_S) | 1).T ** 2
        along_frequency = _medians(magnitude, round(STEADY_HZ / bin_hz) | 1) ** 2
        energy = magnitude**2
        tiny = 1e-20 + 1e-12 * float(energy.max())
        # The fraction of Eq. (1); the small term keeps silence from being 0 / 0.
        share = along_time / (along_time + along_frequency + tiny)
        steady += float((energy * share).sum(dtype=np.float64))
        total += float(energy.sum(dtype=np.float64))
    return steady / total


def _medians(rows: Floats, size: int) -> Floats:
    """Return the running medians along every row, ``[rows, columns]``.

    Row by row SciPy takes a fifth of the time that it takes for all rows in one call.
    """
    from scipy.ndimage import median_filter

    return np.stack([median_filter(row, size) for row in rows])


def _flatness(frames: Sequence[tuple[Floats, float]]) -> float:
    """Return the mean spectral flatness, weighted with the energy of the frames.

    The flatness of a frame is exp(mean log E) / mean E over the energies E of its bins: the
    geometric over the arithmetic mean.
    """
    weighted = total = 0.0
    for magnitude, _ in frames:
        energy = magnitude.astype(np.float64) ** 2
        floor = 1e-12 * energy.max() + 1e-30  # keeps the logarithm finite
        flatness = np.exp(np.log(energy + floor).mean(axis=1)) / (energy + floor).mean(axis=1)
        per_frame = energy.sum(axis=1)
        weighted += float((flatness * per_frame).sum())
        total += float(per_frame.sum())
    return weighted / total


def _sharp_onsets_per_s(excerpts: Sequence[Floats], rate: int) -> float:
    """Return how often per second more than half of 24 bands rise by 10 dB within two hops."""
    n_onsets, n_samples = 0, 0
    for samples in excerpts:
        spectra, bin_hz = spectra_of(samples, rate, 2 * HOP_S, HOP_S)
        edges = np.geomspace(2 * LOWEST_HZ, min(HIGHEST_HZ, rate / 2), 25) / bin_hz
        # The last group holds all bins above the highest edge, and is dropped.
        bands = np.add.reduceat(spectra**2, np.unique(edges.astype(np.intp)), axis=1)[:, :-1]
        level_db = 10 * np.log10(bands + 1e-6 * bands.max() + 1e-30)
        is_onset = (level_db[2:] - level_db[:-2] > 10).mean(axis=1) > 0.5
        # Consecutive frames of one rise are one onset.
        n_onsets += int((is_onset[1:] & ~is_onset[:-1]).sum())
        n_samples += len(samples)
    return n_onsets * rate / n_samples
