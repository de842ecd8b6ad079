"""Extraction: one instrument out of a whole recording, block by block.

The network hears the mean of the channels at 16 kHz; what it finds is a share of every bin, which
all channels give alike. What a recording has above 8 kHz gives, in every frame, the share that was
found from 6 to 7.6 kHz. The recording minus the target is what all the others play.

    low    = the recording at 16 kHz and back,    high = recording - low                        (1)
    target = synthesis(mask * analysis(low)) + share * high                                     (2)

A block is 30 s, and the network hears 4 s on either side of it, twice what it reaches: blocks give
what the whole would. Departs from the specification, which has 20 s and 2.1 s: multiples of 2 s are
whole numbers of frames at 16 kHz and of samples at any rate, and so blocks meet without a seam.

Axes: ``c`` channels, ``n`` frames, ``f`` bins, ``t`` samples, ``d`` numbers of an identity.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from musisep_cli.errors import InputError
from musisep_cli.methods.identity.encoder import EXCERPT_RMS
from musisep_cli.methods.identity.frames import (
    HOP_SAMPLES,
    SAMPLE_RATE_HZ,
    WINDOW_SAMPLES,
    analyse,
    synthesise,
)
from musisep_cli.methods.identity.network import Network

BLOCK_S = 30
"""Length of a block in seconds."""
CONTEXT_S = 4
"""What the network hears before and after a block, in seconds."""
SHARE_HZ = (6_000.0, 7_600.0)
"""The range in Hz whose share is taken for all that is higher."""
SHORTEST_EXCERPT_S = 1.0
"""An excerpt with less sound than this, in seconds, says too little of an instrument."""
LONGEST_EXCERPT_S = 30.0
"""More of an excerpt, in seconds, is not listened to."""
QUIET_DB = -40.0
"""Frames this much below the loudest of an excerpt are no sound of it, in dB."""

Samples = NDArray[np.float32]


def identity_of(excerpt: Samples, sample_rate_hz: int, network: Network) -> Tensor:
    """Return the identity ``[d]`` of an instrument that plays alone in ``excerpt [t, c]``.

    Raises:
        InputError: The excerpt is silent, too short, or holds numbers that are not finite.
    """
    _check_excerpt(excerpt, sample_rate_hz)
    mono = excerpt.mean(1)[: round(LONGEST_EXCERPT_S * sample_rate_hz)]
    wave = torch.from_numpy(_at_rate(mono, sample_rate_hz, SAMPLE_RATE_HZ))
    with torch.no_grad():
        identity: Tensor = network.encoder(wave[None])[0]
    return identity


def presence(target: Samples, sample_rate_hz: int, identity: Tensor, network: Network) -> float:
    """Return how much what came out sounds like what was asked for, the cosine of identities.

    A target that is silent, or too short to tell, is not present: 0.
    """
    try:
        found = identity_of(target, sample_rate_hz, network)
    except InputError:
        return 0.0
    return float(found @ identity)


def extract(
    samples: Samples, sample_rate_hz: int, identity: Tensor, network: Network
) -> Iterator[Samples]:
    """Yield the target ``[t, c]`` of a recording ``[t, c]``, block after block.

    Args:
        samples: the recording, full scale 1.
        sample_rate_hz: its samples per second.
        identity: of the instrument, ``[d]``.
        network: that knows it.
    """
    # A recording's level is one number for all of its blocks; float64, as squares are added up.
    rms = float(np.sqrt(np.mean(np.square(samples.mean(1), dtype=np.float64))))
    gain = EXCERPT_RMS / rms if rms > 0 else 0.0
    for first in range(0, len(samples), BLOCK_S * sample_rate_hz):
        last = min(first + BLOCK_S * sample_rate_hz, len(samples))
        before = max(first - CONTEXT_S * sample_rate_hz, 0)
        heard = samples[before : last + CONTEXT_S * sample_rate_hz]
        target = _target(heard, sample_rate_hz, gain, identity, network)
        yield target[first - before : last - before]


def _target(
    heard: Samples, sample_rate_hz: int, gain: float, identity: Tensor, network: Network
) -> Samples:
    """Return the target ``[t, c]`` of a block and its context, Eq. (1) and (2)."""
    if sample_rate_hz == SAMPLE_RATE_HZ:
        return _low_target(heard, gain, identity, network)[0]
    low = _at_rate(heard, sample_rate_hz, SAMPLE_RATE_HZ)
    target, share = _low_target(low, gain, identity, network)
    full = _exactly(_at_rate(target, SAMPLE_RATE_HZ, sample_rate_hz), len(heard))
    if sample_rate_hz < SAMPLE_RATE_HZ:
        return full
    high = heard - _exactly(_at_rate(low, SAMPLE_RATE_HZ, sample_rate_hz), len(heard))
    return full + high * _at_samples(share, sample_rate_hz, len(heard))[:, None]


def _low_target(
    low: Samples, gain: float, identity: Tensor, network: Network
) -> tuple[Samples, NDArray[np.float32]]:
    """Return the target ``[t, c]`` at 16 kHz and its share of the highest bins ``[n]``."""
    channels = torch.from_numpy(np.ascontiguousarray(low.T))
    with torch.no_grad():
        spectra = analyse(channels)  # c, n, f
        mono = spectra.mean(0, keepdim=True)
        mask = network.mask(mono * gain, identity[None])
        target = synthesise(spectra * mask, channels.shape[1])
        share = _share(mono[0], mask[0])
    return target.T.numpy(), share.numpy()


def _share(spectra: Tensor, mask: Tensor) -> Tensor:
    """Return the target's share of the amplitude in ``SHARE_HZ`` of every frame, ``[n]``."""
    bin_hz = SAMPLE_RATE_HZ / WINDOW_SAMPLES
    bins = slice(round(SHARE_HZ[0] / bin_hz), round(SHARE_HZ[1] / bin_hz))
    power = spectra[:, bins].abs().square()
    kept = (power * mask[:, bins].square()).sum(1)
    return (kept / power.sum(1).clamp_min(torch.finfo(power.dtype).tiny)).sqrt()


