"""Separation in memory: the stems and the residual add up, and the best seed is chosen."""

import numpy as np
import pytest

from musisep_cli.errors import ConfigError, InputError
from musisep_cli.methods.method import Progress
from musisep_cli.run.in_memory import Separation, separate
from tests import small_method
from tests.signals import pure_tone

RATE_HZ = 8_000


def mix() -> np.ndarray:
    tones = [pure_tone(f0_hz, duration_s=0.5, sample_rate_hz=RATE_HZ) for f0_hz in (150, 2000)]
    both: np.ndarray = 0.2 * sum(tones)
    return both


def crossed(n_seeds: int = 1, **more: object) -> Separation:
    return separate(mix(), RATE_HZ, 2, preset="crossover", seeds=n_seeds, **more)  # type: ignore[arg-type]


def test_stems_and_residual_add_up_to_the_recording() -> None:
    found = crossed()
    assert found.stems.shape == (2, len(mix()), 1)
    np.testing.assert_allclose(
        found.stems.sum(0) + found.residual, mix()[:, None], rtol=0, atol=1e-6
    )
    assert found.sum_error < 1e-6
    assert found.dictionary is None


def test_the_seed_of_the_lowest_objective_is_chosen() -> None:
    found = crossed(3, first_seed=4)  # the small method's objective falls with the seed
    assert found.chosen_seed == 6
    assert [row.seed for row in found.ranking] == [6, 5, 4]


def test_settings_reach_the_method() -> None:
    low = crossed(settings={"crossover": {"frequency_hz": 100}}).stems[1]
    high = crossed(settings={"crossover": {"frequency_hz": 2000}}).stems[1]
    assert np.square(low).sum() < 0.5 * np.square(high).sum()


def test_progress_is_told_to_the_last_block() -> None:
    told: list[Progress] = []
    crossed(on_progress=told.append)
    assert (told[-1].stage, told[-1].done) == ("filtering", small_method.N_BLOCKS)


def test_what_cannot_be_used_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown preset 'nothing'"):
        separate(mix(), RATE_HZ, 2, preset="nothing")
    with pytest.raises(InputError):
        separate(np.full(100, np.nan), RATE_HZ, 2, preset="crossover")
