"""Solo: the pitch of a recording in which one instrument plays, one tone at a time.

After YIN (de Cheveigne and Kawahara, JASA 2002): a sound of period T differs little from itself T
later. The difference function of a frame and its mean-normalised form are

    d(tau)  = sum_t (x[t] - x[t + tau])^2,                                                      (1)
    d'(tau) = d(tau) / (1 / tau sum_{j <= tau} d(j)),   d'(0) = 1,                              (2)

and the period is the first dip of d' below ``MOST_APERIODIC``. That is enough to learn from what an
instrument is like, in a hundredth of the time that the decoding of a mixture takes. It is not what
finds the tones of a mixture.

Axes: ``n`` frames, ``t`` samples.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from musisep_cli.tones.tracks import PitchTracks

LOWEST_HZ, HIGHEST_HZ = 30.0, 2500.0
"""Range of fundamentals: from below a double bass to the top of a piccolo's usual range."""
HOP_S = 0.02
"""Time between frames, in seconds: notes last several."""
MOST_APERIODIC = 0.15
"""Value of (2) up to which a dip counts as a period; YIN's own is 0.1 to 0.15."""
FAINT = 0.03
"""RMS of a frame relative to the loudest one, below which nothing is heard: -30 dB."""
TINY = 1e-20
"""Least energy by which anything is divided."""

Floats = NDArray[np.floating[Any]]


def solo_pitch(samples: Floats, sample_rate_hz: int) -> PitchTracks:
    """Return what the one instrument in ``samples [t]`` plays, as tracks of one instrument.

    A frame without a period is off; chords mostly have none.
    """
    longest = int(sample_rate_hz / LOWEST_HZ)
    hop = max(1, round(HOP_S * sample_rate_hz))
    reach = 2 * longest  # samples of a frame: its first half is compared with all later ones
    padded = np.pad(np.asarray(samples, np.float64), (longest, reach))
    starts = np.arange(0, len(samples), hop)
    rms = np.array([np.sqrt(np.mean(padded[a : a + reach] ** 2)) for a in starts])
    f0_hz, on = np.full(len(starts), LOWEST_HZ), np.zeros(len(starts), bool)
    for n in np.flatnonzero(rms > FAINT * max(float(rms.max(initial=0.0)), TINY)):
        period = _period(padded[starts[n] : starts[n] + reach], longest, sample_rate_hz)
        if period is not None:
            f0_hz[n], on[n] = sample_rate_hz / period, True
    return PitchTracks(
        times_s=starts / sample_rate_hz, f0_hz=f0_hz[None], amplitude=rms[None], on=on[None]
    )


def _period(frame: Floats, longest: int, sample_rate_hz: int) -> float | None:
    """Return the period of a frame ``[t]`` in samples, with a fraction; None if it has none."""
    relative = _difference(frame, longest)
    shortest = max(2, int(sample_rate_hz / HIGHEST_HZ))
    below = np.flatnonzero(relative[shortest:-1] < MOST_APERIODIC)
    if not len(below):
        return None
    tau = int(below[0]) + shortest
    while tau + 2 < len(relative) and relative[tau + 1] < relative[tau]:
        tau += 1  # down to the bottom of the dip
    before, here, after = relative[tau - 1 : tau + 2]
    # Vertex of the parabola through the dip and its neighbours.
    return float(tau + 0.5 * (before - after) / max(before - 2 * here + after, 1e-9))


def _difference(frame: Floats, longest: int) -> Floats:
    """Return (2) for every lag up to ``longest``, from the first half of a frame ``[t]``."""
    half = frame[:longest]
    n_fft = 1 << (len(frame) + longest - 1).bit_length()
    products = np.fft.irfft(np.fft.rfft(frame, n_fft) * np.conj(np.fft.rfft(half, n_fft)), n_fft)
    energy = np.concatenate([[0.0], np.cumsum(frame**2)])
    lags = np.arange(longest)
    moved = energy[lags + longest] - energy[lags]
    d = np.maximum(energy[longest] + moved - 2 * products[:longest], 0.0)  # (1)
    mean = np.cumsum(d[1:]) / lags[1:]
    relative: Floats = np.ones(longest)
    relative[1:] = d[1:] / np.maximum(mean, TINY)  # (2)
    return relative
