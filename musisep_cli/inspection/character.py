"""Character: whether a recording sounds like a few melodic lines.

Four simple statistics of up to 15 s of the recording, below 8 kHz. Nothing is learned; the bounds
lie between what was measured on duets and trios of sampled and real instruments and two singers,
and on drums, speech and noise made for the purpose.

| statistic | melodic lines | others |
| --- | --- | --- |
| steady: share of energy in steady partials, 93 ms | 0.90 to 1 | drums 0.6, noise 0.5, speech 0.2 |
| resolved: as above, 46 ms; falls where partials beat | 0.96 to 1 | piano duet 0.94, 6 lines 0.87 |
| flatness: geometric over arithmetic mean of a spectrum | below 0.01 | drums 0.2, under duet 0.03 |
| tones: harmonic series for 90 % of the peaks' energy | number of lines | 6 lines 4.7, noise 8 |

Low registers lower `resolved` too, so it counts only together with many tones.

Axes: ``t`` samples, ``n`` frames, ``f`` bins, ``p`` peaks, ``q`` candidates for a fundamental.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from musisep_cli.sound.recording import Recording

Floats: TypeAlias = NDArray[np.floating[Any]]
N_EXCERPTS, EXCERPT_S = 5, 3.0
SHORTEST_S = 0.5
"""Less says nothing."""
LOWEST_HZ, HIGHEST_HZ = 50.0, 8000.0
LEAST_STEADY = 0.8
LEAST_RESOLVED = 0.95
MOST_FLATNESS = 0.015
NOISE_FLATNESS = 0.3
SOME_TONES, MANY_TONES = 3.0, 4.5
SHARP_ONSETS_PER_S = 1.5
"""Fewer, and what is broadband is noise, not percussion."""
STEADY_WINDOW_S, RESOLVED_WINDOW_S = 0.093, 0.046
HOP_S = 0.0155
STEADY_S, STEADY_HZ = 0.2, 500.0
"""Lengths of the median filters over time and over frequency."""


@dataclass(frozen=True, kw_only=True)
class Character:
    """Statistics of a recording; see the module's table.

    Attributes:
        steady: 0 to 1.
        resolved: 0 to 1.
        flatness: 0 to 1, mean weighted with the energy of the frames.
        sharp_onsets_per_s: how often most of the spectrum rises by 10 dB at once.
        tones: at once, on average.
        most_tones: at once, exceeded in one of 20 frames.
    """

    steady: float
    resolved: float
    flatness: float
    sharp_onsets_per_s: float
    tones: float
    most_tones: int

    def warnings(self) -> list[str]:
        """What does not look like a few melodic lines, in words."""
        if self.steady < LEAST_STEADY or self.flatness > MOST_FLATNESS:
            return [self._not_tonal()]
        if self.tones > MANY_TONES or (self.tones > SOME_TONES and self.resolved < LEAST_RESOLVED):
            return [
                f"dense polyphony: about {self.tones:.0f} tones at once, at times "
                f"{self.most_tones} or more; an instrument is taken to play one tone at a time, "
                "and chords are split or lost"
            ]
        return []

    def _not_tonal(self) -> str:
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
    """Statistics of a recording; None if it is too short."""
    rate = recording.sample_rate_hz
    excerpts = [x for x in _excerpts(recording) if float(np.abs(x).max()) > 0]
    if not excerpts or len(excerpts[0]) < SHORTEST_S * rate:
        return None
    n_tones = np.concatenate([_count_tones(x, rate) for x in excerpts])
    long_frames = _audible_frames(excerpts, rate, STEADY_WINDOW_S)
    return Character(
        steady=_steadiness(long_frames),
        resolved=_steadiness(_audible_frames(excerpts, rate, RESOLVED_WINDOW_S)),
        flatness=_flatness(long_frames),
        sharp_onsets_per_s=_sharp_onsets_per_s(excerpts, rate),
        tones=float(n_tones.mean()) if len(n_tones) else 0.0,
        most_tones=int(np.quantile(n_tones, 0.95)) if len(n_tones) else 0,
    )


def _excerpts(recording: Recording) -> list[NDArray[np.float32]]:
    """Stretches of the mean over channels, spread evenly; the whole if it is short."""
    size = round(EXCERPT_S * recording.sample_rate_hz)
    surplus = recording.n_samples - N_EXCERPTS * size
    if surplus <= 0:
        return [recording.mono]
    starts = [round(surplus * k / (N_EXCERPTS - 1)) + k * size for k in range(N_EXCERPTS)]
    return [recording.samples[start : start + size].mean(axis=1) for start in starts]


def _spectra(samples: Floats, rate: int, window_s: float, hop_s: float) -> tuple[Floats, float]:
    """Magnitudes ``[n, f]`` from 0 Hz to Nyquist, and the distance of two bins in Hz."""
    n_window, n_hop = round(window_s * rate), round(hop_s * rate)
    n_fft = 1 << (n_window - 1).bit_length()
    padded = np.pad(samples, n_window // 2 + 1)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_window)[::n_hop]
    window = np.hanning(n_window).astype(np.float32)
    return np.abs(np.fft.rfft(frames * window, n=n_fft)).astype(np.float32), rate / n_fft


def _audible(spectra: Floats, bin_hz: float) -> Floats:
    """The bins that count."""
    return spectra[:, int(LOWEST_HZ / bin_hz) : int(HIGHEST_HZ / bin_hz)]


def _audible_frames(
    excerpts: Sequence[Floats], rate: int, window_s: float
) -> list[tuple[Floats, float]]:
    """Magnitudes ``[n, f]`` and distance of bins, for every excerpt."""
    spectra = [_spectra(samples, rate, window_s, HOP_S) for samples in excerpts]
    return [(_audible(magnitude, bin_hz), bin_hz) for magnitude, bin_hz in spectra]


def _steadiness(frames: Sequence[tuple[Floats, float]]) -> float:
    """Share of energy in steady partials: lines along time in the spectrogram.

    A median along time keeps lines and takes away hits, one along frequency the reverse; the
    squares of both share out the energy (Fitzgerald 2010, as in librosa.decompose.hpss).
    """
    steady = total = 0.0
    for magnitude, bin_hz in frames:
        along_time = _medians(magnitude.T, round(STEADY_S / HOP_S) | 1).T ** 2
        along_frequency = _medians(magnitude, round(STEADY_HZ / bin_hz) | 1) ** 2
        energy = magnitude**2
        tiny = 1e-20 + 1e-12 * float(energy.max())
        share = along_time / (along_time + along_frequency + tiny)
        steady += float((energy * share).sum(dtype=np.float64))
        total += float(energy.sum(dtype=np.float64))
    return steady / total


def _medians(rows: Floats, size: int) -> Floats:
    """Running medians along every row; of a single row SciPy takes them in a fifth of the time."""
    from scipy.ndimage import median_filter

    return np.stack([median_filter(row, size) for row in rows])


def _flatness(frames: Sequence[tuple[Floats, float]]) -> float:
    """Mean spectral flatness, weighted with the energy of the frames."""
    weighted = total = 0.0
    for magnitude, _ in frames:
        energy = magnitude.astype(np.float64) ** 2
        floor = 1e-12 * energy.max() + 1e-30
        flatness = np.exp(np.log(energy + floor).mean(axis=1)) / (energy + floor).mean(axis=1)
        per_frame = energy.sum(axis=1)
        weighted += float((flatness * per_frame).sum())
        total += float(per_frame.sum())
    return weighted / total


def _sharp_onsets_per_s(excerpts: Sequence[Floats], rate: int) -> float:
    """How often more than half of 24 bands rise by 10 dB within two hops."""
    n_onsets, n_samples = 0, 0
    for samples in excerpts:
        spectra, bin_hz = _spectra(samples, rate, 2 * HOP_S, HOP_S)
        edges = np.geomspace(2 * LOWEST_HZ, min(HIGHEST_HZ, rate / 2), 25) / bin_hz
        bands = np.add.reduceat(spectra**2, np.unique(edges.astype(np.intp)), axis=1)[:, :-1]
        level_db = 10 * np.log10(bands + 1e-6 * bands.max() + 1e-30)
        is_onset = (level_db[2:] - level_db[:-2] > 10).mean(axis=1) > 0.5
        n_onsets += int((is_onset[1:] & ~is_onset[:-1]).sum())
        n_samples += len(samples)
    return n_onsets * rate / n_samples


TONES_WINDOW_S, TONES_HOP_S = 0.12, 0.06
PEAK_DB = -45.0
"""Peaks lower than this below the frame's highest are left out."""
SILENT_DB = -30.0
"""Frames with so much less energy than the loudest are left out."""
HIGHEST_PARTIAL_HZ, HIGHEST_F0_HZ = 6000.0, 2200.0
N_SUBHARMONICS, N_HARMONICS = 5, 25
TOLERANCE = 0.03
UNEXPLAINED = 0.1
MOST_COUNTED = 8


