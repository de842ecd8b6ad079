"""Places: tones and what they leave over against the dense Gaussian model of two channels."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from torch.testing import assert_close

from musisep_cli.stems.stereo import BREATH, Places
from musisep_cli.tones.coefficients import harmonic_coefficients
from musisep_cli.tones.peaks import Peaks
from tests import dense

SEEDS = st.integers(0, 2**20)
N_BINS, WIDTH = 60, 1.9


def spectra(generator: np.random.Generator, *shape: int) -> NDArray[np.complex128]:
    return np.asarray(generator.normal(size=shape) + 1j * generator.normal(size=shape))


def somewhere(generator: np.random.Generator, n_instruments: int) -> Places:
    """Covariances of any kind, from one point to anywhere."""
    gains = generator.normal(size=(n_instruments, 2, generator.integers(1, 4)))
    return Places.of(torch.from_numpy(gains @ gains.swapaxes(1, 2)))


@given(SEEDS)
def test_tones_are_the_most_probable_ones(seed: int) -> None:
    # min |Y - A c|^2 / (2 n) + c' P^-1 c, all harmonics of both channels in a row, by orthogonal
    # factorisation: the rows of the prior are those of a square root of P^-1.
    generator = np.random.default_rng(seed)
    n_harmonics = 5
    positions = generator.uniform(5, 50, n_harmonics)
    instruments = generator.integers(0, 2, n_harmonics)
    places = somewhere(generator, 2)
    tikhonov = 10 ** generator.uniform(-3, 1, n_harmonics)
    y = spectra(generator, 2, N_BINS)
    g = dense.peaks(positions, WIDTH, N_BINS)
    precisions = np.linalg.inv(places.covariances.numpy())[instruments]
    roots = np.linalg.cholesky(2 * tikhonov[:, None, None] * precisions).swapaxes(1, 2)
    prior = np.zeros((2 * n_harmonics, 2 * n_harmonics))
    for h, root in enumerate(roots):
        prior[2 * h : 2 * h + 2, 2 * h : 2 * h + 2] = root
    rows = np.concatenate([np.kron(g.T, np.eye(2)), prior])
    right = np.concatenate([y.T.flatten(), np.zeros(2 * n_harmonics)])
    expected, *_ = np.linalg.lstsq(rows.astype(complex), right, rcond=None)
    found = places.coefficients(
        Peaks.of(torch.from_numpy(positions)[None], torch.tensor([WIDTH]).double(), N_BINS),
        torch.from_numpy(y)[:, None],
        torch.from_numpy(instruments),
        torch.from_numpy(tikhonov)[None],
    )
    assert_allclose(found[:, 0].T, expected.reshape(-1, 2), atol=1e-4)


@given(SEEDS)
def test_what_is_left_over_is_shared_as_the_gaussian_model_leads_to_expect(seed: int) -> None:
    generator = np.random.default_rng(seed)
    n_instruments, floor = int(generator.integers(2, 4)), 1e-3
    places = somewhere(generator, n_instruments)
    covariances = places.covariances.numpy()
    envelopes = 10 ** generator.uniform(-6, 0, (1, n_instruments, N_BINS))
    rest = spectra(generator, 1, 2, N_BINS)
    found = places.shared(torch.from_numpy(rest), torch.from_numpy(envelopes), floor).numpy()
    # Besides its tones, every instrument has something everywhere, as far as its place is its own.
    units = [r / np.linalg.norm(r) for r in covariances]
    nearest = [
        max(float((units[i] * units[j]).sum()) for j in range(n_instruments) if j != i)
        for i in range(n_instruments)
    ]
    breath = BREATH * (1 - np.array(nearest)) * envelopes[0].max(1)
    for f in range(N_BINS):
        of_each = (envelopes[0, :, f] + breath)[:, None, None] * covariances
        nobody = 2 * floor * (envelopes[0].max(1) + breath).max() * np.eye(2)
        expected = of_each @ np.linalg.solve(of_each.sum(0) + nobody, rest[0, :, f])
        assert_allclose(found[0, :, :, f], expected, atol=1e-9)


def test_where_there_are_no_tones_nobody_gets_anything_however_loud_it_is() -> None:
    places = somewhere(np.random.default_rng(0), 2)
    rest = torch.full((1, 2, 3), 1e3 + 1e3j, dtype=torch.complex64)
    assert_allclose(places.shared(rest, torch.zeros(1, 2, 3), 1e-4), 0)


@given(SEEDS)
def test_two_equal_channels_are_one(seed: int) -> None:
    generator = np.random.default_rng(seed)
    positions = torch.from_numpy(generator.uniform(5, 50, (1, 6)))
    peaks = Peaks.of(positions, torch.tensor([WIDTH]).double(), N_BINS)
    tikhonov = torch.from_numpy(10 ** generator.uniform(-3, 1, (1, 6)))
    mono = torch.from_numpy(spectra(generator, 1, N_BINS))
    places = Places.of(torch.ones(2, 2, 2).double())
    both = mono.expand(2, 1, -1)
    found = places.coefficients(peaks, both, torch.arange(6) % 2, tikhonov)
    one = harmonic_coefficients(peaks, mono, tikhonov=tikhonov)
    assert_close(found, one.expand(2, 1, -1), atol=1e-6, rtol=1e-6)
    envelopes = torch.from_numpy(generator.random((1, 2, N_BINS)))
    shares = envelopes / (envelopes.sum(1) + 1e-4 * envelopes.max())
    shared = places.shared(both.transpose(0, 1), envelopes, 1e-4)
    assert_close(shared, (shares[:, :, None] * mono[:, None, None]).expand_as(shared))


@pytest.mark.parametrize(
    "products",
    [np.zeros((2, 2)), np.eye(2), np.array([[1.0, -1.0], [-1.0, 1.0]]), np.diag([1.0, 0.0])],
)
def test_covariances_are_positive_whatever_was_heard(products: NDArray[np.float64]) -> None:
    found = Places.of(torch.from_numpy(products)[None]).covariances
    assert float(torch.linalg.eigvalsh(found).min()) > 0
    assert float(found.mean()) <= 1 + 1e-6
    if not products.any():
        assert_close(found, 2 * torch.eye(2).double()[None])


def test_an_instrument_that_never_plays_leaves_the_others_what_they_get() -> None:
    generator = np.random.default_rng(3)
    for n_heard in (1, 2):
        gains = generator.normal(size=(n_heard, 2, 2))
        products = torch.from_numpy(gains @ gains.swapaxes(1, 2))
        rest = torch.from_numpy(spectra(generator, 4, 2, N_BINS))
        envelopes = torch.from_numpy(generator.uniform(0, 1, (4, n_heard, N_BINS)))
        expected = Places.of(products).shared(rest, envelopes, 1e-4)
        silent = torch.zeros(1, 2, 2).double()
        found = Places.of(torch.cat([products, silent])).shared(
            rest, torch.cat([envelopes, torch.zeros(4, 1, N_BINS).double()], 1), 1e-4
        )
        assert_close(found[:, :n_heard], expected)
        assert not found[:, n_heard:].any()
