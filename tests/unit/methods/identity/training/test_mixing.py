"""Mixing: a batch is a number, a mixture is its parts, an excerpt is of the target's instrument."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from musisep_cli.errors import ConfigError
from musisep_cli.methods.identity.training.mixing import RMS, Mixer, MixingConfig
from tests.unit.methods.identity.training.small_pool import N_PIECES

CONFIG = MixingConfig(duration_s=1.0, n_mixtures=3, most_parts=3)


def mixer(folder: Path, config: MixingConfig = CONFIG) -> Mixer:
    return Mixer(folder, N_PIECES, config, seed=3)


def test_a_batch_depends_on_its_number_alone(small_music: Path) -> None:
    one, other = mixer(small_music), mixer(small_music)
    one.batch(1)
    for name, value in vars(one.batch(2)).items():
        np.testing.assert_array_equal(value, getattr(other.batch(2), name))
    assert np.abs(one.batch(2).mixture - one.batch(3).mixture).max() > 0.01


def test_mixtures_have_their_level_and_their_excerpts_are_not_the_target(small_music: Path) -> None:
    batch = mixer(small_music).batch(1)
    assert batch.mixture.shape == batch.target.shape == batch.excerpt.shape == (6, 16_000)
    np.testing.assert_allclose(np.square(batch.mixture).mean(1) ** 0.5, RMS, rtol=1e-4)
    assert np.abs(batch.excerpt - batch.target).max(1).min() > 0.01
    assert {value.dtype for value in vars(batch).values()} == {np.dtype("f4"), np.dtype("i8")}


def test_two_questions_of_a_mixture_of_two_add_up_to_it(small_music: Path) -> None:
    config = replace(CONFIG, most_parts=2, absent=0, noise_db=(-200.0, -199.0))
    batch = mixer(small_music, config).batch(1)
    np.testing.assert_array_equal(batch.mixture[0], batch.mixture[1])
    np.testing.assert_allclose(batch.target[0] + batch.target[1], batch.mixture[0], atol=1e-5)


def test_an_absent_instrument_has_a_silent_target_and_a_sounding_excerpt(small_music: Path) -> None:
    batch = mixer(small_music, replace(CONFIG, absent=1.0)).batch(1)
    assert not batch.target.any()
    assert np.square(batch.excerpt).mean(1).min() > 0.1


def test_missing_pieces_are_said_with_the_command_that_makes_them(small_music: Path) -> None:
    with pytest.raises(ConfigError, match="holds 2 pieces of 9; make the others first"):
        Mixer(small_music, 9, CONFIG, seed=0)
