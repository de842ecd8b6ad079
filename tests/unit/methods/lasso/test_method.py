"""The lasso as the house sees it: what does not go together, and what a seed is worth."""

from typing import Any

import pytest

from musisep_cli.errors import ConfigError
from musisep_cli.methods.lasso.method import METHOD
from musisep_cli.run.settings.compose import compose


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"run": {"instruments": 5}},
            r"instruments = 5: .* 1 to 4 instruments; use --preset standard, which serves up to 6",
        ),
        ({"dictionary": {"n_harmonics": 2}}, "n_harmonics = 2: must be 3 to 256"),
        ({"certificate": {"lowest_hz": 5000.0, "highest_hz": 50.0}}, "must be below highest_hz"),
        ({"path": {"shares": [0.1, 0.5]}}, "must be numbers below 1 that fall"),
        ({"path": {"shares": [1.0]}}, "must be numbers below 1 that fall"),
        ({"path": {"shares": []}}, "must be numbers below 1 that fall"),
        ({"lasso": {"hops": 7}}, r"\[lasso\] hops = 7: must divide"),
        ({"frame": {"hop_zetas": 2.5}}, r"too short for \[frame\] hop_zetas"),
    ],
)
def test_what_does_not_go_together_is_told(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        compose("lasso", settings)


def test_seeds_are_worth_nothing_and_that_is_said() -> None:
    assert METHOD.warnings(METHOD.settings(), 1) == []
    assert METHOD.warnings(METHOD.settings(), 3)[0].startswith("3 seeds take 3 times")


def test_it_says_what_it_starts_from() -> None:
    given = compose("lasso", {"dictionary": {"init_file": "d.json"}}).settings
    assert METHOD.start(METHOD.settings()) == "without a network"
    assert METHOD.start(given).endswith("from a given dictionary")


def test_a_dictionary_that_is_not_there_is_found_before_the_work() -> None:
    given = compose("lasso", {"dictionary": {"init_file": "/nowhere/d.json"}}).settings
    with pytest.raises(Exception, match=r"/nowhere/d\.json"):
        METHOD.check_files(given, 2)
