"""Network: mixture and pitches to the parameters of all voices (specification, Section 2).

An encoder hears the mixture, forward in time, and says z for every frame, the same for all voices.
A decoder that all voices share makes a voice's parameters of z and of its pitch.

Departs from the paper, in the variant ``spectral``, twice. The decoder is also told how loud the
mixture is at the harmonics of its voice's pitch: z would have to carry the whole spectrum in fine
resolution for it to know. And each voice has a vector of its own, 0 at first, so that adaptation
can tell apart what the pitch does not.

Axes: ``b`` excerpts, ``j`` voices, ``n`` frames, ``f`` bins, ``h`` harmonics that are told.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from musisep_cli.methods.source_filter.filters import ORDER, activation, line_frequencies
from musisep_cli.methods.source_filter.source import (
    HOP_SAMPLES,
    N_NOISE_BANDS,
    NYQUIST_HZ,
    RATE_HZ,
    Voices,
)

N_FFT, FLOOR = 512, 1e-5
"""Length of the encoder's window in samples, and least magnitude before the logarithm."""
N_FFT_LEVELS = 2048
"""Length of the window in which the harmonics are measured: 8 Hz from bin to bin."""
LOWEST_HZ, HIGHEST_HZ = 20.0, 8000.0
"""Range of the pitch in Hz that becomes 0 to 1, by its logarithm."""
SILENT_HZ = 440 * 2 ** (-69 / 12)
"""Pitch in Hz for which 0 Hz counts: MIDI number 0."""
LEVEL_SCALE = 0.25
"""Factor on the logarithms of the harmonics' magnitudes: brings them to about 1."""
MOST_AMPLITUDE, MOST_NOISE, MOST_BAND, BAND_SCALE = 2.0, 1.0, 2.0, 2.5
"""Largest a, g and D, and the factor on the outputs that become D."""
AMPLITUDE_SCALE = 10.0
"""Factor on a in the variant that is told the harmonics. Departs from the paper: a voice of many
harmonics, each with a share of a, is louder than 2 allows through a filter without gain."""


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """Sizes of the network."""

    encoder_units: int = field(default=64, metadata={"least": 1, "most": 1024})
    """Units of each of the encoder's three recurrent layers."""
    hidden_units: int = field(default=128, metadata={"least": 1, "most": 2048})
    """Units of the decoder's layers."""
    latent: int = field(default=128, metadata={"least": 1, "most": 1024})
    """Numbers z that the encoder says of a frame."""
    voice_numbers: int = field(default=8, metadata={"least": 0, "most": 64})
    """Numbers of each voice's own vector; 0: none."""
    told_harmonics: int = field(default=40, metadata={"least": 0, "most": 101})
    """Harmonics of its pitch whose magnitudes in the mixture the decoder is told; 0: none."""


class Layers(nn.Sequential):
    """Three times a linear layer, a normalisation and a leaky rectifier."""

    def __init__(self, n_in: int, n_out: int) -> None:
        parts: list[nn.Module] = []
        for size in (n_in, n_out, n_out):
            parts += [nn.Linear(size, n_out), nn.LayerNorm(n_out), nn.LeakyReLU()]
        super().__init__(*parts)


