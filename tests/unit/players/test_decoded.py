"""Decoded: chosen tones, timbres in every channel, and the dictionary that follows from them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from torch import Tensor
from torch.testing import assert_close

from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.frames.leaves import leaves
from musisep_cli.players.decoded import Decoded, candidates_of, dictionary_of_timbres
from musisep_cli.players.hypotheses import Hypotheses
from musisep_cli.players.scene import Decoding
from musisep_cli.tones.dictionary import DictionaryConfig, start_dictionary
from musisep_cli.tones.tones import Tones, pitch_semitones
from tests import decodings

FRAME = GaborFrame(FrameConfig(), 8_000)
N, S, M, H = 7, 3, 2, 4
SEEDS = st.integers(0, 2**20)


def hypotheses(seed: int, n_channels: int = 2) -> Hypotheses:
    generator = torch.Generator().manual_seed(seed)

    def numbers(*shape: int) -> Tensor:
        return torch.rand(N, S, *shape, generator=generator)

    unit = torch.nn.functional.normalize
    return Hypotheses(
        log_prob=-numbers(),
        misfit=numbers(),
        tones=Tones(numbers(M) < 0.7, 10 + 90 * numbers(M), 1e-3 * numbers(M)),
        loudness=numbers(M),
        timbre=unit(numbers(M, H), dim=-1),
        place=unit(numbers(M, n_channels), dim=-1),
    )


def decoding(seed: int) -> Decoding:
    rows = np.random.default_rng(seed)
    return decodings.decoding(
        rows.integers(0, S, N), np.argsort(rows.random((N, M)), 1), np.ones((M, H))
    )


@given(SEEDS, st.integers(0, N), st.integers(0, N))
def test_a_block_has_the_chosen_tones_in_every_slot(seed: int, first: int, last: int) -> None:
    found, chosen = hypotheses(seed), decoding(seed)
    decoded = Decoded(found, chosen)
    assert len(decoded) == N
    tones, loudness = decoded[first:last], decoded.loudness(slice(first, last))
    assert tones.on.dtype == tones.f0_bins.dtype
    for row, n in enumerate(range(first, max(first, last))):
        for i in range(M):
            place = n, chosen.hypotheses[n], chosen.tones[n, i]
            for name, values in leaves(tones).items():
                assert float(values[row, i]) == float(leaves(found.tones)[name][place])
            assert float(loudness[row, i]) == float(found.loudness[place])


@pytest.mark.parametrize("n_channels", [1, 2])
def test_with_places_a_timbre_is_that_in_every_channel(n_channels: int) -> None:
    found = hypotheses(0, n_channels)
    candidates = candidates_of(found, FRAME, places=True)
    assert_allclose(np.linalg.norm(candidates.timbres, axis=-1), 1, rtol=1e-5)
    parts = candidates.timbres.reshape(N, S, M, n_channels, H)
    for c in range(n_channels):
        expected = found.place[..., c, None] * found.timbre
        assert_allclose(parts[..., c, :], expected, rtol=1e-6)
    assert_allclose(candidates.pitch_semitones, pitch_semitones(found.tones.f0_bins, FRAME))
    assert_allclose(candidates.loudness, found.loudness)


def test_without_places_a_timbre_is_that_of_the_tone() -> None:
    found = hypotheses(0)
    candidates = candidates_of(found, FRAME, places=False)
    assert candidates.timbres.shape == (N, S, M, H)
    assert_allclose(candidates.timbres, found.timbre, rtol=1e-5)


@given(SEEDS, st.integers(1, 3))
def test_the_dictionary_is_the_timbres_with_the_lift_undone(seed: int, n_channels: int) -> None:
    config = DictionaryConfig(n_harmonics=H)
    relative = np.random.default_rng(seed).uniform(0.1, 1, (H, M))
    relative /= relative.max(0)
    shares = np.random.default_rng(seed + 1).dirichlet(np.ones(n_channels), M)
    lifted = np.sqrt(shares[:, :, None] * relative.T[:, None])  # i, c, h
    level = np.array([3.0, 0.01])  # timbres may have any length
    timbres = torch.from_numpy((level[:, None, None] * lifted).reshape(M, -1))
    assert_close(
        dictionary_of_timbres(timbres, config).double(),
        torch.from_numpy(relative),
        rtol=1e-5,
        atol=0,
    )


def test_an_instrument_that_was_never_heard_starts_untrained() -> None:
    config = DictionaryConfig(n_harmonics=H)
    timbres = torch.zeros(M, H, dtype=torch.float64)
    timbres[0, 0] = 1
    found = dictionary_of_timbres(timbres, config)
    assert_close(found[:, 1], start_dictionary(config, M)[:, 1])
    assert_close(found[:, 0], torch.tensor([1.0] + (H - 1) * [config.start_floor]))
