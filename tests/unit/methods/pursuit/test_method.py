"""Sparse pursuit as the house sees it: what is trained, and what a frozen dictionary needs."""

import pytest

from musisep_cli.errors import ConfigError
from musisep_cli.methods.pursuit.method import METHOD, TRIAL_FRAMES, TRIAL_STEPS
from musisep_cli.methods.pursuit.settings import PursuitSettings
from musisep_cli.run.settings.compose import compose

FROZEN = {"dictionary": {"frozen": True, "init_file": "d.json"}}


def settings(**training: int) -> PursuitSettings:
    found: PursuitSettings = compose("pursuit", {"training": training}).settings
    return found


def test_a_frozen_dictionary_must_be_given_and_is_not_trained() -> None:
    with pytest.raises(ConfigError, match=r"frozen = true: there is no dictionary to keep"):
        compose("pursuit", {"dictionary": {"frozen": True}})
    kept = compose("pursuit", FROZEN).settings
    assert (METHOD.n_steps(kept), METHOD.training(kept)) == (0, "no training")
    assert "--iterations" in METHOD.without_effect(kept)
    assert METHOD.start(kept) == "from a given dictionary"


def test_every_dictionary_is_trained_as_long() -> None:
    several = settings(iterations=100, dictionaries=3)
    assert METHOD.n_steps(several) == 300
    assert (
        METHOD.training(several) == "the best of 3 dictionaries, 100 iterations of one frame each"
    )
    assert METHOD.training(several, 40) == "40 of 300 iterations of one frame"
    assert METHOD.training(settings(iterations=7, dictionaries=1)) == "7 iterations of one frame"


def test_the_trial_learns_one_dictionary_a_little() -> None:
    trial = METHOD.trial(settings(iterations=10_000, dictionaries=3), 16_000, 1)
    assert trial.n_steps == 30_000
    assert METHOD.n_steps(trial.settings) == TRIAL_STEPS


def test_the_trial_follows_harmonics_where_tones_are_decoded() -> None:
    decoded = METHOD.trial(settings(), 16_000, 2)
    masked = METHOD.trial(compose("pursuit", {"pursuit": {"sound": "masked"}}).settings, 16_000, 2)
    assert decoded.n_frames > masked.n_frames == TRIAL_FRAMES


def test_seven_instruments_are_too_many() -> None:
    with pytest.raises(
        ConfigError, match="pursuit serves 1 to 6 instruments; 6 are the most without the notes"
    ):
        compose("pursuit", {"run": {"instruments": 7}})
