"""Turn: channels mixed without loss, so that their mean holds what every channel holds.

Tones are found in the mean of the channels. An instrument whose channels have opposite polarity is
not in it, though it is as loud as any other. A turn Q of the channels changes what the mean holds,
and nothing else: powers stay, and the channels come back exactly,

    y = Q x,  x = Q' y,  Q' Q = 1.                                                              (1)

The mean of y is what the channels hold in one direction u of length 1,

    sum_c y_c / C = u' x / sqrt(C),  Q u = (1, ..., 1) / sqrt(C).                               (2)

Of a spectrum X[n, f], in all channels, the direction holds the share

    s[n, f] = |u' X[n, f]|^2 / sum_c |X_c[n, f]|^2,                                             (3)

1 / C for an instrument in a single channel and a mean, 0 for what cancels. So a direction misses

    m(u) = sum |X| min(max(10 log10(1 / (C s)), 0), 30) / sum |X|  in dB,                       (4)

where magnitudes are the weights, so that a soft instrument counts too. Channels are turned only
where their mean misses more than another direction by ``LEAST_GAIN_DB``; of directions that miss as
little, the one is taken that holds most power. One instrument in the middle and one of opposite
polarity become hard left and hard right.

Axes: ``t`` samples, ``c`` channels, ``n`` frames, ``f`` bins, ``d`` directions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from musisep_cli.sound.blockwise import Blockwise, blocks
from musisep_cli.sound.recording import Recording

Floats: TypeAlias = NDArray[np.floating[Any]]
N_FRAMES, FRAME_SAMPLES = 128, 4096
"""Most frames that are looked at, from all over the sound, and their length: 0.1 s, in which most
partials are told apart."""
LEAST_LEVEL = 1e-2
"""Magnitude, relative to the loudest, below which a bin has no say."""
LEAST_GAIN_DB = 1.0
"""Difference in (4), in dB, from which on the channels are turned. Recordings in stereo with one
polarity stay below 0.3 dB, one instrument of two that cancels comes to 13 dB."""
AS_LITTLE_DB = 0.1
"""Difference in (4), in dB, up to which two directions miss as little as each other."""
MOST_DB = 30.0
"""Most dB that count as missed: more is as good as nothing."""
N_DIRECTIONS = 16
"""Directions of two channels that are tried, over half a circle; the mean is one of them."""
DIRECTIONS_PER_CHANNEL = 8
"""Random directions that are tried for each of more than two channels."""


@dataclass(frozen=True, eq=False)
class Turn:
    """A turn of the channels.

    Attributes:
        matrix: Q of (1), float32 ``[c, c]``.
    """

    matrix: NDArray[np.float32]

    @classmethod
    def of(cls, sound: Blockwise) -> Turn | None:
        """Return the turn after which the mean of the channels ``[t, c]`` misses least.

        Returns:
            None where the mean misses little as it is.
        """
        n_channels = sound.shape[1]
        if n_channels == 1:
            return None
        spectra = _loud_spectra(sound)
        tried = directions(n_channels)
        missed_db = missed(spectra, tried)
        if missed_db[0] - missed_db.min() < LEAST_GAIN_DB:
            return None
        good = tried[missed_db < missed_db.min() + AS_LITTLE_DB]
        held = (np.abs(good @ spectra) ** 2).sum(1)
        return cls(_onto_the_mean(good[held.argmax()]).astype(np.float32))

    def turned(self, sound: Blockwise) -> NDArray[np.float32]:
        """Return y of (1), ``[t, c]``, for channels x ``[t, c]``."""
        return np.concatenate([sound[block] @ self.matrix.T for block in blocks(sound.shape[0])])

    def back(self, turned: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return x of (1) for turned channels y, each ``[..., c]``."""
        channels: NDArray[np.float32] = turned @ self.matrix
        return channels


def turned(recording: Recording) -> Recording:
    """Return a recording with its channels turned where their mean would lose an instrument."""
    turn = Turn.of(recording.samples)
    if turn is None:
        return recording
    return replace(recording, samples=turn.turned(recording.samples))


