"""Refinement: mixtures of known tones, pitches found again, shares, stereo and silence."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from torch import Tensor
from torch.testing import assert_close

from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.frames.leaves import leaves
from musisep_cli.stems import fitting
from musisep_cli.stems.fitting import Fitter
from musisep_cli.stems.one_window import ResynthesisConfig, window_scales
from musisep_cli.stems.waveforms import resynthesise
from musisep_cli.stems.wiener import WienerFilter
from musisep_cli.tones.notes import NotesAround
from musisep_cli.tones.objective import ObjectiveConfig
from musisep_cli.tones.tones import Tones
from tests import dense

Spectra = NDArray[np.complex128]

FRAME = GaborFrame(FrameConfig(), 8_000)
N_BINS = FRAME.n_network_bins
WIDTH = FRAME.ideal_width_bins
N_HARMONICS = 6
MAX_PITCH_ERROR_BINS = 0.1
"""Tones are looked for in steps of 0.1 bin; the nearest is half of one away."""
SEEDS = st.integers(0, 2**20)
# The spectra of most tests are made of steady peaks of one width, and every frame has pitches and
# phases of its own.
DIRECT = ResynthesisConfig(stems="direct", change_window=1.0, steady_s=0.0, gliding=False)
WIENER = replace(DIRECT, stems="wiener")
ODD = np.array([1.0, 0.02, 0.6, 0.02, 0.4, 0.02])
FALLING = np.array([1.0, 0.8, 0.5, 0.4, 0.2, 0.1])


def tone(
    f0_bins: float, amplitudes: NDArray[np.float64], seed: int, width: float = WIDTH
) -> Spectra:
    """Spectrum [f] of a tone with random phases."""
    return dense.with_random_phases(f0_bins, amplitudes, seed, width=width, n_bins=N_BINS)


def duet(n_frames: int, level: float = 0.1) -> tuple[Tones, Spectra]:
    """What two instruments play, and the spectrum of each, [i, n, f].

    In most frames their pitches have nothing to do with each other; in the last quarter the lower
    one's third harmonic is the upper one's second, and so on.
    """
    generator = np.random.default_rng(1)
    f0_bins = np.stack(
        [generator.uniform(90, 93, n_frames), generator.uniform(50, 52, n_frames)], 1
    )
    shared = slice(3 * n_frames // 4, None)
    f0_bins[shared, 0] = 1.5 * f0_bins[shared, 1] + 0.01
    levels = level * generator.uniform(0.5, 1, (n_frames, 2))
    amplitudes = levels[..., None] * np.stack([ODD, FALLING])
    parts = np.array(
        [
            [tone(f0_bins[n, i], amplitudes[n, i], 2 * n + i) for n in range(n_frames)]
            for i in range(2)
        ]
    )
    return steady(f0_bins), parts


def steady(f0_bins: NDArray[np.float64]) -> Tones:
    """Tones in every frame."""
    on = torch.ones(f0_bins.shape)
    return Tones(on, torch.from_numpy(f0_bins).float(), 0 * on)


def rested(played: Tones, on: Tensor) -> Tones:
    """With tones only where ``on [n, i]`` says so."""
    return replace(played, on=on * played.on)


def refiner(
    played: Tones,
    channels: Tensor,
    config: ResynthesisConfig,
    reach: int = 0,
    in_windows: Tensor | None = None,
) -> WienerFilter:
    """With channels [n, c, f], also in the windows of changes of note if these are others."""
    dictionary = torch.from_numpy(np.stack([ODD, FALLING], 1)[:, : played.on.shape[1]]).float()
    tones = NotesAround(played, reach)
    in_windows = channels if in_windows is None else in_windows
    fitter = Fitter(tones, channels, lambda _: in_windows, dictionary, FRAME, config)
    return WienerFilter(fitter, dictionary, ObjectiveConfig())


def refined(
    played: Tones, mixture: Spectra, config: ResynthesisConfig, reach: int = 0
) -> tuple[Spectra, WienerFilter]:
    """Stems [i, n, f] of one channel."""
    spectra = torch.from_numpy(mixture).to(torch.complex64)
    found = refiner(played, spectra[:, None], config, reach)
    return found.explain(spectra[None])[:, 0].numpy(), found


def error_db(reference: Spectra, estimate: Spectra) -> float:
    """Energy of the error over that of the reference."""
    error = np.square(np.abs(reference - estimate), dtype=np.float64).sum()
    energy = np.square(np.abs(reference), dtype=np.float64).sum()
    return float(10 * np.log10(max(error, 1e-300) / energy))


# Mixtures


@pytest.mark.parametrize("config", [DIRECT, WIENER])
def test_two_tones_are_divided_also_where_they_share_harmonics(config: ResynthesisConfig) -> None:
    played, parts = duet(40)
    stems, _ = refined(played, parts.sum(0), config)
    for i in range(2):
        assert error_db(parts[i, :30], stems[i, :30]) < -20  # direct: the prior takes a little
        assert error_db(parts[i, 30:], stems[i, 30:]) < -15


def test_of_a_shared_harmonic_each_gets_what_its_timbre_expects() -> None:
    # Upper: f0 76.5, odd harmonics; lower: 51, falling. At 153 the upper has 2 %, the lower half.
    played, parts = duet(40)
    stems, _ = refined(played, parts.sum(0), WIENER)
    for n in range(30, 40):
        f = round(3 * float(played.f0_bins[n, 1]))
        expected = np.abs(parts[:, n, f]) / np.abs(parts[:, n, f]).sum()
        found = np.abs(stems[:, n, f]) / np.abs(stems[:, n, f]).sum()
        assert_allclose(found, expected, atol=0.1)


def test_harmonics_that_meet_in_a_bin_are_told_apart_by_their_frequencies() -> None:
    # Fundamentals of 90 and 60.8: two of the upper's harmonics are 2.4 bins from one of the lower,
    # less than the peaks are wide. Shares alone give each of them both sounds.
    n = 20
    played = steady(np.tile([[90.0, 60.8]], (n, 1)))
    amplitudes = 0.1 * np.stack([FALLING, FALLING])
    parts = np.array(
        [[tone(f, amplitudes[i], 2 * k + i) for k in range(n)] for i, f in enumerate((90.0, 60.8))]
    )
    shared, _ = refined(played, parts.sum(0), replace(WIENER, rest_noise=1e3))
    found, _ = refined(played, parts.sum(0), WIENER)
    for i in range(2):
        assert error_db(parts[i], found[i]) < error_db(parts[i], shared[i]) - 10
        assert error_db(parts[i], found[i]) < -25


def test_stems_of_true_tones_are_the_mixture_whatever_their_kind() -> None:
    played, parts = duet(12)
    mixture = parts.sum(0)
    for config in (DIRECT, WIENER):
        stems, _ = refined(played, mixture, config)
        assert error_db(mixture, stems.sum(0)) < (-20 if config is DIRECT else -30)


@given(SEEDS, st.sampled_from([0, 4]), st.sampled_from([1, 2, 3]), st.sampled_from([0.0, 0.5]))
def test_whatever_the_tones_the_stems_are_finite_and_who_rests_gets_nothing(
    seed: int, reach: int, n_channels: int, steady_s: float
) -> None:
    generator = np.random.default_rng(seed)
    n, i = 4, 3
    played = steady(generator.uniform(1, 400, (n, i)))
    on = torch.from_numpy(generator.random((n, i)) < 0.7).float()
    played = rested(played, on)
    parts = torch.from_numpy(generator.normal(size=(n_channels, n, N_BINS, 2))).float()
    channels = torch.view_as_complex(parts)
    dictionary = torch.ones(6, i)
    tones = NotesAround(played, reach)
    by_frame = channels.transpose(0, 1)
    config = replace(WIENER, steady_s=steady_s)
    fitter = Fitter(tones, by_frame, lambda _: by_frame, dictionary, FRAME, config)
    found = WienerFilter(fitter, dictionary, ObjectiveConfig())
    stems = found.explain(channels)
    assert bool(torch.isfinite(stems.abs()).all())
    # What fits and shares leave to no one is less than all there was.
    rest = (channels - stems.sum(0)).transpose(0, 1).flatten(1)
    assert bool((rest.norm(dim=-1) <= by_frame.flatten(1).norm(dim=-1) * (1 + 1e-4)).all())
    if reach == 0:
        assert float(stems.abs().permute(2, 0, 1, 3)[on == 0].sum()) == 0
    assert bool(torch.isfinite(found.transcript.joined().objective).all())


@pytest.mark.parametrize("config", [DIRECT, WIENER])
def test_a_stem_keeps_its_place_between_the_channels(config: ResynthesisConfig) -> None:
    played, parts = duet(8)
    gains = np.array([[1.0, 0.2], [0.3, 0.9]])  # channel, instrument
    channels = torch.from_numpy(np.einsum("ci,inf->cnf", gains, parts)).to(torch.complex64)
    stems = refiner(played, channels.transpose(0, 1), config).explain(channels).numpy()
    limit_db = -20 if config is DIRECT else -12  # a bin's two channels get one share
    for i in range(2):
        for c in range(2):
            assert error_db(gains[c, i] * parts[i], stems[i, c]) < limit_db


@pytest.mark.parametrize("config", [DIRECT, WIENER])
def test_in_stereo_an_octave_is_divided_by_where_the_instruments_are(
    config: ResynthesisConfig,
) -> None:
    played, parts = duet(40)
    played.f0_bins[30:] = torch.tensor([102.0, 51.0])
    for n in range(30, 40):
        parts[:, n] = [0.05 * tone(f, a, n) for f, a in ((102.0, ODD), (51.0, FALLING))]
    gains = np.array([[1.0, 0.2], [0.3, 0.9]])  # channel, instrument
    channels = torch.from_numpy(np.einsum("ci,inf->cnf", gains, parts)).to(torch.complex64)
    stems = refiner(played, channels.transpose(0, 1), config).explain(channels).numpy()
    in_mono, _ = refined(played, parts.sum(0), config)
    for i in range(2):
        assert error_db(parts[i, 30:], in_mono[i, 30:]) > -15
        for c in range(2):
            assert error_db(gains[c, i] * parts[i, 30:], stems[i, c, 30:]) < -20


@pytest.mark.parametrize(("config", "reach"), [(DIRECT, 0), (WIENER, 3)])
def test_blocks_are_explained_as_the_whole_is(config: ResynthesisConfig, reach: int) -> None:
    played, parts = duet(11)
    spectra = torch.from_numpy(parts.sum(0)).to(torch.complex64)
    channels = torch.stack([spectra, 0.5j * spectra])
    one, several = (refiner(played, channels.transpose(0, 1), config, reach) for _ in range(2))
    whole = one.explain(channels)
    blocks = [
        several.explain(channels[:, part]) for part in (slice(0, 4), slice(4, 5), slice(5, 11))
    ]
    assert_close(torch.cat(blocks, 2), whole, atol=1e-5, rtol=1e-4)
    for name, values in leaves(one.transcript.joined()).items():
        assert_close(leaves(several.transcript.joined())[name], values, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("config", [DIRECT, WIENER])
def test_what_is_played_is_found_on_the_mean_of_the_channels(config: ResynthesisConfig) -> None:
    played, parts = duet(8)
    gains = np.array([[1.0, 0.2], [0.3, 0.9], [0.5, 0.5]])  # channel, instrument
    channels = torch.from_numpy(np.einsum("ci,inf->cnf", gains, parts)).to(torch.complex64)
    mean = channels.mean(0)
    of_channels, of_mean = (refiner(played, mean[:, None], config) for _ in range(2))
    of_channels.explain(channels)
    of_mean.explain(mean[None])
    for name, values in leaves(of_mean.transcript.joined()).items():
        assert_close(leaves(of_channels.transcript.joined())[name], values, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("level", [2.0**-10, 2.0**-3])
def test_the_level_of_the_frames_does_not_matter(level: float) -> None:
    played, parts = duet(12)
    plain, _ = refined(played, parts.sum(0), WIENER)
    found, _ = refined(played, level * parts.sum(0), WIENER)
    assert error_db(plain, found / level) < -40


@pytest.mark.parametrize("config", [DIRECT, WIENER])
def test_silence_and_rests_give_zeros_and_nothing_that_is_not_finite(
    config: ResynthesisConfig,
) -> None:
    # Frame 0: silence where tones were decoded; 1: rests in a sounding frame; 2: one tone.
    played, parts = duet(3)
    mixture = parts.sum(0)
    mixture[0] = 0
    played = rested(played, torch.tensor([[1.0, 1.0], [0.0, 0.0], [1.0, 0.0]]))
    stems, found = refined(played, mixture, config)
    assert_array_equal(stems[:, 0], 0)
    assert_array_equal(stems[:, 1], 0)
    assert_array_equal(stems[1, 2], 0)
    assert np.abs(stems[0, 2]).max() > 0.01
    transcript = found.transcript.joined()
    assert transcript.audible.tolist() == [False, True, True]
    for name, values in leaves(found.transcript.joined()).items():
        assert bool(torch.isfinite(values.float()).all()), name
    assert_array_equal(transcript.amplitude[1].numpy(), 0)


@pytest.mark.parametrize("config", [DIRECT, WIENER])
@pytest.mark.parametrize("ratio", [1.0, 2.0])
def test_unisons_and_exact_octaves_lose_nothing(config: ResynthesisConfig, ratio: float) -> None:
    f0_bins = np.tile([[50.0 * ratio, 50.0]], (4, 1))
    amplitudes = np.tile(0.1 * np.stack([ODD, FALLING]), (4, 1, 1))
    parts = np.array(
        [[tone(f0_bins[n, i], amplitudes[n, i], n) for n in range(4)] for i in range(2)]
    )
    stems, _ = refined(steady(f0_bins), parts.sum(0), config)
    assert error_db(parts.sum(0), stems.sum(0)) < -20
    for i in range(2):  # nobody is left out
        assert np.linalg.norm(stems[i]) > 0.2 * np.linalg.norm(parts[i])


def test_what_is_noted_is_what_was_played() -> None:
    played, parts = duet(12)
    _, found = refined(played, parts.sum(0), WIENER, 4)
    transcript = found.transcript.joined()
    assert_allclose(transcript.tones.f0_bins, played.f0_bins, atol=MAX_PITCH_ERROR_BINS)
    first = [
        [abs(parts[i, n, round(float(played.f0_bins[n, i]))]) for i in range(2)] for n in range(9)
    ]  # both columns of D are 1 there
    assert_allclose(transcript.amplitude[:9], first, rtol=0.2)
    assert_array_equal(transcript.tones.on.numpy(), 1)
    silent = refined(rested(played, 0 * played.on), parts.sum(0), WIENER)[1]
    assert bool((transcript.objective < 0.2 * silent.transcript.joined().objective).all())


def test_only_frames_with_two_notes_of_an_instrument_have_shorter_windows() -> None:
    n, change = 24, 12
    f0_bins = np.tile([[91.3, 51.0]], (n, 1))
    f0_bins[change:, 0] = 77.4
    played = steady(f0_bins)
    for shorter, reach, expected in ((0.6, 3, 0.6), (1.0, 3, 1.0), (0.6, 0, 1.0)):
        config = replace(WIENER, change_window=shorter)
        scales = window_scales(NotesAround(played, reach)[:], config)
        near = slice(change - 3, change + 3)
        assert_allclose(scales[near], expected)
        assert_array_equal(torch.cat([scales[: near.start], scales[near.stop :]]), 1)


def line(n_samples: int, f0_bins: float, amplitudes: NDArray[np.float64]) -> NDArray[np.float64]:
    """A tone in time, [t]."""
    phase = 2 * np.pi * f0_bins * FRAME.bin_hz * np.arange(n_samples) / FRAME.sample_rate_hz
    return np.asarray(sum(0.1 * a * np.sin(h * phase + h) for h, a in enumerate(amplitudes, 1)))


def separated(
    samples: NDArray[np.float64], played: Tones, config: ResynthesisConfig, reach: int
) -> NDArray[np.float64]:
    """Stems [i, t] of a recording, its frames analysed as in a run."""
    mono = torch.from_numpy(samples).float()
    centres = FRAME.centres(len(samples))
    scales = window_scales(NotesAround(played, reach)[:], config)
    channels, in_windows = (
        FRAME.analyse(mono, centres, 1.0, of_each)[:, None, :N_BINS] for of_each in (None, scales)
    )
    found = refiner(played, channels, config, reach, in_windows)
    stretches = list(resynthesise(FRAME, mono[None], found.explain, 1.0, scales))
    return torch.cat(stretches, -1)[:, 0].numpy()


def test_in_shorter_windows_a_new_note_does_not_reach_back() -> None:
    n_samples, change = 8000, 4000
    upper = np.where(
        np.arange(n_samples) < change,
        line(n_samples, 91.3, FALLING),
        line(n_samples, 77.4, FALLING),
    )
    parts = np.stack([upper, line(n_samples, 51.0, FALLING)])
    centres = FRAME.centres(n_samples)
    f0_bins = np.tile([[91.3, 51.0]], (len(centres), 1))
    f0_bins[centres.numpy() >= change, 0] = 77.4
    before = slice(change - 600, change - 200)
    errors = []
    for shorter in (1.0, 0.6):
        config = replace(WIENER, change_window=shorter)
        stems = separated(parts.sum(0), steady(f0_bins), config, 4)
        errors.append(error_db(parts[:, before], stems[:, before]))
    assert errors[1] < errors[0] - 10


def test_harmonics_that_one_window_cannot_tell_apart_are_told_apart_by_many() -> None:
    # First a fifth so wide that no harmonics meet; then the upper's second harmonic, louder than
    # before, is 2.3 Hz above the lower's third.
    n_before, n_after = 12_000, 6000
    louder = np.array([1.0, 1.6, 0.5, 0.2, 0.2, 0.1])
    upper = np.concatenate([line(n_before, 80.3, FALLING), line(n_after, 76.8, louder)])
    parts = np.stack([upper, line(n_before + n_after, 51.0, FALLING)])
    centres = FRAME.centres(n_before + n_after)
    f0_bins = np.tile([[80.3, 51.0]], (len(centres), 1))
    f0_bins[centres.numpy() >= n_before, 0] = 76.8
    alone, followed = (
        separated(parts.sum(0), steady(f0_bins), replace(WIENER, steady_s=steady_s), 0)
        for steady_s in (0.0, 0.5)
    )
    after = slice(n_before + 500, -500)
    for i in range(2):
        alone_db, followed_db = (error_db(parts[i, after], s[i, after]) for s in (alone, followed))
        assert followed_db < min(alone_db - 12, -45)


def test_stretches_are_followed_as_the_whole_is(monkeypatch: pytest.MonkeyPatch) -> None:
    n_samples = 12_000
    parts = np.stack([line(n_samples, 77.0, FALLING), line(n_samples, 51.0, FALLING)])
    played = steady(np.tile([[77.0, 51.0]], (len(FRAME.centres(n_samples)), 1)))
    config = replace(WIENER, steady_s=0.1)
    whole = separated(parts.sum(0), played, config, 0)
    monkeypatch.setattr(fitting, "FOLLOWED_FRAMES", 50)
    in_stretches = separated(parts.sum(0), played, config, 0)
    assert np.abs(in_stretches - whole).max() > 0
    assert error_db(whole, in_stretches) < -40


def test_where_a_note_follows_another_both_are_the_instrument_s() -> None:
    n, change = 24, 12
    f0_bins = np.tile([[91.3, 51.0]], (n, 1))
    f0_bins[change:, 0] = 77.4
    held = [0.1 * tone(51.0, FALLING, 1)] * n
    ending, beginning = (0.1 * tone(f, ODD, k) for k, f in enumerate((91.3, 77.4), 2))
    fading = np.clip((change + 3 - np.arange(n)) / 6, 0, 1)  # over the frames around the change
    upper = fading[:, None] * ending + (1 - fading)[:, None] * beginning
    parts = np.stack([upper, np.array(held)])
    errors = []
    for reach in (0, 4):
        stems, _ = refined(steady(f0_bins), parts.sum(0), WIENER, reach)
        near = slice(change - 2, change + 2)
        errors.append(error_db(parts[0, near], stems[0, near]))
    assert errors[1] < -20
    assert errors[0] > errors[1] + 6
