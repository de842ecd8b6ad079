"""Simulator: the drawn frames against their own truth, and the truth against closed forms."""

import math
from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from musisep_cli.frames.gabor import FrameConfig
from musisep_cli.methods.policy.warmstart.simulator import (
    INTERVALS,
    SAMPLE_RATE_HZ,
    SimulatedFrames,
    Simulator,
    SimulatorConfig,
    coloured_noise,
    log_uniform,
    timbres,
    uniform,
)
from tests.small import seeded

FRAME = FrameConfig(max_frequency_hz=12_000.0)
SHORT = FrameConfig(max_frequency_hz=12_000.0, zeta_s=FrameConfig().zeta_s / 8)
"""A frame an eighth as long, where only what is drawn counts, and not its spectrum."""
STEADY = SimulatorConfig(silent=0.0, changing=0.0, inharmonic=0.0)


class Unmodulated(Simulator):
    """Without vibrato, glides and drift, which no setting turns off."""

    def _modulation(self, shape: torch.Size) -> Tensor:
        return torch.ones(*shape, len(self.time_s))


def draw(
    n_frames: int,
    n_lines: int,
    config: SimulatorConfig = STEADY,
    *,
    seed: int = 0,
    frame: FrameConfig = FRAME,
) -> SimulatedFrames:
    with seeded(seed):
        return Simulator(config, frame).draw(n_frames, n_lines)


def energies(spectra: Tensor) -> Tensor:
    return spectra.abs().double().square().sum(-1)


def midi(f0_bins: Tensor) -> Tensor:
    bin_hz = Simulator(STEADY, SHORT).frame.bin_hz
    return 69 + 12 * torch.log2(f0_bins.double() * bin_hz / 440)


@pytest.mark.parametrize("n_lines", [1, 2, 4])
def test_shapes_are_as_stated(n_lines: int) -> None:
    frames = draw(3, n_lines, SimulatorConfig())
    n_bins = Simulator(STEADY, FRAME).frame.n_network_bins
    assert frames.mixture.shape == (3, n_bins)
    assert frames.lines.shape == (3, n_lines, n_bins)
    assert frames.mixture.dtype == frames.lines.dtype == torch.complex64
    for values in (frames.f0_bins, frames.inharmonicity, frames.audible):
        assert values.shape == (3, n_lines)
    assert frames.relative.shape == (3, n_lines, SimulatorConfig().n_harmonics)
    assert frames.audible.dtype == torch.bool


@pytest.mark.parametrize("n_lines", [1, 2, 3, 4])
def test_everything_is_finite_whatever_is_drawn(n_lines: int) -> None:
    # Many rests and changes, so that notes which are nearly outside the window occur too.
    config = SimulatorConfig(silent=0.3, changing=0.9)
    for seed in range(4):
        frames = draw(8, n_lines, config, seed=seed)
        for field in fields(frames):
            values = getattr(frames, field.name)
            parts = torch.view_as_real(values) if values.is_complex() else values
            assert bool(torch.isfinite(parts).all()), field.name
        assert float(frames.mixture.abs().max()) < 1  # far above any frame of an RMS of 0.1


def test_the_same_seed_draws_the_same_frames() -> None:
    first, again, other = (draw(2, 2, SimulatorConfig(), seed=seed) for seed in (3, 3, 4))
    for field in fields(first):
        assert_close(getattr(first, field.name), getattr(again, field.name), atol=0, rtol=0)
    assert not torch.equal(first.mixture, other.mixture)


def test_the_mixture_is_the_lines_and_noise_of_the_stated_level() -> None:
    low_db, high_db = STEADY.noise_range_db
    frames = draw(60, 2)
    noise = frames.mixture - frames.lines.sum(1)
    level_db = 10 * torch.log10(energies(noise) / energies(frames.lines).sum(1))
    assert low_db - 0.05 < float(level_db.min())
    assert float(level_db.max()) < high_db + 0.05
    # Uniform: the mean lies within 4 standard errors of the middle.
    error_db = (high_db - low_db) / math.sqrt(12 * len(level_db))
    assert abs(float(level_db.mean()) - (low_db + high_db) / 2) < 4 * error_db


def test_noise_can_be_of_one_level() -> None:
    frames = draw(8, 1, replace(STEADY, noise_range_db=(-30.0, -30.0)))
    noise = frames.mixture - frames.lines.sum(1)
    level_db = 10 * torch.log10(energies(noise) / energies(frames.lines).sum(1))
    assert_close(level_db, torch.full_like(level_db, -30.0), atol=0.01, rtol=0)