def _at_samples(share: NDArray[np.float32], sample_rate_hz: int, n: int) -> NDArray[np.float32]:
    """Return the shares of frames ``[n]`` at every sample ``[t]`` of a rate."""
    centres_s = ((np.arange(len(share)) - 1) * HOP_SAMPLES) / SAMPLE_RATE_HZ
    return np.interp(np.arange(n) / sample_rate_hz, centres_s, share).astype(np.float32)


def _at_rate(samples: Samples, from_hz: int, to_hz: int) -> Samples:
    """Return samples ``[t]`` or ``[t, c]`` at another rate."""
    if from_hz == to_hz:
        return samples
    resampled: Samples = soxr.resample(samples, from_hz, to_hz)
    return resampled


def _exactly(samples: Samples, n: int) -> Samples:
    """Return samples ``[t, c]`` cut, or continued by zeros, to a length."""
    return np.pad(samples[:n], ((0, max(n - len(samples), 0)), (0, 0)))


def _check_excerpt(excerpt: Samples, sample_rate_hz: int) -> None:
    if not np.isfinite(excerpt).all():
        raise InputError("the excerpt holds numbers that are not finite; export it again")
    sound_s = _sounding_s(excerpt.mean(1), sample_rate_hz)
    if sound_s == 0:
        raise InputError("the excerpt is silent; give one in which the instrument plays alone")
    if sound_s < SHORTEST_EXCERPT_S:
        raise InputError(
            f"the excerpt holds {sound_s:.1f} s of sound; at least {SHORTEST_EXCERPT_S:.0f} s are "
            "needed, 3 to 30 s are good"
        )


def _sounding_s(mono: NDArray[np.float32], sample_rate_hz: int) -> float:
    """Return for how long an excerpt ``[t]`` sounds, in seconds."""
    length = max(sample_rate_hz // 20, 1)
    wave = torch.from_numpy(np.ascontiguousarray(mono))
    padded = functional.pad(wave, (0, -len(wave) % length)).unflatten(0, (-1, length))
    power = padded.double().square().mean(1)
    loud = power > power.max() * 10 ** (QUIET_DB / 10)
    return float(loud.sum()) * length / sample_rate_hz
