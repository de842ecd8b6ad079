"""The policy as the house sees it: how long is trained, and which flags change nothing."""

import pytest

from musisep_cli.methods.policy.method import METHOD, TRIAL_STEPS
from musisep_cli.run.settings.compose import compose


def test_from_three_instruments_on_is_trained_longer() -> None:
    settings = METHOD.settings()
    assert METHOD.completed(settings, 2, on_gpu=False) is settings
    three = METHOD.completed(settings, 3, on_gpu=True)
    assert three.training.iterations == settings.training.iterations_from_three
    assert METHOD.n_steps(three) > METHOD.n_steps(settings)


def test_training_is_told_before_and_after() -> None:
    settings = compose("quick", {"training": {"iterations": 100, "batch_size": 8}}).settings
    assert METHOD.training(settings) == "100 iterations of 8 frames"
    assert METHOD.training(settings, 100) == "100 steps of 8 frames"
    assert METHOD.training(settings, 40) == "40 of 100 steps of 8 frames"


def test_the_trial_trains_a_few_steps_and_tells_the_whole() -> None:
    settings = compose("quick", {"training": {"iterations": 100}}).settings
    trial = METHOD.trial(settings, 16_000, 1)
    assert (trial.settings.training.iterations, trial.n_steps) == (TRIAL_STEPS, 100)


@pytest.mark.parametrize("preset", ["quick", "paper"])
def test_no_decode_has_no_effect(preset: str) -> None:
    assert set(METHOD.without_effect(compose(preset).settings)) == {"--no-decode"}


def test_it_starts_from_scratch_unless_weights_are_named() -> None:
    assert METHOD.start(compose("quick").settings) == "from scratch"
    assert METHOD.start(compose("standard").settings) == "from the weights that come with it"
