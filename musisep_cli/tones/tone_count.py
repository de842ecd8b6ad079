"""Tone count: how many tones sound at once, by the harmonic series of a spectrum's peaks.

A count of the same frames by the network that finds tones is another witness
(``methods/decoding/line_count``). Series are found by salience, the greatest first, and tones of a
weak fundamental (bassoon, oboe, organ) are easily taken for two.

How many lines a recording has follows from shares of its frames. A line that enters late, or rests
during another's solo, sounds in some stretches only, so that every stretch has a share of its own:
the second highest is taken, for a single one may hold a noise.

Axes: ``t`` samples, ``n`` frames, ``f`` bins, ``p`` peaks, ``q`` candidates for a fundamental.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from musisep_cli.sound.blockwise import Blockwise
from musisep_cli.sound.turn import heard_weights

Floats: TypeAlias = NDArray[np.floating[Any]]
Counts: TypeAlias = NDArray[np.intp]
LOWEST_HZ, HIGHEST_HZ = 50.0, 8000.0
"""Range in Hz that counts: below it is hum, above it little of melodic instruments."""
N_STRETCHES, FEWEST_STRETCHES, STRETCH_S = 12, 4, 2.0
"""Number of stretches of a recording in which tones are counted, fewer of one shorter than a second
each, and the length in s of each."""
LEAST_SHARE = 0.45
"""Least share of the frames of a stretch in which so many tones sound, for so many lines. Solos of
strings, flutes and recorders stay below it; bassoons, oboes and organs do not, whose series are
taken for two. Of 30 mixtures none with so many lines did, with a late entry neither: 0.65 or more.
"""
MOST_SURE = 3
"""Number of tones above which the count says little: of true quartets it finds 4 in 0.1 to 0.7."""
TONES_WINDOW_S, TONES_HOP_S = 0.12, 0.06
"""Window and distance of the frames in s in which tones are counted; partials of low tones are told
apart, and notes are longer."""
PEAK_DB = -45.0
"""Level in dB, relative to the frame's highest peak, below which a peak does not count."""
SILENT_DB = -30.0
"""Energy in dB, relative to the loudest frame, below which a frame does not count."""
HIGHEST_PARTIAL_HZ, HIGHEST_F0_HZ = 6000.0, 2200.0
"""Highest peak, and highest fundamental in Hz that is tried."""
N_SUBHARMONICS, N_HARMONICS = 5, 25
"""A fundamental is tried at 1/1 to 1/5 of every peak; its series has up to 25 harmonics."""
TOLERANCE = 0.03
"""Distance between a peak and a harmonic that still match, relative to the fundamental."""
LEAST_TOLERANCE_HZ = 8.0
"""The same distance in Hz for low fundamentals: the resolution of the window."""
UNEXPLAINED = 0.1
"""Share of the peaks' energy that may remain when no more tones are looked for."""
MOST_COUNTED = 8
"""Number of tones after which counting ends: noise has no end of them."""