class Encoder(nn.Module):
    """Hears mixtures ``[b, t]`` and says z, ``[b, n, z]``."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        n_bins, units = N_FFT // 2 + 1, config.encoder_units
        self.scale = nn.Parameter(torch.ones(n_bins))
        self.shift = nn.Parameter(torch.zeros(n_bins))
        self.first, self.second, self.third = (
            nn.GRU(size, units, batch_first=True) for size in (n_bins, units, units)
        )
        self.out = nn.Linear(units, config.latent)

    def forward(self, mixture: Tensor) -> Tensor:
        heard = magnitudes(mixture, N_FFT).clamp_min(FLOOR).log()
        mean, spread = heard.mean((1, 2), keepdim=True), heard.std((1, 2), keepdim=True)
        heard = (heard - mean) / spread.clamp_min(1e-3) * self.scale + self.shift
        x = self.second(self.first(heard)[0])[0]
        x = x + self.third(x)[0]
        z: Tensor = self.out(x)
        return z


class Network(nn.Module):
    """Makes the parameters of voices of mixtures ``[b, t]`` and pitches ``[b, j, n]``.

    Args:
        config: sizes.
        n_voices: number of voices that have a vector of their own.
    """

    def __init__(self, config: NetworkConfig, n_voices: int = 0) -> None:
        super().__init__()
        self.config = config
        units, own, told = config.hidden_units, config.voice_numbers, config.told_harmonics
        self.encoder = Encoder(config)
        self.of_pitch = Layers(1, units)
        self.of_latent = Layers(config.latent + own, units)
        self.of_levels = Layers(told, units) if told else None
        self.over_time = nn.GRU((3 if told else 2) * units, units, batch_first=True)
        self.after = Layers(units, units)
        self.out = nn.Linear(units, 2 + ORDER + 1)
        self.bands = nn.GRU(units, N_NOISE_BANDS, batch_first=True)
        self.voices = nn.Parameter(torch.zeros(n_voices, own)) if own and n_voices else None

    def forward(self, mixture: Tensor, f0_hz: Tensor) -> Voices:
        n_excerpts, n_voices, n_frames = f0_hz.shape
        z = self.encoder(mixture)[:, None, :n_frames].expand(-1, n_voices, -1, -1)
        parts = [
            self.of_pitch(scaled_pitch(f0_hz)[..., None]),
            self.of_latent(self._with_own(z)),
        ]
        if self.of_levels is not None:
            told = levels_at_harmonics(mixture, f0_hz, self.config.told_harmonics)
            parts.append(self.of_levels(LEVEL_SCALE * told))
        x = self.after(self.over_time(torch.cat(parts, -1).flatten(0, 1))[0])
        out = self.out(x).unflatten(0, (n_excerpts, n_voices))
        bands = self.bands(x)[1][0].unflatten(0, (n_excerpts, n_voices))
        louder = AMPLITUDE_SCALE if self.config.told_harmonics else 1.0
        return Voices(
            amplitude=louder * activation(out[..., 0], MOST_AMPLITUDE),
            noise=activation(out[..., 1], MOST_NOISE),
            frequencies=line_frequencies(out[..., 2:]),
            bands=activation(BAND_SCALE * bands, MOST_BAND)[:, :, None].expand(
                -1, -1, n_frames, -1
            ),
        )

    def _with_own(self, z: Tensor) -> Tensor:
        """Return z ``[b, j, n, z]`` with the numbers of each voice after it."""
        own = self.config.voice_numbers
        if not own:
            return z
        numbers = z.new_zeros(z.shape[1], own) if self.voices is None else self.voices
        return torch.cat([z, numbers[:, None].expand(len(z), -1, z.shape[2], -1)], -1)


def magnitudes(sound: Tensor, n_fft: int) -> Tensor:
    """Return |STFT| of sounds ``[b, t]`` around every frame, in a Hann window, ``[b, n, f]``."""
    window = torch.hann_window(n_fft, device=sound.device, dtype=sound.dtype)
    spectra = torch.stft(
        sound, n_fft, HOP_SAMPLES, window=window, pad_mode="constant", return_complex=True
    )
    return spectra.abs().transpose(1, 2)


def scaled_pitch(f0_hz: Tensor) -> Tensor:
    """Return pitches by their logarithm, 0 for 20 Hz and 1 for 8 kHz; 0 Hz counts as MIDI 0."""
    heard = torch.where(f0_hz > 0, f0_hz, torch.full_like(f0_hz, SILENT_HZ))
    return torch.log(heard / LOWEST_HZ) / math.log(HIGHEST_HZ / LOWEST_HZ)


def levels_at_harmonics(mixture: Tensor, f0_hz: Tensor, n_harmonics: int) -> Tensor:
    """Return logarithms of the mixture's magnitudes at harmonics, ``[b, j, n, h]``.

    They are 0 where a voice does not sound, and beyond 8 kHz.

    Args:
        mixture: sounds ``[b, t]``.
        f0_hz: pitches in Hz, 0 where a voice does not sound, ``[b, j, n]``.
        n_harmonics: number of harmonics.
    """
    heard = magnitudes(mixture, N_FFT_LEVELS)[:, None, : f0_hz.shape[-1]]
    heard = heard.expand(-1, f0_hz.shape[1], -1, -1)
    k = torch.arange(1, n_harmonics + 1, device=f0_hz.device)
    place = f0_hz[..., None] * k * (N_FFT_LEVELS / RATE_HZ)
    there = (f0_hz[..., None] > 0) & (f0_hz[..., None] * k < NYQUIST_HZ)
    below = place.long().clamp_max(heard.shape[-1] - 2)
    part = place.clamp_max(heard.shape[-1] - 1) - below
    level = (1 - part) * heard.gather(-1, below) + part * heard.gather(-1, below + 1)
    return level.clamp_min(1e-3).log() * there
