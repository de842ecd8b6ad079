"""Compiled fit: sets of tones fitted to their frames one after another, in machine code.

On a processor it takes the place of ``joint_fit``, whose array operations on all sets at once write
every peak, matrix and spectrum to memory. One set at a time stays in the processor's cache, and can
take two shortcuts:

- In order of frequency, only neighbouring peaks overlap, and the matrix of the fit is a band
  (``banded``).
- With the bin m nearest to a peak at f and d = m - f, two exponentials give all of its samples:

      exp(-(d + n)^2 / (2 sigma^2)) = exp(-d^2 / (2 sigma^2)) exp(-d / sigma^2)^n
                                      exp(-n^2 / (2 sigma^2)).                                  (1)

Axes: ``n`` frames, ``s`` sets of a frame, ``i`` tones of a set, ``c`` channels, ``f`` bins, ``h``
harmonics, ``p`` peaks of a set in order of frequency, ``w`` samples of a peak.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from musisep_cli.machine.compiled import compiled
from musisep_cli.tones.banded import factorised, reach_bins, solved
from musisep_cli.tones.joint_fit import PITCH_REACH_BINS, PITCH_STEP_BINS
from musisep_cli.tones.peaks import SMALLEST_SQUARE

Reals: TypeAlias = NDArray[np.floating[Any]]
Integers: TypeAlias = NDArray[np.integer[Any]]
Spectra: TypeAlias = NDArray[np.complexfloating[Any, Any]]
Peaks: TypeAlias = tuple[Reals, Integers, Integers]
Fit: TypeAlias = tuple[Reals, Reals, Reals, Reals]

ALL = -1
"""Stands for all tones where one is asked for."""
LEAST_ENERGY = float(np.finfo(np.float32).tiny)
"""What the misfit is divided by where the frame is silent."""
N_STEPS = round(PITCH_REACH_BINS / PITCH_STEP_BINS)
"""Steps to both sides of a pitch in which a better one is looked for."""


@compiled
def fitted_sets(
    channels: Spectra,
    matched: Spectra,
    on: NDArray[np.bool_],
    f0_bins: Reals,
    inharmonicity: Reals,
    n_harmonics: int,
    width: float,
    tikhonov: Reals,
    lowest_bins: float,
    refined: bool,
    lift_exponent: float,
    lift_offset: float,
) -> Fit:
    """Fit every set to the mean of its frame's channels, as ``hypotheses.SetFit`` says.

    Args:
        channels: complex, ``[n, c, f]``.
        matched: their mean after ``joint_fit.matched_filter``, complex, ``[n, f]``; not read
            unless pitches are refined.
        on: which tones are there, ``[n, s, i]``.
        f0_bins: of all tones, float32, ``[n, s, i]``.
        inharmonicity: b, ``[n, s, i]``.
        n_harmonics: of every tone.
        width: sigma of all peaks in bins.
        tikhonov: weights of |c_h|^2, as many as a set has harmonics, ``[p]``.
        lowest_bins: the lowest pitch that a refined one gets.
        refined: whether pitches are set to where their harmonics are strongest, and fitted again.
        lift_exponent: q of the lift under which frame and fit are compared.
        lift_offset: delta of that lift.

    Returns:
        The pitches in bins ``[n, s, i]``, |c_h| ``[n, s, i, h]``, their sums in every channel
        ``[n, s, i, c]``, and the misfit of every set ``[n, s]``, all real in float32.
    """
    n_frames, n_channels, n_bins = channels.shape
    n_sets, n_tones = on.shape[1:]
    n_turns = 2 if refined else 1
    pitches = f0_bins.copy()
    amplitudes = np.zeros((n_frames, n_sets, n_tones, n_harmonics), np.float32)
    loudness = np.zeros((n_frames, n_sets, n_tones, n_channels), np.float32)
    misfits = np.empty((n_frames, n_sets), np.float32)
    mean = np.empty((2, n_bins), np.float32)
    heard = np.empty((2, n_bins), np.float32)
    lifted = np.empty(n_bins, np.float32)
    model = np.empty((2, n_bins), np.float32)
    for n in range(n_frames):
        _mean_of(channels[n], mean)
        _lift(mean, lift_exponent, lift_offset, lifted)
        silence = max(_energy(lifted), LEAST_ENERGY)
        for s in range(n_sets):
            for turn in range(n_turns):
                positions, tones, harmonics = _peaks(
                    on[n, s], pitches[n, s], inharmonicity[n, s], n_harmonics, width, n_bins
                )
                factor, first = factorised(positions, width, tikhonov)
                samples = _samples(positions, width, n_bins)
                solution = solved(factor, first, _products(samples, positions, mean))
                if turn + 1 < n_turns:
                    _refine(
                        pitches[n, s],
                        inharmonicity[n, s],
                        matched[n],
                        positions,
                        tones,
                        solution,
                        n_harmonics,
                        width,
                        lowest_bins,
                    )
            _clear(model)
            _add(samples, positions, tones, ALL, solution, 1.0, model)
            misfits[n, s] = _distance(lifted, model, lift_exponent, lift_offset) / silence
            for p in range(len(positions)):
                amplitudes[n, s, tones[p], harmonics[p]] = _magnitude(
                    solution[0, p], solution[1, p]
                )
            # Pitches are those found on the mean; only coefficients are found in every channel.
            for c in range(n_channels):
                if n_channels > 1:
                    _mean_of(channels[n, c : c + 1], heard)
                    solution = solved(factor, first, _products(samples, positions, heard))
                for p in range(len(positions)):
                    loudness[n, s, tones[p], c] += _magnitude(solution[0, p], solution[1, p])
    return pitches, amplitudes, loudness, misfits


@compiled
def _magnitude(real: float, imaginary: float) -> float:
    """Return |z|, as ``peaks.magnitude``."""
    return math.sqrt(real * real + imaginary * imaginary + SMALLEST_SQUARE)


@compiled
def _mean_of(channels: Spectra, mean: Reals) -> None:
    """Write the mean of spectra ``[c, f]`` to ``mean [2, f]``, real and imaginary part."""
    n_channels, n_bins = channels.shape
    for f in range(n_bins):
        mean[0, f], mean[1, f] = channels[0, f].real, channels[0, f].imag
    for c in range(1, n_channels):
        for f in range(n_bins):
            mean[0, f] += channels[c, f].real
            mean[1, f] += channels[c, f].imag
    share = np.float32(1 / n_channels)
    for f in range(n_bins):
        mean[0, f] *= share
        mean[1, f] *= share


@compiled
def _clear(spectrum: Reals) -> None:
    """Set a spectrum ``[2, f]`` to 0."""
    for f in range(spectrum.shape[1]):
        spectrum[0, f], spectrum[1, f] = 0, 0


@compiled
def _energy(values: Reals) -> float:
    """Return the sum of the squares of values ``[f]``."""
    total = np.float32(0)
    for value in values:
        total += value * value
    return float(total)


@compiled
def _lift(spectrum: Reals, exponent: float, offset: float, lifted: Reals) -> None:
    """Write the lifted magnitudes (|z| + delta)^q - delta^q of ``[2, f]`` to ``lifted [f]``."""
    delta, tiny = np.float32(offset), np.float32(SMALLEST_SQUARE)
    least = np.float32(offset**exponent)
    if exponent == 0.5:  # a root is many times as fast as a power
        for f in range(len(lifted)):
            square = spectrum[0, f] * spectrum[0, f] + spectrum[1, f] * spectrum[1, f] + tiny
            lifted[f] = np.sqrt(np.sqrt(square) + delta) - least
    else:
        for f in range(len(lifted)):
            square = spectrum[0, f] * spectrum[0, f] + spectrum[1, f] * spectrum[1, f] + tiny
            lifted[f] = (np.sqrt(square) + delta) ** np.float32(exponent) - least


@compiled
def _distance(lifted: Reals, model: Reals, exponent: float, offset: float) -> float:
    """Return sum_f (lifted - lift(model))^2 of lifted magnitudes and a spectrum ``[2, f]``."""
    differences = np.empty(len(lifted), np.float32)
    _lift(model, exponent, offset, differences)
    for f in range(len(lifted)):
        differences[f] -= lifted[f]
    return _energy(differences)


@compiled
def _peaks(
    on: NDArray[np.bool_],
    f0_bins: Reals,
    inharmonicity: Reals,
    n_harmonics: int,
    width: float,
    n_bins: int,
) -> Peaks:
    """Return positions f_h of a set's peaks in bins (paper, Eq. 3), tones and harmonics, ``[p]``.

    In order of frequency. Those that neither reach into the spectrum nor overlap with any that
    does are left out, for their coefficients are 0.
    """
    farthest = n_bins + 3 * reach_bins(width)
    positions = np.empty(len(on) * n_harmonics)
    tones = np.empty(len(on) * n_harmonics, np.int64)
    harmonics = np.empty(len(on) * n_harmonics, np.int64)
    count = 0
    for i in range(len(on)):
        if not on[i]:
            continue
        for h in range(1, n_harmonics + 1):
            position = f0_bins[i] * h * math.sqrt(1 + inharmonicity[i] * h * h)
            if not position <= farthest:  # so that a NaN, which is no place, is left out too
                break
            # Into its place among those of the tones before, which are in order already.
            at = count
            while at > 0 and positions[at - 1] > position:
                positions[at], tones[at] = positions[at - 1], tones[at - 1]
                harmonics[at] = harmonics[at - 1]
                at -= 1
            positions[at], tones[at], harmonics[at] = position, i, h - 1
            count += 1
    return positions[:count], tones[:count], harmonics[:count]


@compiled
def _samples(positions: Reals, width: float, n_bins: int) -> Reals:
    """Return the samples (1) of peaks around the bins nearest to them, ``[p, w]``."""
    reach = reach_bins(width)
    samples = np.zeros((len(positions), 2 * reach + 1), np.float32)
    curve = np.empty(reach + 1)
    for n in range(reach + 1):
        curve[n] = math.exp(-0.5 * (n / width) ** 2)
    for p in range(len(positions)):
        if positions[p] > n_bins + reach:
            continue
        nearest = _nearest(positions[p], n_bins)
        d = nearest - positions[p]
        height, ratio = math.exp(-0.5 * (d / width) ** 2), math.exp(-d / width**2)
        up, down = height, height
        samples[p, reach] = height
        for n in range(1, reach + 1):
            up *= ratio
            down /= ratio
            samples[p, reach + n] = up * curve[n]
            samples[p, reach - n] = down * curve[n]
    return samples


@compiled
def _nearest(position: float, n_bins: int) -> int:
    """Return the bin of the spectrum that is nearest to a position."""
    return max(0, min(int(position + 0.5), n_bins - 1))


@compiled
def _inside(position: float, reach: int, n_bins: int) -> tuple[int, int, int]:
    """Return from which bin on and up to which one a peak has samples, and the first of these."""
    start = _nearest(position, n_bins) - reach
    return max(start, 0), min(start + 2 * reach + 1, n_bins), max(-start, 0)


@compiled
def _products(samples: Reals, positions: Reals, spectrum: Reals) -> Reals:
    """Return <g_p, v> of peaks and a spectrum ``[2, f]``, real and imaginary part, ``[2, p]``."""
    products = np.empty((2, len(positions)))
    reach = samples.shape[1] // 2
    for p in range(len(positions)):
        start, stop, at = _inside(positions[p], reach, spectrum.shape[1])
        real, imaginary = np.float32(0), np.float32(0)
        for n in range(stop - start):
            real += samples[p, at + n] * spectrum[0, start + n]
            imaginary += samples[p, at + n] * spectrum[1, start + n]
        products[0, p], products[1, p] = real, imaginary
    return products


@compiled
def _add(
    samples: Reals,
    positions: Reals,
    tones: Integers,
    tone: int,
    coefficients: Reals,
    gain: float,
    spectrum: Reals,
) -> None:
    """Add a tone's peaks, or those of ``ALL``, to a spectrum ``[2, f]``.

    Args:
        samples: of all peaks, ``[p, w]``.
        positions: of all peaks, ``[p]``.
        tones: number of the tone that each belongs to, ``[p]``.
        tone: number of the tone that is added.
        coefficients: c, real and imaginary part, ``[2, p]``.
        gain: what they are multiplied by.
        spectrum: what is added to.
    """
    reach = samples.shape[1] // 2
    for p in range(len(positions)):
        if tone not in (ALL, tones[p]):
            continue
        start, stop, at = _inside(positions[p], reach, spectrum.shape[1])
        real = np.float32(gain * coefficients[0, p])
        imaginary = np.float32(gain * coefficients[1, p])
        for n in range(stop - start):
            spectrum[0, start + n] += real * samples[p, at + n]
            spectrum[1, start + n] += imaginary * samples[p, at + n]


@compiled
def _refine(
    f0_bins: Reals,
    inharmonicity: Reals,
    matched: Spectra,
    positions: Reals,
    tones: Integers,
    coefficients: Reals,
    n_harmonics: int,
    width: float,
    lowest_bins: float,
) -> None:
    """Set the pitches of a set ``[i]`` to where their harmonics are strongest, the others removed.

    As ``joint_fit.refined_pitch``, after the fit of peaks ``[p]`` with ``coefficients [2, p]``.
    """
    n_bins = len(matched)
    wider = math.sqrt(2) * width
    samples = _samples(positions, wider, n_bins)
    # After the matched filter a peak is sqrt(2) times as wide, and higher.
    height = math.sqrt(math.pi) * width
    rest = np.empty((2, n_bins), np.float32)
    heard = np.empty((2, n_bins), np.float32)
    for f in range(n_bins):
        rest[0, f], rest[1, f] = matched[f].real, matched[f].imag
    _add(samples, positions, tones, ALL, coefficients, -height, rest)
    for i in range(len(f0_bins)):
        for f in range(n_bins):
            heard[0, f], heard[1, f] = rest[0, f], rest[1, f]
        _add(samples, positions, tones, i, coefficients, height, heard)
        found = _strongest(heard, f0_bins[i], inharmonicity[i], n_harmonics)
        f0_bins[i] = max(found, min(f0_bins[i], np.float32(lowest_bins)))


@compiled
def _strongest(heard: Reals, f0_bins: float, inharmonicity: float, n_harmonics: int) -> float:
    """Return the pitch near a given one at which a spectrum's harmonics add up to most, in bins.

    As ``joint_fit.strongest_pitch`` of the magnitudes of ``heard [2, f]``.
    """
    last = heard.shape[1] - 1
    stretch = np.empty(n_harmonics)
    for h in range(1, n_harmonics + 1):
        stretch[h - 1] = h * math.sqrt(1 + inharmonicity * h * h)
    highest = max(f0_bins + PITCH_REACH_BINS, 1.0) * stretch[-1]
    if not highest > 0:  # a pitch that is NaN has no neighbours
        return f0_bins
    n_needed = int(min(highest + 3, last)) + 1
    strength = np.empty(n_needed, np.float32)
    for f in range(n_needed):
        square = heard[0, f] * heard[0, f] + heard[1, f] * heard[1, f]
        strength[f] = np.sqrt(square + np.float32(SMALLEST_SQUARE))
    most, best = -1.0, f0_bins
    for step in range(-N_STEPS, N_STEPS + 1):
        pitch = max(f0_bins + PITCH_STEP_BINS * step, 1.0)
        total = 0.0
        for ratio in stretch:
            position = pitch * ratio
            if position > last:
                break
            below = int(min(max(position, 1.0), last - 2.0))
            t = min(max(position - below, -1.0), 2.0)
            # Lagrange's polynomials of the bins at -1, 0, 1 and 2
            total += -t * (t - 1) * (t - 2) / 6 * strength[below - 1]
            total += (t + 1) * (t - 1) * (t - 2) / 2 * strength[below]
            total += -(t + 1) * t * (t - 2) / 2 * strength[below + 1]
            total += (t + 1) * t * (t - 1) / 6 * strength[below + 2]
        if total > most:
            most, best = total, pitch
    return best