def counts_by_stretch(sound: Blockwise, sample_rate_hz: int) -> list[Counts]:
    """Return the numbers of tones in the frames of stretches all over a sound ``[t, c]``.

    Returns:
        Counts ``[n]`` of every stretch, without frames that are silent or without peaks.
    """
    n_samples = sound.shape[0]
    weights = heard_weights(sound)
    n_stretches = int(np.clip(n_samples / sample_rate_hz, FEWEST_STRETCHES, N_STRETCHES))
    size = min(round(STRETCH_S * sample_rate_hz), n_samples // n_stretches)
    starts = np.linspace(0, n_samples - size, n_stretches).astype(np.intp)
    stretches = [sound[start : start + size].astype(np.float32) @ weights for start in starts]
    peaks = np.array([np.abs(stretch).max(initial=0.0) for stretch in stretches])
    # What is far softer than the rest is the noise between two pieces.
    loud = np.flatnonzero(peaks > peaks.max() * 10 ** (SILENT_DB / 20))
    found = []
    for number in loud:
        frames = peaks_of_frames(stretches[number], sample_rate_hz)
        counts = [tones_in(*of_frame) for of_frame in frames]
        found.append(np.array([count for count in counts if count], dtype=np.intp))
    return found


def share_of_stretches(counts: Sequence[Counts], n_tones: int) -> float:
    """Return the share of frames with so many tones in the stretch that is second in this, 0 to 1.

    >>> share_of_stretches([np.array([1, 1]), np.array([2, 1]), np.array([2, 2])], 2)
    0.5
    """
    heard = [of_stretch for of_stretch in counts if len(of_stretch)]
    return second_highest([float((of_stretch >= n_tones).mean()) for of_stretch in heard])


def second_highest(shares: Sequence[float]) -> float:
    """Return the second highest of the shares of stretches; of one that one, of none 0.

    >>> second_highest([0.2, 0.9, 0.4]), second_highest([0.9]), second_highest([])
    (0.4, 0.9, 0)
    """
    return sorted(shares)[-2] if len(shares) > 1 else sum(shares)


def lines_at_once(counts: Sequence[Counts], most: int) -> int:
    """Return how many lines sound at once in some stretches, 1 to ``most``.

    Above ``MOST_SURE`` no number of lines is doubted, if so many as that are found.

    >>> lines_at_once([np.array([1, 1, 2]), np.array([1, 1, 1])], 2)
    1
    """
    n_lines = 1
    while n_lines < min(most, MOST_SURE):
        if share_of_stretches(counts, n_lines + 1) < LEAST_SHARE:
            return n_lines
        n_lines += 1
    return most


def spectra_of(samples: Floats, rate: int, window_s: float, hop_s: float) -> tuple[Floats, float]:
    """Return magnitudes ``[n, f]`` from 0 Hz to half the rate, and the distance of bins in Hz.

    Args:
        samples: ``[t]``.
        rate: samples per second.
        window_s: length of the Hann window in s.
        hop_s: distance between frames in s.
    """
    n_window, n_hop = round(window_s * rate), round(hop_s * rate)
    n_fft = 1 << (n_window - 1).bit_length()
    padded = np.pad(samples, n_window // 2 + 1)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_window)[::n_hop]
    window = np.hanning(n_window).astype(np.float32)
    return np.abs(np.fft.rfft(frames * window, n=n_fft)).astype(np.float32), rate / n_fft


def audible(spectra: Floats, bin_hz: float) -> Floats:
    """Return the bins from ``LOWEST_HZ`` to ``HIGHEST_HZ``, ``[n, f]``."""
    return spectra[:, int(LOWEST_HZ / bin_hz) : int(HIGHEST_HZ / bin_hz)]


def peaks_of_frames(samples: Floats, rate: int) -> list[tuple[Floats, Floats]]:
    """Return frequencies in Hz and magnitudes of the peaks, ``[p]``, of every frame that sounds."""
    spectra, bin_hz = spectra_of(samples, rate, TONES_WINDOW_S, TONES_HOP_S)
    energy = (audible(spectra, bin_hz) ** 2).sum(axis=1)
    loud = np.flatnonzero(energy > energy.max() * 10 ** (SILENT_DB / 10))
    found = [_peaks(spectra[n], bin_hz) for n in loud]
    return [peaks for peaks in found if len(peaks[0])]


def _peaks(spectrum: Floats, bin_hz: float) -> tuple[Floats, Floats]:
    """Return the frequencies in Hz and the magnitudes of a spectrum's peaks, each ``[p]``."""
    low, high = int(LOWEST_HZ / bin_hz), min(len(spectrum) - 1, int(HIGHEST_PARTIAL_HZ / bin_hz))
    inner = spectrum[low + 1 : high]
    rises, falls = inner > spectrum[low : high - 1], inner >= spectrum[low + 2 : high + 1]
    loud = inner > spectrum.max() * 10 ** (PEAK_DB / 20)
    at = np.flatnonzero(rises & falls & loud) + low + 1
    # Vertex of the parabola through the logarithms y of a peak and its neighbours, in bins from it:
    # (y[-1] - y[1]) / 2 (y[-1] - 2 y[0] + y[1]).
    before, here, after = (np.log(spectrum[at + step] + 1e-12) for step in (-1, 0, 1))
    shift = 0.5 * (before - after) / np.minimum(before - 2 * here + after, -1e-9)
    return (at + shift) * bin_hz, spectrum[at].astype(np.float64)


def tones_in(frequency_hz: Floats, magnitude: Floats) -> int:
    """Return the number of harmonic series that explain 90 % of the peaks' energy.

    They are found greedily: the most salient series is counted and its peaks are taken away, until
    little is left.

    Args:
        frequency_hz: of the peaks, ``[p]``.
        magnitude: of the peaks, ``[p]``.
    """
    candidates = (frequency_hz[:, None] / np.arange(1, N_SUBHARMONICS + 1)).ravel()
    candidates = candidates[(candidates > LOWEST_HZ) & (candidates < HIGHEST_F0_HZ)]
    if not len(candidates):
        return 0
    harmonic = np.rint(frequency_hz / candidates[:, None])  # q, p
    deviation_hz = np.abs(frequency_hz - harmonic * candidates[:, None])
    nearest_hz = np.maximum(TOLERANCE * candidates, LEAST_TOLERANCE_HZ)[:, None]
    matches = (harmonic >= 1) & (harmonic <= N_HARMONICS) & (deviation_hz < nearest_hz)
    # Weights (f + 27) / (h f + 320) of Klapuri (ISMIR 2006): an octave or more below the
    # true fundamental the same peaks are higher harmonics with lower weights, so it loses.
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
