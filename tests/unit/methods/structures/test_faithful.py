"""Faithful sound: what the stems leave of a frame, as a share of its energy."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from musisep_cli.methods.structures.faithful import PlayedPitches, unexplained
from tests.small import random_spectra


@given(st.integers(0, 2**20), st.floats(0, 1))
def test_what_is_left_of_a_part_is_the_square_of_the_rest(seed: int, part: float) -> None:
    spectra = random_spectra(3, 20, seed=seed)
    assert_close(unexplained(spectra, part * spectra), torch.full((3,), (1 - part) ** 2).double())


def test_silence_leaves_nothing() -> None:
    silence = torch.zeros(2, 5, dtype=torch.complex64)
    assert unexplained(silence, silence).tolist() == [0, 0]


@pytest.mark.parametrize("level", [1e-6, 1e3])
def test_the_level_does_not_matter(level: float) -> None:
    spectra, explained = random_spectra(3, 20), random_spectra(3, 20, seed=1)
    assert_close(unexplained(level * spectra, level * explained), unexplained(spectra, explained))


def test_pitches_of_a_block_are_rows() -> None:
    pitches = PlayedPitches(torch.arange(6.0).reshape(3, 2))
    assert len(pitches) == 3
    assert pitches[1:].f0_bins.tolist() == [[2, 3], [4, 5]]
