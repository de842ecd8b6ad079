"""Simulator: frames of imaginary recordings, drawn from the tone model.

No recording and no label is used: pitches, timbres, envelopes, noise and levels are random, within
the range of melodic instruments. A frame is simulated in time, over the length of one window, so
that onsets, vibrato and glides broaden its peaks as they do in a recording.

Axes: ``b`` frames, ``m`` lines (one instrument each), ``s`` the two notes of a line that may meet
in the window, ``h`` harmonics, ``t`` samples, ``f`` bins.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from musisep_cli.frames.gabor import FrameConfig, GaborFrame

SAMPLE_RATE_HZ = 24_000
"""Hz. Bins are 3.9 Hz apart at any rate, so what is learned at this one holds for all."""


@dataclass(frozen=True, kw_only=True)
class SimulatorConfig:
    """What the imaginary recordings are like."""

    max_lines: int = 4
    """Most lines in a frame."""
    n_harmonics: int = 40
    """Number of harmonics of a note; more than the tone model has, as in real instruments."""
    lowest_midi: float = 31.0
    """Lowest pitch, a MIDI number: G1, 49 Hz."""
    highest_midi: float = 104.0
    """Highest pitch, a MIDI number: G#7, 3.3 kHz."""
    related: float = 0.5
    """Share of lines whose pitch makes a simple ratio with the line before."""
    silent: float = 0.12
    """Share of lines that rest."""
    changing: float = 0.4
    """Share of frames in which notes begin or end."""
    inharmonic: float = 0.25
    """Share of lines with stiff strings."""
    level_range_db: tuple[float, float] = (-40.0, 8.0)
    """Range of a frame's level, in dB relative to the level of the whole recording."""
    line_spread_db: float = 9.0
    """Standard deviation of a line's level within its frame, in dB."""
    noise_range_db: tuple[float, float] = (-75.0, -25.0)
    """Range of the noise's level, in dB relative to the level of the frame."""


@dataclass(frozen=True)
class SimulatedFrames:
    """Frames and what they truly hold.

    Attributes:
        mixture: complex spectra, ``[b, f]``.
        lines: complex spectra of every line, without the noise, ``[b, m, f]``.
        f0_bins: pitch of every line's louder note, the mean over the window, ``[b, m]``.
        inharmonicity: b, ``[b, m]``.
        audible: whether the line sounds in the frame, bool ``[b, m]``.
        relative: relative harmonic amplitudes of every line, ``[b, m, h]``.
    """

    mixture: Tensor
    lines: Tensor
    f0_bins: Tensor
    inharmonicity: Tensor
    audible: Tensor
    relative: Tensor

    def to(self, device: torch.device) -> SimulatedFrames:
        """Return the frames on a device."""
        return SimulatedFrames(**{name: value.to(device) for name, value in vars(self).items()})


AUDIBLE_DB = -40.0
"""dB relative to the frame: a weaker line counts as silent."""
INTERVALS = (0.0, 3.0, 4.0, 5.0, 7.0, 8.0, 9.0, 12.0, 15.0, 16.0, 19.0, 24.0, 28.0)
"""Semitones between related lines: from a minor third to octaves, twelfths and beyond."""


