"""Settings: a preset, a file and flags in; checked settings, or an error in words, out."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from musisep_cli.errors import ConfigError
from musisep_cli.methods import registry
from musisep_cli.run.settings.compose import (
    Given,
    compose,
    given_files,
    read_settings,
    remembered,
    resolved,
)


def test_the_last_change_is_the_strongest() -> None:
    config = compose("paper", {"training": {"iterations": 5}}, {"training": {"iterations": 6}})
    assert config.settings.training.iterations == 6


@pytest.mark.parametrize("preset", sorted(registry.presets()))
def test_a_manifest_gives_back_the_settings_of_every_preset(preset: str) -> None:
    config = compose(preset, {"run": {"seeds": 3}})
    content = json.loads(json.dumps(config.to_json()))
    assert remembered(content) == config
    again = dict(content)
    assert compose(again.pop("preset"), again) == config


def test_an_earlier_version_s_manifest_may_hold_settings_that_there_are_no_more() -> None:
    content = compose("standard").to_json()
    content["forgotten"] = {"a": 1}
    content["dictionary"]["forgotten"] = 1
    content["dictionary"]["n_harmonics"] = 17
    del content["run"]["method"], content["search"], content["decoding"]["over_time"]
    config = remembered(content)
    assert config.run.method == "decoding"
    assert config.settings.dictionary.n_harmonics == 17
    assert config.settings.decoding == compose("standard").settings.decoding


def test_a_manifest_of_an_unknown_preset_or_value_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown preset 'None'"):
        remembered({})
    with pytest.raises(ConfigError, match=r"\[run\] seeds = 'two': must be a whole number"):
        remembered({"preset": "quick", "run": {"seeds": "two"}})


def test_the_method_follows_from_the_preset_and_cannot_contradict_it() -> None:
    assert compose("quick", {"run": {"method": "policy"}}).run.method == "policy"
    with pytest.raises(
        ConfigError, match=r"method = 'lasso': preset quick is of the method policy"
    ):
        compose("quick", {"run": {"method": "lasso"}})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"trainning": {}}, r"unknown section \[trainning\]; did you mean 'training'"),
        ({"training": {"iteration": 1}}, r"unknown setting 'iteration' in \[training\]; did you"),
        ({"zzz": {}}, "known are run, "),
        ({"training": 3}, r"\[training\] must be a section of settings, not 3"),
        ({"run": {"seeds": True}}, "must be a whole number"),
        ({"run": {"seeds": 2**60}}, r"a number beyond 2\^53 is too large"),
        ({"run": {"precision": "half"}}, "must be one of 'auto', 'float32', 'bfloat16'"),
        ({"dictionary": {"frozen": 1}}, "must be true or false"),
        ({"frame": {"zeta_s": "long"}}, "must be a number"),
        ({"network": {"strides": 4}}, "must be a list of numbers"),
        ({"dictionary": {"init_file": 5}}, "must be a text"),
        ({"run": {"instruments": 17}}, r"instruments = 17: must be 1 to 16"),
    ],
)
def test_what_cannot_be_used_is_told_in_words(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        compose("quick", settings)


def test_what_somebody_chose_counts_more_than_what_the_number_of_instruments_says() -> None:
    chosen = compose("standard", {"frame": {"hop_zetas": 0.5}}, {"run": {"instruments": 2}})
    assert chosen.settings.frame.hop_zetas == 0.5
    assert compose("standard", {"run": {"instruments": 2}}).settings.frame.hop_zetas == 1.0


def test_the_method_completes_how_long_is_trained_unless_somebody_chose_it() -> None:
    three = {"run": {"instruments": 3}}
    usual = compose("paper").settings.training.iterations
    assert compose("paper", three).settings.training.iterations > usual
    assert (
        compose("paper", three, {"training": {"iterations": 9}}).settings.training.iterations == 9
    )


def test_auto_is_replaced_by_what_the_machine_takes() -> None:
    assert resolved(compose("quick"), torch.device("cpu")).run.precision in ("float32", "bfloat16")


def test_names_of_files_are_meant_from_the_file_that_holds_them(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('preset = "standard"\n[dictionary]\ninit_file = "d.json"\nn_harmonics = 9\n')
    given = read_settings(path)
    anchored = given.anchored("standard")
    assert given.preset == "standard"
    assert anchored == {"dictionary": {"init_file": str(tmp_path / "d.json"), "n_harmonics": 9}}
    named = list(given_files(compose("standard", anchored).settings))
    assert named == [("dictionary", "init_file", str(tmp_path / "d.json"))]


def test_texts_that_name_no_file_and_sections_that_are_none_stay_as_they_are(
    tmp_path: Path,
) -> None:
    settings: dict[str, Any] = {"dictionary": {"init_file": ""}, "training": 3, "other": {"a": "b"}}
    assert Given(None, settings, tmp_path).anchored("standard") == settings


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.toml", "a = ", "not a valid .toml file"),
        ("a.json", "{", "not a valid .json file"),
        ("a.json", "[" * 100_000, "not a valid .json file"),
        ("a.json", "{}", "holds no settings"),
        ("a.toml", "preset = 3", "'preset' must be one of standard"),
    ],
)
def test_a_file_that_holds_no_settings_is_refused(
    tmp_path: Path, name: str, text: str, words: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_settings(tmp_path / name)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read \(No such file.*give a TOML file"):
        read_settings(tmp_path / "nowhere.toml")


def test_of_a_list_of_files_each_is_meant_from_the_file_that_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[pitch]\nfiles = ["a.csv", "/b.csv"]\n')
    anchored = read_settings(path).anchored("standard")
    assert anchored == {"pitch": {"files": [str(tmp_path / "a.csv"), "/b.csv"]}}
    named = list(given_files(compose("standard", anchored).settings))
    assert named == [("pitch", "files", str(tmp_path / "a.csv")), ("pitch", "files", "/b.csv")]
    with pytest.raises(ConfigError, match=r"\[pitch\] files = 'a': must be a list of texts"):
        compose("standard", {"pitch": {"files": "a"}})
