"""Gabor frame: Gaussian-window analysis and its exact inverse (paper, Section 2.2).

Axes: ``n`` frames, ``f`` bins, ``t`` samples.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from musisep_cli.frames.framewise import Framewise


@dataclass(frozen=True, kw_only=True)
class FrameConfig:
    """Time-frequency representation (paper, Section 2.2)."""

    zeta_s: float = 1024 / 48_000
    """Standard deviation zeta of the Gaussian window, in seconds; the same at any sample rate."""
    window_zetas: float = field(
        default=12.0, metadata={"least": 4, "why": "the window is cut too short"}
    )
    """Full length of the window in zetas: it is cut at +-6 zeta, where it is 2e-8 of its peak."""
    hop_zetas: float = field(
        default=0.5, metadata={"most": 3, "why": "wider hops lose the signal between frames"}
    )
    """Time step alpha of the frames that stems are made of, in zetas."""
    training_hops: int = 4
    """Training frames lie alpha / training_hops apart: more of them, as data augmentation."""
    min_training_frames: int = 2000
    """Least number of training frames: for short recordings they lie nearer still."""
    max_frequency_hz: float = 24_000.0
    """The network sees the bins below this frequency in Hz, and never the Nyquist bin."""
    rms_level: float = field(default=0.0, metadata={"least": 0})
    """RMS value to which the recording is brought for the analysis; 0 takes it as it is. Any other
    value departs from the paper: a quiet file is then separated like a loud one."""

    @property
    def n_bins_below(self) -> int:
        """Number of bins below the highest frequency, at the bin spacing of the window's length.

        It is the same whatever the length of the transform is rounded to.

        >>> FrameConfig().n_bins_below
        6144
        """
        return round(self.max_frequency_hz * self.window_zetas * self.zeta_s)


class GaborFrame:
    """A Gabor frame with a Gaussian window and its canonical dual.

    The frame sequence is Z[n, f] = sum_t x[t] w[t - c_n] exp(-2 pi i f (t - c_n) / N)  (Eq. 5),
    with the phase referenced to the frame centre c_n: a stationary sinusoid has one phase in all
    bins of its peak. The window is normalised to sum 1, so that a sinusoid of amplitude A, phase
    phi and frequency f_1 gives the peak (Eq. 8)

        Z[f] = A / 2 exp(i phi) exp(-(beta f - f_1)^2 / (2 sigma^2)),  sigma = 1 / (2 pi zeta).

    The number of points N of the transform is the smallest even number without a prime factor
    above 7 that holds the whole window.

    Departs from the paper: below 48 kHz the paper keeps N = 12288 and so a finer bin spacing beta;
    here N follows the sample rate, so beta stays within 2 % of 3.9 Hz. The frame is as exact (the
    window still fits into N), costs half as much at 22.05 kHz, and a peak looks the same to the
    network at every rate.

    Args:
        config: the representation's constants.
        sample_rate_hz: sample rate of the signals.
        dtype: real type of the signals, float32 or float64.
        device: where the window lives.
    """

    def __init__(
        self,
        config: FrameConfig,
        sample_rate_hz: int,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self.config = config
        self.sample_rate_hz = sample_rate_hz
        zeta_samples = config.zeta_s * sample_rate_hz
        self.n_fft = smooth_even_length(config.window_zetas * zeta_samples)
        self.hop_samples = max(1, round(config.hop_zetas * zeta_samples))
        self.bin_hz = sample_rate_hz / self.n_fft
        self.n_bins = self.n_fft // 2 + 1
        self.n_network_bins = min(self.n_fft // 2, config.n_bins_below)
        self.ideal_width_bins = 1 / (2 * math.pi * config.zeta_s * self.bin_hz)
        self._offsets = torch.arange(-(self.n_fft // 2), self.n_fft // 2, device=device)
        self._zeta_samples, self.dtype = zeta_samples, dtype
        (self.window,) = self.windows(torch.ones(1, device=device))
        # rfft takes the frame's first sample as time 0, the frame's centre is N / 2 later:
        # exp(2 pi i f (N / 2) / N) = (-1)^f moves the reference there.
        self._centre_phase = (-1.0) ** torch.arange(self.n_bins, device=device).to(dtype)

    def windows(self, scales: Tensor) -> Tensor:
        """Return windows of sum 1, shorter than the frame's own where asked for, ``[n, N]``.

        Args:
            scales: length of each relative to the frame's own, at most 1, ``[n]``.
        """
        # Few lengths are different: a window is computed once for each.
        different, which = scales.unique(return_inverse=True)
        zetas = self._zeta_samples * different.to(torch.float64)[:, None]
        window = torch.exp(-0.5 * (self._offsets / zetas).square())
        return (window / window.sum(1, keepdim=True)).to(self.dtype)[which]

    def centres(self, n_samples: int) -> Tensor:
        """Return the centres of the frames that stems are made of, as sample indices, ``[n]``.

        >>> frame = GaborFrame(FrameConfig(), 48_000)
        >>> frame.centres(1025).tolist()
        [0, 512, 1024]
        """
        return torch.arange(0, max(n_samples, 1), self.hop_samples, device=self.window.device)

    def training_centres(self, n_samples: int) -> Tensor:
        """Return the centres of the frames that training draws from, nearer together, ``[n]``."""
        hop = self.hop_samples // self.config.training_hops
        hop = max(1, min(hop, n_samples // self.config.min_training_frames))
        return torch.arange(0, n_samples, hop, device=self.window.device)

    def analyse(
        self, signal: Tensor, centres: Tensor, gain: float = 1.0, scales: Tensor | None = None
    ) -> Tensor:
        """Return the spectra (Eq. 5) of a signal around some of its samples; it is 0 outside.

        Args:
            signal: real, ``[..., t]``.
            centres: sample indices, ``[n]``.
            gain: factor on the signal.
            scales: lengths of the windows relative to the frame's own, ``[n]``; in a window of half
                the length, a peak is twice as wide.

        Returns:
            Complex spectra ``[..., n, f]``, Nyquist bin included.

        >>> GaborFrame(FrameConfig(), 48_000).analyse(torch.ones(2, 500), torch.tensor([9])).shape
        torch.Size([2, 1, 6145])
        """
        window = self.window if scales is None else self.windows(scales)
        frames = torch.stack([self._around(signal, centre) for centre in centres.tolist()], -2)
        spectra: Tensor = torch.fft.rfft(frames * (gain * window))
        return spectra.mul_(self._centre_phase)

    def _around(self, signal: Tensor, centre: int) -> Tensor:
        """Return the samples of a frame, ``[..., N]``, with zeros where the signal has none."""
        start = centre - self.n_fft // 2
        samples = signal[..., max(start, 0) : max(start + self.n_fft, 0)]
        before = min(max(-start, 0), self.n_fft)
        after = self.n_fft - before - samples.shape[-1]
        return samples if before == after == 0 else functional.pad(samples, (before, after))

    def synthesise(
        self, blocks: Iterable[Tensor], n_samples: int, scales: Framewise[Tensor] | None = None
    ) -> Tensor:
        """Return the signal of spectra at ``centres(n_samples)``, given block after block.

        Args:
            blocks: complex spectra ``[..., n, f]``, consecutive; together one per centre.
            n_samples: length of the signal.
            scales: the windows' lengths that ``analyse`` was given, of all frames.

        Returns:
            Real signal ``[..., t]``.
        """
        stretches = list(self.stretches(blocks, n_samples, scales))
        if not stretches:
            raise ValueError("synthesis needs at least one block of spectra")
        return torch.cat(stretches, -1)

    def stretches(
        self, blocks: Iterable[Tensor], n_samples: int, scales: Framewise[Tensor] | None = None
    ) -> Iterator[Tensor]:
        """Yield the signal of ``synthesise`` stretch after stretch, ``[..., t]``, once it is known.

        The canonical dual window (Eqs. 30, 31). The transform holds the whole window, so the frame
        operator is a multiplication by N sum_n w_n(t - c_n)^2, and its inverse a division:

            x[t] = sum_n w_n(t - c_n) irfft(Z_n)[t - c_n] / sum_n w_n(t - c_n)^2.               (1)

        This gives back every sample exactly, also where every frame has a window of its own. The
        sums run over the frames that there are, borders included.
        """
        total, energy = _Overlap(self), _Overlap(self)
        n_done = 0
        for spectra in blocks:
            first, n_done = n_done, n_done + spectra.shape[-2]
            window = self.window if scales is None else self.windows(scales[first:n_done])
            # Numerator and denominator of (1), each overlapped and added.
            frames = torch.fft.irfft(spectra * self._centre_phase, n=self.n_fft) * window
            squares = (window**2).expand(n_done - first, -1)
            yield from _inside(total.add(frames), energy.add(squares), n_samples)
        if total.tail is not None:
            yield from _inside(total.rest(), energy.rest(), n_samples)


class _Overlap:
    """Overlaps and adds frames ``[..., n, N]`` at their centres, block after block.

    Samples that no later frame reaches are returned, with the index of the first in the signal.
    """

    def __init__(self, frame: GaborFrame) -> None:
        self.n_fft, self.hop_samples = frame.n_fft, frame.hop_samples
        self.tail: Tensor | None = None
        self.start = -(frame.n_fft // 2)

    def add(self, frames: Tensor) -> tuple[int, Tensor]:
        """Add the next frames; return the samples that are complete, ``[..., t]``."""
        n_frames = frames.shape[-2]
        length = (n_frames - 1) * self.hop_samples + self.n_fft
        total = frames.new_zeros(*frames.shape[:-2], length)
        if self.tail is not None:
            total[..., : self.tail.shape[-1]] = self.tail
        for n, frame in enumerate(frames.unbind(-2)):
            total[..., n * self.hop_samples : n * self.hop_samples + self.n_fft] += frame
        # The next block's first frame begins here: what lies before is complete.
        n_done = n_frames * self.hop_samples
        start, self.start = self.start, self.start + n_done
        self.tail = total[..., n_done:]
        return start, total[..., :n_done]

    def rest(self) -> tuple[int, Tensor]:
        """Return the samples that are left after the last block, ``[..., t]``."""
        if self.tail is None:
            raise ValueError("synthesis needs at least one block of spectra")
        return self.start, self.tail


def _inside(
    total: tuple[int, Tensor], energy: tuple[int, Tensor], n_samples: int
) -> Iterator[Tensor]:
    """Yield the quotient of two stretches, as far as it lies within the signal."""
    (start, numerator), (_, denominator) = total, energy
    part = slice(max(-start, 0), max(n_samples - start, 0))
    quotient = numerator[..., part] / denominator[part]
    if quotient.shape[-1]:
        yield quotient


def smooth_even_length(minimum: float) -> int:
    """Return the least even number >= ``minimum`` without a prime factor above 7.

    Transforms of such a length are fast.

    >>> smooth_even_length(12288.0), smooth_even_length(11289.6), smooth_even_length(5644.8)
    (12288, 11340, 5670)
    """
    length = 2 * math.ceil(minimum / 2 - 1e-9)  # rounding may have put it above an even number
    while _largest_prime_factor_above_7(length):
        length += 2
    return length


def _largest_prime_factor_above_7(number: int) -> bool:
    """Whether a number has a prime factor above 7."""
    for prime in (2, 3, 5, 7):
        while number % prime == 0:
            number //= prime
    return number > 1