def test_levels_lie_in_the_stated_range_around_a_sound_of_rms_0_1() -> None:
    frames = draw(60, 2)
    # A sinusoid of RMS r has |Z|^2 = r^2 / 2 exp(-(f - f_1)^2 / sigma^2): the sum over bins is
    # r^2 / 2 sigma sqrt(pi).
    width_bins = Simulator(STEADY, FRAME).frame.ideal_width_bins
    usual = 0.1**2 / 2 * width_bins * math.sqrt(math.pi)
    level_db = 10 * torch.log10(energies(frames.lines).sum(1) / usual)
    low_db, high_db = STEADY.level_range_db
    assert low_db - 0.05 < float(level_db.min()) < low_db + 10
    assert high_db - 10 < float(level_db.max()) < high_db + 0.05


def test_a_steady_line_has_its_partials_at_f0_h_sqrt_1_plus_b_h_squared() -> None:
    config = replace(STEADY, inharmonic=1.0, lowest_midi=45.0, highest_midi=90.0)
    with seeded(1):
        simulator = Unmodulated(config, FRAME)
        frames = simulator.draw(40, 1)
    n_checked = 0
    for spectrum, f0, b, relative in zip(
        frames.lines[:, 0].abs().double().numpy(),
        frames.f0_bins[:, 0].double().numpy(),
        frames.inharmonicity[:, 0].double().numpy(),
        frames.relative[:, 0].double().numpy(),
        strict=True,
    ):
        assert 3e-6 <= b <= 2e-3
        h = np.arange(1, len(relative) + 1)
        positions = f0 * h * np.sqrt(1 + b * h**2)
        # Below the lowest low-pass of 3 kHz, and no neighbour so strong that it shifts the peak.
        strong = (relative > 0.3) & (positions * simulator.frame.bin_hz < 2_500)
        for position in positions[strong]:
            top = round(position)
            top += int(np.argmax(spectrum[top - 2 : top + 3])) - 2
            before, at, after = np.log(spectrum[top - 1 : top + 2])
            found = top + (before - after) / (2 * (before + after - 2 * at))  # exact for a Gaussian
            assert found == pytest.approx(position, abs=0.15)
            n_checked += 1
    assert n_checked > 40


def test_partials_of_a_steady_line_are_as_strong_as_stated() -> None:
    with seeded(2):
        simulator = Unmodulated(replace(STEADY, lowest_midi=45.0), FRAME)
        frames = simulator.draw(30, 1)
    width = simulator.frame.ideal_width_bins
    errors_db = []
    for row in range(30):
        h = torch.arange(1, frames.relative.shape[-1] + 1)
        positions = frames.f0_bins[row, 0] * h
        audible = (frames.relative[row, 0] > 0.1) & (positions * simulator.frame.bin_hz < 2_000)
        near = positions[audible].round()
        decay = torch.exp(-0.5 * ((near - positions[audible]) / width) ** 2)
        found = frames.lines[row, 0].abs()[near.long()] / decay
        level_db = 20 * torch.log10(found / frames.relative[row, 0][audible])
        errors_db.append(level_db - level_db.mean())
    assert float(torch.cat(errors_db).abs().max()) < 0.5


def test_the_pitch_is_that_around_the_frame_centre_also_with_vibrato() -> None:
    # The centroid of a windowed partial's energy is its instantaneous frequency, weighted with the
    # squares of window and envelope: what a network can see.
    config = replace(STEADY, lowest_midi=80.0, highest_midi=100.0)
    with seeded(3):
        simulator = Simulator(config, FRAME)
        frames = simulator.draw(60, 1)
    relative = frames.relative[:, 0]
    f0 = frames.f0_bins[:, 0]
    plain = (relative[:, 0] > 0.3) & (f0 * simulator.frame.bin_hz < 1_800)  # below any low-pass
    assert int(plain.sum()) > 15
    for spectrum, pitch in zip(frames.lines[plain, 0], f0[plain], strict=True):
        bins = torch.arange(int(0.6 * pitch), int(1.4 * pitch))
        energy = spectrum[bins].abs().double().square()
        centroid = float((energy * bins).sum() / energy.sum())
        assert centroid == pytest.approx(float(pitch), abs=0.5)


def test_the_stated_share_of_lines_rests() -> None:
    config = replace(STEADY, silent=0.3)
    frames = draw(150, 2, config, frame=SHORT)
    share = float((energies(frames.lines) == 0).double().mean())
    assert abs(share - 0.3) < 4 * math.sqrt(0.3 * 0.7 / 300)
    assert not bool((energies(draw(20, 2, frame=SHORT).lines) == 0).any())


def test_audible_is_what_is_less_than_40_db_below_the_frame() -> None:
    frames = draw(100, 3, SimulatorConfig(line_spread_db=25.0, silent=0.2), frame=SHORT)
    energy = energies(frames.lines)
    share_db = 10 * torch.log10(energy / energy.sum(1, keepdim=True) + 1e-30)
    clear = (share_db + 40).abs() > 1e-3
    assert bool((frames.audible == (share_db > -40))[clear].all())
    assert 0 < int((~frames.audible).sum()) < frames.audible.numel()