def _count_tones(samples: Floats, rate: int) -> NDArray[np.intp]:
    """For every frame that sounds: harmonic series that explain 90 % of its peaks' energy."""
    spectra, bin_hz = _spectra(samples, rate, TONES_WINDOW_S, TONES_HOP_S)
    energy = (_audible(spectra, bin_hz) ** 2).sum(axis=1)
    loud = np.flatnonzero(energy > energy.max() * 10 ** (SILENT_DB / 10))
    counts = [_tones_in(*_peaks(spectra[n], bin_hz)) for n in loud]
    return np.array([count for count in counts if count], dtype=np.intp)


def _peaks(spectrum: Floats, bin_hz: float) -> tuple[Floats, Floats]:
    """Frequencies in Hz and magnitudes of the peaks ``[p]``."""
    low, high = int(LOWEST_HZ / bin_hz), min(len(spectrum) - 1, int(HIGHEST_PARTIAL_HZ / bin_hz))
    inner = spectrum[low + 1 : high]
    rises, falls = inner > spectrum[low : high - 1], inner >= spectrum[low + 2 : high + 1]
    loud = inner > spectrum.max() * 10 ** (PEAK_DB / 20)
    at = np.flatnonzero(rises & falls & loud) + low + 1
    # The vertex of the parabola through three logarithms.
    before, here, after = (np.log(spectrum[at + step] + 1e-12) for step in (-1, 0, 1))
    shift = 0.5 * (before - after) / np.minimum(before - 2 * here + after, -1e-9)
    return (at + shift) * bin_hz, spectrum[at].astype(np.float64)