class Simulator:
    """Draws frames; randomness comes from torch's global generator.

    Args:
        config: what the recordings are like.
        frame_config: constants of the representation; its sample rate is ``SAMPLE_RATE_HZ``.
    """

    def __init__(self, config: SimulatorConfig, frame_config: FrameConfig) -> None:
        self.config = config
        self.frame = GaborFrame(frame_config, SAMPLE_RATE_HZ)
        zeta = frame_config.zeta_s * SAMPLE_RATE_HZ
        half = math.ceil(5 * zeta)  # beyond, the window is below 4e-6 of its peak
        self.time_s = torch.arange(-half, half) / SAMPLE_RATE_HZ
        self.weight = torch.exp(-((self.time_s / frame_config.zeta_s) ** 2))  # the window squared

    def draw(self, n_frames: int, n_lines: int) -> SimulatedFrames:
        """Draw frames with ``n_lines`` lines each."""
        shape = (n_frames, n_lines)
        f0_hz = self._pitches(*shape)  # b, m, s
        relative = timbres(f0_hz[..., 0], self.config.n_harmonics)
        stiff = torch.rand(shape) < self.config.inharmonic
        inharmonicity = torch.where(stiff, log_uniform(shape, 3e-6, 2e-3), torch.zeros(shape))
        envelopes = self._envelopes(*shape)  # b, m, s, t
        instantaneous = f0_hz[..., None] * self._modulation(f0_hz.shape)
        notes = self._notes(instantaneous, inharmonicity, relative, envelopes)  # b, m, s, t
        lines = notes.sum(2) * 10 ** (self.config.line_spread_db * torch.randn(*shape, 1) / 20)
        pitch_hz = self._heard_pitch(instantaneous, envelopes)
        return self._frames(lines, pitch_hz, inharmonicity, relative)

    def _pitches(self, n_frames: int, n_lines: int) -> Tensor:
        """Draw the pitches of both notes of every line, in Hz, ``[b, m, s]``."""
        low, high = self.config.lowest_midi, self.config.highest_midi
        midi = low + (high - low) * torch.rand(n_frames, n_lines)
        # A line may be at a simple interval above or below the line before it.
        steps = torch.tensor(INTERVALS)[torch.randint(len(INTERVALS), (n_frames, n_lines))]
        signs = torch.where(torch.rand(n_frames, n_lines) < 0.5, -1.0, 1.0)
        for line in range(1, n_lines):
            related = midi[:, line - 1] + signs[:, line] * steps[:, line]
            follows = (
                (torch.rand(n_frames) < self.config.related) & (related > low) & (related < high)
            )
            midi[:, line] = torch.where(follows, related, midi[:, line])
        # The line's second note is a step of some semitones away, most often a small one.
        detuned = midi + 0.08 * torch.randn(n_frames, n_lines)
        melodic = torch.round(3.5 * torch.randn(n_frames, n_lines))
        pair = torch.stack([detuned, (detuned + melodic).clamp(low, high)], -1)
        return 440 * 2 ** ((pair - 69) / 12)

    def _envelopes(self, n_frames: int, n_lines: int) -> Tensor:
        """Draw the amplitudes of both notes of every line over the window, ``[b, m, s, t]``.

        The first note ends where the second begins, somewhere in the window or outside it; half of
        the frames change in all lines at once. A rest may take either note's place.
        """
        shape = (n_frames, n_lines, 1)
        span = float(self.time_s[-1])
        # When the first note gives way to the second; in steady frames long after the window.
        change = span * (2 * torch.rand(shape) - 1)
        together = torch.rand(n_frames, 1, 1) < 0.5
        change = torch.where(together, change[:, :1], change)
        steady = torch.rand(n_frames, 1, 1) > self.config.changing
        change = torch.where(steady, torch.full_like(change, 10.0), change)
        # Seconds: attack and release of notes, decay of plucked or struck ones, gaps between notes.
        attack, release = log_uniform(shape, 0.004, 0.08), log_uniform(shape, 0.006, 0.5)
        decay = torch.where(
            torch.rand(shape) < 0.35, log_uniform(shape, 0.08, 1.5), torch.full(shape, 1e3)
        )
        gap = 0.03 * torch.rand(shape) * (torch.rand(shape) < 0.5)

        def gate(position_s: Tensor) -> Tensor:
            """Return a smooth step from 0 to 1 at 0."""
            return 0.5 * (1 + torch.tanh(2 * position_s))

        time = self.time_s
        first = gate((change - time) / release) * torch.exp(-(time + span) / decay)
        begun = (time - change - gap).clamp_min(0)
        second = gate((time - change - gap) / attack - 1) * torch.exp(-begun / decay)
        swell = 1 + 0.3 * torch.randn(shape) * time / span
        both = torch.stack([first, second], 2) * swell[:, :, None].clamp_min(0.1)
        rests = torch.rand(n_frames, n_lines, 2, 1) < self.config.silent
        loudness = 10 ** (4 * torch.randn(n_frames, n_lines, 2, 1) / 20)
        return both * loudness * ~rests

    def _notes(
        self, instantaneous: Tensor, inharmonicity: Tensor, relative: Tensor, envelopes: Tensor
    ) -> Tensor:
        """Return waveforms of both notes of every line, by their pitches, ``[b, m, s, t]``."""
        f0_hz = instantaneous.amax(-1)  # the highest within the window, b, m, s
        # Phase of the fundamental in turns, in float64 while it is summed.
        cycles = torch.cumsum(instantaneous.double() / SAMPLE_RATE_HZ, -1).float()
        h = torch.arange(1, relative.shape[-1] + 1)
        ratios = h * torch.sqrt(1 + inharmonicity[..., None] * h**2)  # b, m, h
        waves = torch.zeros_like(envelopes)
        # One harmonic at a time, up to the Nyquist frequency, to save memory.
        for number in range(len(h)):
            ratio = ratios[:, :, None, number]
            below = ratio * f0_hz < 0.49 * SAMPLE_RATE_HZ
            if not below.any():
                break
            start = torch.rand(f0_hz.shape)
            turns = ratio[..., None] * cycles + start[..., None]
            amplitude = relative[:, :, None, number] * below
            waves = waves + amplitude[..., None] * torch.cos(2 * math.pi * (turns - turns.floor()))
        return waves * envelopes

    def _modulation(self, shape: torch.Size) -> Tensor:
        """Draw the factor on the pitch over time: vibrato, glides and drift, ``[b, m, s, t]``."""
        bmt = (*shape[:2], 1, 1)
        # Two fifths of the lines have a vibrato of up to 45 cents at 4 to 7 Hz, a quarter glide by
        # some 150 cents a second, the others drift.
        depth = torch.where(torch.rand(bmt) < 0.4, 45 * torch.rand(bmt), torch.zeros(bmt))
        vibrato = torch.sin(
            2 * math.pi * ((4 + 3 * torch.rand(bmt)) * self.time_s + torch.rand(bmt))
        )
        slope = torch.where(torch.rand(bmt) < 0.25, 150 * torch.randn(bmt), 8 * torch.randn(bmt))
        cents = depth * vibrato + slope * self.time_s
        return 2 ** (cents / 1200).expand(*shape, -1)

    def _frames(
        self,
        lines: Tensor,
        pitch_hz: Tensor,
        inharmonicity: Tensor,
        relative: Tensor,
    ) -> SimulatedFrames:
        """Return spectra and truth of waveforms ``[b, m, t]``, at random levels."""
        n_frames = len(lines)
        rolloff = self._rolloff(n_frames)
        spectra = self._spectrum(lines) * rolloff[:, None]
        noise = self._spectrum(coloured_noise(n_frames, lines.shape[-1])) * rolloff
        energy = spectra.abs().square().sum(-1)  # b, m
        total = energy.sum(1).clamp_min(1e-12)
        noise_energy = noise.abs().square().sum(-1).clamp_min(1e-12)
        # Noise at a random level below the sum of the lines.
        noise_db = uniform((n_frames,), *self.config.noise_range_db)
        noise = noise * (total / noise_energy * 10 ** (noise_db / 10)).sqrt()[:, None]

        # A recording of RMS 0.1 has spectra of about this energy in a frame of usual loudness.
        level_db = uniform((n_frames,), *self.config.level_range_db)
        gain = (self._usual_energy() / total * 10 ** (level_db / 10)).sqrt()
        return SimulatedFrames(
            mixture=(spectra.sum(1) + noise) * gain[:, None],
            lines=spectra * gain[:, None, None],
            f0_bins=pitch_hz / self.frame.bin_hz,
            inharmonicity=inharmonicity,
            audible=energy > total[:, None] * 10 ** (AUDIBLE_DB / 10),
            relative=relative,
        )

    def _heard_pitch(self, instantaneous: Tensor, envelopes: Tensor) -> Tensor:
        """Return the pitch of every line's louder note as the window sees it, ``[b, m]``.

        The mean over time, weighted by the energy under the window: vibrato moves it.
        """
        energy = envelopes.square() * self.weight  # b, m, s, t
        sounding = energy.sum(-1)
        mean = (instantaneous * energy).sum(-1) / sounding.clamp_min(1e-12)
        mean = torch.where(sounding > 1e-12, mean, instantaneous.mean(-1))
        return mean.gather(-1, sounding.argmax(-1, keepdim=True)).squeeze(-1)

    def _usual_energy(self) -> float:
        """Return the sum of |Z|^2 of a sound of RMS 0.1, by Parseval over half of the bins."""
        window_energy = float(self.frame.window.square().sum())
        return 0.1**2 * window_energy * self.frame.n_fft / 2

    def _rolloff(self, n_frames: int) -> Tensor:
        """Draw a low-pass for a third of the frames, as of far microphones, ``[b, f]``."""
        bins = torch.arange(self.frame.n_network_bins)
        cut_hz = torch.where(
            torch.rand(n_frames, 1) < 0.35, log_uniform((n_frames, 1), 3_000, 11_000), 1e6
        )
        return torch.sigmoid((cut_hz - bins * self.frame.bin_hz) / (0.03 * cut_hz))

    def _spectrum(self, waves: Tensor) -> Tensor:
        """Return spectra ``[..., f]`` of waveforms ``[..., t]`` around the frame centre."""
        centre = torch.tensor([waves.shape[-1] // 2])
        return self.frame.analyse(waves, centre)[..., 0, : self.frame.n_network_bins]


def timbres(f0_hz: Tensor, n_harmonics: int) -> Tensor:
    """Draw relative harmonic amplitudes for pitches ``[b, m]``, maximum 1, ``[b, m, h]``.

    A falling slope, formants at fixed frequencies (so that the fundamental may be weak), weak even
    harmonics as in closed pipes, and an irregularity of a few dB.
    """
    shape = (*f0_hz.shape, 1)
    h = torch.arange(1, n_harmonics + 1)
    power_db = -20 * uniform(shape, 0.3, 2.8) * torch.log10(h)
    geometric_db = -uniform(shape, 1.0, 12.0) * (h - 1)
    level_db = torch.where(torch.rand(shape) < 0.7, power_db, geometric_db)
    octaves = torch.log2(f0_hz[..., None] * h)
    for share in (0.6, 0.4, 0.3):
        centre, width = torch.log2(log_uniform(shape, 250, 4_000)), uniform(shape, 0.25, 1.2)
        bump_db = uniform(shape, 3, 22) * torch.exp(-0.5 * ((octaves - centre) / width) ** 2)
        level_db = level_db + bump_db * (torch.rand(shape) < share)
    weak_even = uniform(shape, 4, 35) * (torch.rand(shape) < 0.25)
    level_db = level_db - weak_even * (h % 2 == 0)
    level_db = level_db + uniform(shape, 0, 5) * torch.randn(*f0_hz.shape, n_harmonics)
    return 10 ** ((level_db - level_db.amax(-1, keepdim=True)) / 20)


def coloured_noise(n_frames: int, n_samples: int) -> Tensor:
    """Draw noise whose power falls with frequency to the power of 0 to -2, ``[b, t]``."""
    white = torch.fft.rfft(torch.randn(n_frames, n_samples))
    slope = torch.arange(1, white.shape[-1] + 1).float() ** -uniform((n_frames, 1), 0.0, 1.0)
    noise: Tensor = torch.fft.irfft(white * slope, n=n_samples)
    return noise


def uniform(shape: tuple[int, ...], low: float, high: float) -> Tensor:
    """Draw uniform numbers between ``low`` and ``high``."""
    return low + (high - low) * torch.rand(shape)


def log_uniform(shape: tuple[int, ...], low: float, high: float) -> Tensor:
    """Draw numbers between ``low`` and ``high`` whose logarithm is uniform."""
    numbers: Tensor = torch.exp(uniform(shape, math.log(low), math.log(high)))
    return numbers