def test_nothing_is_audible_where_all_lines_rest() -> None:
    frames = draw(4, 2, replace(STEADY, silent=1.0))
    assert not bool(frames.audible.any())
    assert float(frames.lines.abs().max()) == 0
    assert bool(torch.isfinite(torch.view_as_real(frames.mixture)).all())


def test_pitches_fill_the_range_and_stay_in_it() -> None:
    config = replace(STEADY, lowest_midi=50.0, highest_midi=70.0)
    pitches = midi(draw(150, 2, config, frame=SHORT).f0_bins)
    detuning = 0.5  # six standard deviations
    assert 50 - detuning < float(pitches.min()) < 52
    assert 68 < float(pitches.max()) < 70 + detuning


def test_related_lines_are_a_simple_interval_apart() -> None:
    related, independent = (
        midi(draw(100, 3, replace(STEADY, related=share), frame=SHORT).f0_bins)
        for share in (1.0, 0.0)
    )

    def share_simple(pitches: Tensor) -> float:
        distances = torch.cat([(b - a).abs() for a, b in pairwise(pitches.unbind(1))])
        simple = (distances[:, None] - torch.tensor(INTERVALS)).abs() < 0.4
        return float(simple.any(1).double().mean())

    # Where the relation would leave the range, the pitch stays independent.
    assert share_simple(related) > 0.75
    assert share_simple(independent) < 0.4


def test_inharmonicity_is_0_or_in_its_range_in_the_stated_share() -> None:
    b = draw(150, 2, replace(STEADY, inharmonic=0.25), frame=SHORT).inharmonicity
    stiff = b[b > 0]
    assert float(stiff.min()) >= 3e-6
    assert float(stiff.max()) <= 2e-3
    assert abs(len(stiff) / b.numel() - 0.25) < 4 * math.sqrt(0.25 * 0.75 / b.numel())


@given(st.integers(0, 2**20), st.floats(30.0, 4_000.0), st.integers(1, 60))
def test_timbres_are_positive_with_maximum_1(seed: int, f0_hz: float, n_harmonics: int) -> None:
    with seeded(seed):
        relative = timbres(torch.full((3, 2), f0_hz), n_harmonics)
    assert relative.shape == (3, 2, n_harmonics)
    assert_close(relative.amax(-1), torch.ones(3, 2), atol=0, rtol=0)
    assert float(relative.min()) >= 0
    assert bool(torch.isfinite(relative).all())


def test_timbres_are_manifold() -> None:
    with seeded(0):
        relative = timbres(torch.full((400, 1), 220.0), 20)[:, 0]
    strongest = relative.argmax(-1)
    assert float((strongest == 0).double().mean()) < 0.9  # formants: the fundamental may be weak
    even_db = 20 * torch.log10(relative[:, 1::2].mean(1) / relative[:, ::2].mean(1))
    assert float(even_db.min()) < -15  # closed pipes


def test_the_power_of_the_noise_falls_with_0_to_2_times_the_logarithm_of_frequency() -> None:
    n_samples = 4096
    with seeded(0):
        noise = coloured_noise(40, n_samples)
    assert noise.shape == (40, n_samples)
    power = torch.fft.rfft(noise).abs().double().square()[:, 1:-1].numpy()
    k = np.arange(2, n_samples // 2 + 1)  # the first bin, of frequency 0, counts as 1
    slopes = np.polyfit(np.log(k), np.log(power).T, 1)[0]
    assert slopes.min() > -2.2
    assert slopes.max() < 0.2
    assert slopes.max() - slopes.min() > 1


def test_uniform_and_log_uniform_numbers_have_the_right_means() -> None:
    with seeded(0):
        plain, logarithmic = uniform((4000,), -3.0, 5.0), log_uniform((4000,), 0.01, 1.0)
    assert -3 <= float(plain.min()) <= float(plain.max()) <= 5
    assert abs(float(plain.mean()) - 1) < 4 * 8 / math.sqrt(12 * 4000)
    assert float(logarithmic.min()) * (1 + 1e-6) >= 0.01
    assert float(logarithmic.max()) <= 1 + 1e-6
    error = math.log(100) / math.sqrt(12 * 4000)
    assert abs(float(logarithmic.log().mean()) - math.log(0.1)) < 4 * error


def test_the_sample_rate_keeps_the_frame_of_the_recordings() -> None:
    # The same bins at 24 kHz as at 48 kHz: what the network learns here serves there.
    frame = Simulator(STEADY, FRAME).frame
    assert frame.sample_rate_hz == SAMPLE_RATE_HZ
    assert frame.bin_hz == pytest.approx(48_000 / 12_288)
    assert frame.n_network_bins == 3_072


def test_frames_move_to_a_device_as_a_whole() -> None:
    with seeded(0):
        frames = Simulator(SimulatorConfig(), FRAME).draw(2, 3)
    moved = frames.to(torch.device("meta"))
    assert {value.device.type for value in vars(moved).values()} == {"meta"}
    for name, value in vars(moved).items():
        assert value.shape == getattr(frames, name).shape