def _tones_in(frequency_hz: Floats, magnitude: Floats) -> int:
    """Number of harmonic series, found greedily: the most salient one is taken away, again."""
    candidates = (frequency_hz[:, None] / np.arange(1, N_SUBHARMONICS + 1)).ravel()
    candidates = candidates[(candidates > LOWEST_HZ) & (candidates < HIGHEST_F0_HZ)]
    if not len(candidates):
        return 0
    harmonic = np.rint(frequency_hz / candidates[:, None])  # q, p
    deviation_hz = np.abs(frequency_hz - harmonic * candidates[:, None])
    nearest_hz = np.maximum(TOLERANCE * candidates, 8.0)[:, None]
    matches = (harmonic >= 1) & (harmonic <= N_HARMONICS) & (deviation_hz < nearest_hz)
    # Klapuri's weights (2006): a subharmonic explains as much with lower ones, and loses.
    weight = (candidates[:, None] + 27) / (harmonic * candidates[:, None] + 320) * matches
    left, n_tones = magnitude.copy(), 0
    while n_tones < MOST_COUNTED and (left**2).sum() > UNEXPLAINED * (magnitude**2).sum():
        salience = weight @ left
        best = int(salience.argmax())
        if salience[best] <= 0:
            break
        left[matches[best]] = 0
        n_tones += 1
    return n_tones
