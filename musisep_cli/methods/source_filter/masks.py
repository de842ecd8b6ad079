"""Masks: what every instrument gets of the mixture, at the recording's own rate (Section 5).

    M_i = (sum_{j of i} P_j)^(e/2) / sum over instruments of the same,  stem_i = inverse(M_i X)  (1)

with P_j the power that is expected of voice j in a bin, and X the frames of every channel. The
masks add up to 1, so the stems add up to the mixture. Where nobody sounds, all get the same. From
7.6 kHz on, where the model ends, a frame's shares are those between 6 and 7.6 kHz.

Departs from the specification: the spectra are those of the house (Gaussian windows, exactly
invertible, a block at a time), and the voices' spectra are the expected ones, in which the noise
has its power and not one of its realisations.

Axes: ``n`` frames, ``j`` voices, ``i`` instruments, ``f`` bins, ``c`` channels, ``t`` samples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musisep_cli.frames.framewise import BLOCK_FRAMES, stretches
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.methods.source_filter.expected import powers_of
from musisep_cli.methods.source_filter.source import RATE_HZ, Voices

MODEL_END_HZ, BAND_HZ = 7600.0, 6000.0
"""Frequency in Hz from which on masks go on as they are between the second one and the first."""
SILENT_POWER = 1e-16
"""Power of each instrument that is always added: where nobody sounds, shares are equal."""
WINDOW_ZETAS = 2.5
"""Reach of a window in zetas, for the parts of its power: 4e-6 of it lie beyond."""


@dataclass(frozen=True, kw_only=True)
class MaskConfig:
    """How voices become masks."""

    exponent: float = field(default=2.0, metadata={"least": 0.5, "most": 4})
    """e of (1): 1 divides by magnitudes, as the paper does. Departs from it with 2, by powers,
    which loses least where voices are independent."""


@dataclass(frozen=True)
class GaborWindow:
    """The window of a Gabor frame, for expected spectra at its own sample rate."""

    frame: GaborFrame

    @property
    def bin_hz(self) -> float:
        """Distance of two bins in Hz."""
        return self.frame.bin_hz

    @property
    def n_bins(self) -> int:
        """Number of bins, the Nyquist frequency included."""
        return self.frame.n_bins

    @property
    def reach_bins(self) -> int:
        """Bins to both sides of a line that it reaches: four widths."""
        return math.ceil(4 * self.frame.ideal_width_bins)

    @property
    def line_power(self) -> float:
        """Of a window of sum 1."""
        return 0.25

    @property
    def noise_power(self) -> float:
        """Of noise that has variance 1 at the model's rate: as loud per Hz at any other."""
        return float(self.frame.window.square().sum()) * self.frame.sample_rate_hz / RATE_HZ

    def shape(self, offsets_bins: Tensor) -> Tensor:
        """Return W at some offsets, exp(-x^2 / (2 sigma^2))."""
        return torch.exp(-0.5 * (offsets_bins / self.frame.ideal_width_bins).square())

    def weights(self, hop_s: float) -> Tensor:
        """Return the squared window at multiples of a hop, of sum 1, ``[m]``."""
        zeta_s = self.frame.config.zeta_s
        reach = math.ceil(WINDOW_ZETAS * zeta_s / hop_s)
        power = torch.exp(-(torch.arange(-reach, reach + 1) * (hop_s / zeta_s)).square())
        return power / power.sum()


def masks_of(powers: Tensor, players: Tensor, bin_hz: float, exponent: float) -> Tensor:
    """Return the masks of all instruments, from 0 to 1, of sum 1, by (1), ``[i, n, f]``.

    Args:
        powers: expected of the voices, ``[j, n, f]``.
        players: which instrument has each voice, ``[j]``.
        bin_hz: distance of two bins in Hz.
        exponent: e.
    """
    n_instruments = int(players.max()) + 1
    by_instrument = powers.new_zeros(n_instruments, *powers.shape[1:])
    by_instrument = by_instrument.index_add(0, players, powers) + SILENT_POWER
    strengths = by_instrument.pow(exponent / 2)
    shares = strengths / strengths.sum(0)  # (1)
    at_hz = torch.arange(powers.shape[-1], device=powers.device) * bin_hz
    band, above = (at_hz >= BAND_HZ) & (at_hz < MODEL_END_HZ), at_hz >= MODEL_END_HZ
    if bool(above.any()):
        of_band = strengths[..., band].sum(-1, keepdim=True)
        shares = torch.where(above, of_band / of_band.sum(0), shares)
    return shares


@dataclass(frozen=True)
class Masking:
    """Makes the stems of a recording.

    Attributes:
        frame: the representation, at the recording's rate.
        samples: the recording, ``[c, t]``.
        f0_hz: pitches at the centres of the frames, 0 in rests, ``[j, n]``.
        voices_at: returns the parameters of frames of a slice, ``[n, j]``.
        players: which instrument has each voice, ``[j]``.
        config: how voices become masks.
    """

    frame: GaborFrame
    samples: Tensor
    f0_hz: NDArray[np.float32]
    voices_at: Callable[[slice], Voices]
    players: NDArray[np.int64]
    config: MaskConfig

    @property
    def n_frames(self) -> int:
        """Return the number of frames."""
        return len(self.f0_hz.T)

    def masks(self, block: slice) -> Tensor:
        """Return the masks of some consecutive frames, ``[i, n, f]``."""
        window, hop_s = GaborWindow(self.frame), self.frame.hop_samples / self.frame.sample_rate_hz
        margin = len(window.weights(hop_s)) // 2
        wide = slice(max(block.start - margin, 0), min(block.stop + margin, self.n_frames))
        device = self.samples.device
        f0_hz = torch.from_numpy(self.f0_hz[:, wide]).to(device)
        voices = self.voices_at(wide).by_voice
        powers = powers_of(voices, f0_hz, window, hop_s)
        own = powers[:, block.start - wide.start :][:, : block.stop - block.start]
        players = torch.from_numpy(self.players).to(device)
        return masks_of(own, players, self.frame.bin_hz, self.config.exponent)

    def stems(self, reached: Callable[[int], None]) -> Iterator[Tensor]:
        """Yield consecutive stretches of the stems, ``[i, c, t]``.

        Args:
            reached: called with the number of frames done.
        """
        yield from self.frame.stretches(self._spectra(reached), self.samples.shape[-1])

    def _spectra(self, reached: Callable[[int], None]) -> Iterator[Tensor]:
        """Yield the spectra of the stems, block after block, ``[i, c, n, f]``."""
        centres = self.frame.centres(self.samples.shape[-1])
        for block in stretches(self.n_frames, BLOCK_FRAMES):
            channels = self.frame.analyse(self.samples, centres[block])  # c, n, f
            yield self.masks(block)[:, None] * channels
            reached(block.stop)
