"""Compiled timbre: the formulas of ``timbre`` as array operations give the same."""

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from musisep_cli.tones.compiled_timbre import BACKGROUND, add_sums, misfits, updated_levels

N_ROWS, N_HARMONICS = 9, 4
SEEDS = st.integers(0, 2**20)
Reals: TypeAlias = NDArray[np.floating[Any]]


class Scene(NamedTuple):
    """Random frames: which row of the table every tone has, and what is heard where."""

    table: Reals
    rows: NDArray[np.int64]
    strength: Reals
    nearest: NDArray[np.uint8]
    overlap: Reals

    @property
    def templates(self) -> Reals:
        """B of (1), [n, t, j]."""
        return self.table[self.rows[..., None], self.nearest] * self.overlap

    @property
    def background(self) -> Reals:
        """Of every frame, [n, 1]."""
        return BACKGROUND * self.strength.max(1, keepdims=True)

    def model(self, levels: Reals) -> Reals:
        """(1), [n, j]."""
        return np.einsum("nt,ntj->nj", levels, self.templates) + self.background


def scene(seed: int, n_tones: int) -> Scene:
    generator = np.random.default_rng(seed)
    n_frames, n_places = 3, n_tones * N_HARMONICS
    overlap = generator.random((n_frames, n_tones, n_places))
    overlap[0, -1] = 0  # a tone that is off
    return Scene(
        generator.uniform(0.01, 1, (N_ROWS, N_HARMONICS)),
        generator.integers(0, N_ROWS, (n_frames, n_tones)),
        generator.random((n_frames, n_places)),
        generator.integers(0, N_HARMONICS, overlap.shape).astype(np.uint8),
        overlap,
    )


@given(SEEDS, st.integers(1, 4), st.integers(0, 5))
def test_levels_are_updated_as_the_formula_says(seed: int, n_tones: int, n_updates: int) -> None:
    given_ = scene(seed, n_tones)
    start = np.random.default_rng(seed).uniform(0.1, 1, given_.rows.shape)
    levels, templates = start.copy(), given_.templates
    totals = templates.sum(2)
    for _ in range(n_updates):
        ratio = (given_.strength + given_.background) / given_.model(levels)
        levels = levels * (templates * ratio[:, None]).sum(2) / np.maximum(totals, 1e-12)  # (3)
    found = updated_levels(*given_, start, n_updates)
    assert_allclose(found, levels * (totals > 0), rtol=1e-9)
    assert found[0, -1] == 0


@given(SEEDS, st.integers(1, 4))
def test_misfits_are_divergences_at_the_best_levels(seed: int, n_tones: int) -> None:
    given_ = scene(seed, n_tones)
    frames = np.array([2, 0, 1, 2])
    players = np.random.default_rng(seed).integers(0, N_ROWS, (4, n_tones))
    taken = Scene(given_.table, players, *(values[frames] for values in given_[2:]))
    start = np.repeat(taken.strength.max(1, keepdims=True), n_tones, 1)
    model = taken.model(updated_levels(*taken, start, 15))
    seen = taken.strength + taken.background
    divergence = (seen * np.log(seen / model) - seen + model).sum(1)  # (2)
    found = misfits(given_.table, frames, players, *given_[2:], 15)
    assert_allclose(found, divergence / seen.sum(1), rtol=1e-9)


@given(SEEDS, st.integers(1, 4))
def test_sums_of_the_table_are_those_of_the_formula(seed: int, n_tones: int) -> None:
    given_ = scene(seed, n_tones)
    levels = np.random.default_rng(seed).random(given_.rows.shape)
    ratio = (given_.strength + given_.background) / given_.model(levels)
    expected = np.ones((2, N_ROWS, N_HARMONICS))  # what was there is kept
    each = levels[..., None] * np.stack([given_.templates * ratio[:, None], given_.overlap])
    place = np.broadcast_to(given_.rows[..., None], given_.nearest.shape), given_.nearest
    for sums, values in zip(expected, each, strict=True):
        np.add.at(sums, place, values)
    found = np.ones_like(expected)
    add_sums(*given_, levels, *found)
    assert_allclose(found, expected, rtol=1e-9)