def heard_weights(sound: Blockwise) -> NDArray[np.float32]:
    """Return by which weights the channels are heard: their mean after the turn, if any, ``[c]``.

    >>> sine = np.sin(np.arange(8000.0))
    >>> heard_weights(np.stack([sine, sine], 1)).tolist()
    [0.5, 0.5]
    >>> heard_weights(np.stack([sine, -sine], 1)).tolist()
    [0.5, -0.5]
    """
    turn, n_channels = Turn.of(sound), sound.shape[1]
    row = np.ones(n_channels, np.float32) if turn is None else turn.matrix.sum(0)
    weights: NDArray[np.float32] = (row / n_channels).astype(np.float32)  # (2)
    return weights


def heard(sound: Blockwise) -> NDArray[np.float32]:
    """Return what is heard of a sound ``[t, c]`` in one channel, ``[t]``."""
    weights = heard_weights(sound)
    parts = [sound[block].astype(np.float32) @ weights for block in blocks(sound.shape[0])]
    return np.concatenate(parts)


def directions(n_channels: int) -> NDArray[np.float64]:
    """Return the directions u that are tried, of length 1, that of the mean first, ``[d, c]``.

    >>> directions(2)[[0, 8]].round(2).tolist()
    [[0.71, 0.71], [0.71, -0.71]]
    """
    if n_channels == 2:
        angles = np.pi / 4 - np.arange(N_DIRECTIONS) * np.pi / N_DIRECTIONS
        return np.stack([np.cos(angles), np.sin(angles)], 1)
    generator = np.random.default_rng(0)
    some = generator.standard_normal((DIRECTIONS_PER_CHANNEL * n_channels, n_channels))
    found = np.concatenate([np.ones((1, n_channels)), np.eye(n_channels), some])
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))


def missed(spectra: NDArray[np.complexfloating[Any]], tried: Floats) -> NDArray[np.float64]:
    """Return (4) in dB for directions ``[d, c]``, ``[d]``, from loud bins of spectra ``[c, f]``."""
    power = (np.abs(spectra) ** 2).sum(0)
    weights = np.sqrt(power)
    total = max(float(weights.sum()), np.finfo(np.float64).tiny)
    found = []
    for direction in tried:
        share = np.abs(direction @ spectra) ** 2 / power  # (3)
        least = 10 ** (-MOST_DB / 10)
        missed_db = -10 * np.log10(np.clip(len(spectra) * share, least, 1.0))
        found.append(float((weights * missed_db).sum()) / total)  # (4)
    return np.array(found)


def _loud_spectra(sound: Blockwise) -> NDArray[np.complex128]:
    """Return the bins of some frames that are not faint, in all channels, ``[c, f]``."""
    n_samples = sound.shape[0]
    size = min(FRAME_SAMPLES, n_samples)
    n_frames = min(N_FRAMES, -(-n_samples // size))
    starts = np.linspace(0, n_samples - size, n_frames).astype(np.intp)
    window = np.hanning(size + 2)[1:-1, None]
    spectra = [np.fft.rfft(sound[first : first + size] * window, axis=0).T for first in starts]
    flat = np.concatenate(spectra, 1)
    magnitude = np.sqrt((np.abs(flat) ** 2).sum(0))
    return flat[:, magnitude > LEAST_LEVEL * magnitude.max(initial=0.0)]


def _onto_the_mean(direction: Floats) -> NDArray[np.float64]:
    """Return a turn Q that brings a direction of length 1 onto that of the mean, ``[c, c]``.

    It turns in the plane of both, and leaves alone what is at right angles to it.
    """
    mean = np.full(len(direction), len(direction) ** -0.5)
    cosine = float(mean @ direction)
    across = mean - cosine * direction
    sine = float(np.linalg.norm(across))
    # The plane's second axis; sine is not 0, for the direction is another than the mean's.
    second = across / sine
    plane = np.stack([direction, second])
    rotation = np.array([[cosine, -sine], [sine, cosine]])
    return np.asarray(np.eye(len(direction)) + plane.T @ (rotation - np.eye(2)) @ plane)
