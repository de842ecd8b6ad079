"""Partials: against the dense equations of all frames; phases that turn as they were made to."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.stems.partials import Complex, Heard, Index, Partials, Real, overlap
from musisep_cli.tones.coefficients import harmonic_coefficients
from musisep_cli.tones.peaks import Peaks

SEEDS = st.integers(0, 2**20)
FRAME = GaborFrame(FrameConfig(), 8_000)
HOP_S = FRAME.hop_samples / FRAME.sample_rate_hz
STEADY_S = 0.2
INSTRUMENTS = np.array([0, 1, 0, 1])  # a second note of each
N_HARMONICS, N_BINS = 3, 400


def peaks_at(positions: Real) -> Peaks:
    width = torch.tensor([FRAME.ideal_width_bins]).double()
    return Peaks.of(torch.from_numpy(positions)[None], width, N_BINS)


def heard(generator: np.random.Generator, tones: Index, f0_bins: Real) -> Heard:
    """A frame in which some tones sound, as loud as it may be."""
    numbers = np.tile(np.arange(1, N_HARMONICS + 1), len(tones))
    of_each = f0_bins.repeat(N_HARMONICS)
    return Heard(
        tones=tones.repeat(N_HARMONICS),
        numbers=numbers,
        f0_bins=of_each,
        positions=of_each * numbers,
        expected=10 ** generator.uniform(-2, 0, len(numbers)),
        gram=peaks_at(of_each * numbers).gram()[0].numpy(),
    )


def some_frames(generator: np.random.Generator, n_frames: int) -> list[Heard]:
    """Tones that go on, end, begin, and change their slot."""
    frames = []
    for n in range(n_frames):
        tones = np.flatnonzero(generator.random(4) < 0.7)
        f0_bins = np.array([60.0, 41.0, 75.0, 90.0]) + generator.uniform(-0.5, 0.5, 4)
        if n % 2:  # the first instrument's notes have changed places
            f0_bins[[0, 2]] = f0_bins[[2, 0]]
        frames.append(heard(generator, tones, f0_bins[tones]))
    return frames


def complex_normal(generator: np.random.Generator, *shape: int) -> Complex:
    return np.asarray(generator.normal(size=shape) + 1j * generator.normal(size=shape))


def dense_model(frames: list[Heard], covariances: Real) -> tuple[Real, Complex]:
    """G of all frames [a, a], and the precision of all harmonics in all channels [a, c, a, c]."""
    r = math.exp(-HOP_S / STEADY_S)
    inverses = np.linalg.inv(covariances)
    places = [(n, j) for n, frame in enumerate(frames) for j in range(len(frame.tones))]
    gram = np.zeros((len(places), len(places)))
    precision = np.zeros((len(places), len(inverses[0]), len(places), len(inverses[0])), complex)
    for a, (n, j) in enumerate(places):
        here, player = frames[n], INSTRUMENTS[frames[n].tones[j]]
        precision[a, :, a] += inverses[player] / here.expected[j] ** 2
        for b, (m, k) in enumerate(places):
            there = frames[m]
            if m == n:
                gram[a, b] = here.gram[j, k]
            same = player == INSTRUMENTS[there.tones[k]] and here.numbers[j] == there.numbers[k]
            if m != n + 1 or not same or abs(there.f0_bins[k] / here.f0_bins[j] - 1) > 0.04:
                continue
            bins = (here.positions[j] + there.positions[k]) / 2
            turn = np.exp(2j * np.pi * HOP_S * FRAME.bin_hz * bins)
            # |u_b - r turn u_a|^2 / (1 - r^2), in place of |u_b|^2
            difference = np.array([-r * turn / here.expected[j], 1 / there.expected[k]])
            weights = np.outer(difference.conj(), difference) / (1 - r**2)
            weights[1, 1] -= 1 / there.expected[k] ** 2
            for x, row in enumerate((a, b)):
                for y, column in enumerate((a, b)):
                    precision[row, :, column] += weights[x, y] * inverses[player]
    return gram, precision


@given(SEEDS, st.booleans(), st.sampled_from([1, 2]))
def test_the_solution_is_that_of_the_equations_of_all_frames(
    seed: int, in_places: bool, n_channels: int
) -> None:
    generator = np.random.default_rng(seed)
    frames = some_frames(generator, 5)
    partials = Partials(frames, INSTRUMENTS, FRAME, STEADY_S)
    products = [complex_normal(generator, len(f.tones), n_channels) for f in frames]
    noise = [10 ** generator.uniform(-2, 0) * np.ones(len(f.tones)) for f in frames]
    gains = generator.normal(size=(2, n_channels, n_channels))
    covariances = gains @ gains.swapaxes(1, 2) + 0.1 * np.eye(n_channels)
    roots = np.linalg.cholesky(covariances) if in_places else None
    found = partials.coefficients(products, noise, roots)
    if not in_places:
        covariances = np.tile(np.eye(n_channels), (2, 1, 1))

    gram, precision = dense_model(frames, covariances)
    tied = n_channels if in_places else 1
    lasting = overlap(HOP_S / FRAME.config.zeta_s, math.exp(-HOP_S / STEADY_S))
    power = tied * lasting * np.square(np.concatenate(noise))
    left = (
        np.einsum("ab,cd->acbd", gram, np.eye(n_channels)) + power[:, None, None, None] * precision
    )
    right = np.concatenate(products)
    expected = np.linalg.solve(left.reshape(right.size, right.size), right.ravel())
    assert_allclose(np.concatenate(found), expected.reshape(right.shape), rtol=1e-6, atol=1e-8)


def test_without_steadiness_every_frame_is_for_itself() -> None:
    generator = np.random.default_rng(0)
    frames = some_frames(generator, 3)
    products = [complex_normal(generator, len(f.tones), 2) for f in frames]
    noise = [generator.uniform(0.1, 1, len(f.tones)) for f in frames]
    found = Partials(frames, INSTRUMENTS, FRAME, 0.0).coefficients(products, noise)
    for frame, right, of_frame, coefficients in zip(frames, products, noise, found, strict=True):
        weights = np.square(of_frame / frame.expected)
        expected = np.linalg.solve(frame.gram + np.diag(weights), right)
        assert_allclose(coefficients, expected)


def test_a_frame_without_tones_parts_what_is_around_it() -> None:
    generator = np.random.default_rng(0)
    one = heard(generator, np.array([0, 1]), np.array([60.0, 41.0]))
    none = heard(generator, np.array([], int), np.array([]))
    products = [complex_normal(generator, len(f.tones), 1) for f in (one, none, one)]
    noise = [0.1 * np.ones(len(f.tones)) for f in (one, none, one)]
    first, nothing, last = Partials([one, none, one], INSTRUMENTS, FRAME, STEADY_S).coefficients(
        products, noise
    )
    assert nothing.shape == (0, 1)
    for coefficients, right in ((first, products[0]), (last, products[2])):
        alone = Partials([one], INSTRUMENTS, FRAME, STEADY_S).coefficients([right], noise[:1])
        assert_allclose(coefficients, alone[0])


@pytest.mark.parametrize("detuned_hz", [-6.0, -2.0, 2.0, 6.0])
def test_frequencies_are_learned_from_the_phases(detuned_hz: float) -> None:
    # The first instrument's tone is not where its pitch says; the second's is.
    generator = np.random.default_rng(1)
    frame = heard(generator, np.array([0, 1]), np.array([60.0, 41.0]))
    frame = replace(frame, expected=np.ones(2 * N_HARMONICS))
    phases = generator.uniform(0, 2 * np.pi, 2 * N_HARMONICS)
    turn = 2 * np.pi * HOP_S * FRAME.bin_hz * frame.positions
    turn[:N_HARMONICS] += 2 * np.pi * HOP_S * detuned_hz * np.arange(1, N_HARMONICS + 1)
    played = [np.exp(1j * (phases + n * turn))[:, None] for n in range(8)]
    partials = Partials([frame] * 8, INSTRUMENTS, FRAME, STEADY_S)
    products, noise = [frame.gram @ c for c in played], [0.1 * np.ones(2 * N_HARMONICS)] * 8
    errors = []
    for _ in range(2):
        found = partials.coefficients(products, noise)
        errors.append([np.abs(f - c).max() for f, c in zip(found, played, strict=True)])
        partials.tune(found)
    assert max(errors[1]) < 0.5 * max(errors[0])


@given(SEEDS)
def test_of_one_frame_it_is_the_fit_of_one_frame(seed: int) -> None:
    generator = np.random.default_rng(seed)
    frame = heard(generator, np.array([0, 1]), np.array([60.0, 41.0]))
    spectrum = torch.from_numpy(complex_normal(generator, N_BINS))
    peaks = peaks_at(frame.positions)
    partials = Partials([frame], INSTRUMENTS, FRAME, 0.0)
    (found,) = partials.coefficients(
        [peaks.correlate(spectrum[None])[0].numpy()[:, None]], [frame.expected]
    )
    expected = harmonic_coefficients(peaks, spectrum[None], tikhonov=1.0)[0]
    assert_allclose(found[:, 0], expected.numpy(), atol=1e-6)


def test_the_noise_of_frames_that_overlap_counts_as_one() -> None:
    # The mean of an endless sum of white noise in Gaussian windows: int w(t) w(t + tau) d tau.
    assert overlap(0.5, 1.0) == pytest.approx(2 * math.sqrt(math.pi) / 0.5, rel=1e-6)
    assert_array_equal([overlap(0.5, 0.0), overlap(8.0, 0.0)], [1, 1])
    assert overlap(8.0, 1.0) == pytest.approx(1, abs=1e-5)
