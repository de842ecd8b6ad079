"""Configuration: the settings as values that a manifest can hold."""

import json

import pytest

from musisep_cli.run.settings.compose import compose
from musisep_cli.run.settings.config import RunConfig, largest


def test_the_seeds_are_consecutive_from_the_first() -> None:
    assert list(RunConfig(seeds=3, first_seed=7).all_seeds) == [7, 8, 9]


def test_the_settings_as_json_are_the_sections_of_a_toml_file() -> None:
    content = compose("quick", {"network": {"strides": [4, 4, 4, 4, 4, 3]}}).to_json()
    assert content == json.loads(json.dumps(content))
    assert content["preset"] == "quick"
    assert content["network"]["strides"] == [4, 4, 4, 4, 4, 3]
    assert {"run", "frame", "dictionary", "training"} <= content.keys()


def test_the_largest_number_of_a_setting_is_the_one_that_is_accepted() -> None:
    assert compose("quick", {"run": {"seeds": largest("seeds")}}).run.seeds == largest("seeds")
    with pytest.raises(StopIteration):
        largest("no_such_setting")
