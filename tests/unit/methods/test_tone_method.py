"""Tone method: what a method says of itself where the notes are given, and where they are not."""

import json
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from musisep_cli.errors import ConfigError
from musisep_cli.methods import registry, tone_method
from musisep_cli.methods.given_pitch import MAX_PARTS, START, check_parts, is_given, part_names
from musisep_cli.players.given.by_likeness import LikeConfig
from musisep_cli.run.settings.compose import compose
from musisep_cli.tones.identity import FORMAT

PRESETS = ("standard", "structures", "lasso", "pursuit")


def settings_of(preset: str, folder: Path, n_parts: int = 6) -> object:
    path = folder / "notes.csv"
    rows = [f"part{number},0,1,{60 + number}" for number in range(n_parts)]
    path.write_text("\n".join(["stem,onset_s,offset_s,midi", *rows]))
    run = {"run": {"instruments": n_parts}, "pitch": {"files": [str(path)]}}
    return compose(preset, run).settings


@pytest.mark.parametrize("preset", PRESETS)
def test_methods_take_as_many_parts_as_are_given(preset: str, tmp_path: Path) -> None:
    method = registry.get(registry.preset(preset).method)
    settings = settings_of(preset, tmp_path)
    names = [f"part{number}" for number in range(6)]
    assert list(method.parts(settings)) == names
    assert method.most(settings) == MAX_PARTS > method.most_instruments
    assert method.start(settings) == START
    assert method.n_steps(settings) == 0
    method.check_files(settings, 6)
    with pytest.raises(ConfigError, match="--pitch holds 6 parts"):
        method.check_files(settings, 5)
    trial = method.trial(settings, 16_000, 2)
    assert not trial.settings.pitch.align
    assert trial.n_steps == 0


@pytest.mark.parametrize("preset", PRESETS)
def test_without_files_nothing_changes(preset: str) -> None:
    method = registry.get(registry.preset(preset).method)
    settings = compose(preset, {"run": {"instruments": 2}}).settings
    assert not is_given(settings)
    assert method.parts(settings) == ()
    assert method.most(settings) == method.most_instruments
    assert part_names(settings) == ()
    check_parts(settings, 2)
    with pytest.raises(ConfigError, match=r"\[run\] instruments = 7"):
        compose(preset, {"run": {"instruments": 7}})


@pytest.mark.parametrize("preset", PRESETS)
def test_only_notes_that_are_given_are_taken_as_they_are(
    preset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = registry.get(registry.preset(preset).method)
    given, found = Mock(), Mock()
    monkeypatch.setattr(tone_method, "separate_given", given)
    monkeypatch.setattr(type(method), "separate_found", found)
    method.separate(Mock(), 2, compose(preset).settings, Mock())
    assert (given.call_count, found.call_count) == (0, 1)
    method.separate(Mock(), 6, settings_of(preset, tmp_path), Mock())
    assert (given.call_count, found.call_count) == (1, 1)


def test_the_network_s_own_words_are_kept_where_tones_are_found() -> None:
    settings = compose("standard").settings
    assert registry.get("decoding").start(settings) == "from the weights that come with it"
    trained = compose("standard", {"training": {"iterations": 7}}).settings
    assert registry.get("decoding").n_steps(trained) == 7
    assert registry.get("decoding").training(trained).startswith("7 iterations")


def asking_for(preset: str, *, others: bool = False, **sections: object) -> Any:
    like = {"names": ["violin"], "others": others}
    return compose(preset, {"run": {"instruments": 2}, "like": like, **sections}).settings


@pytest.mark.parametrize("preset", PRESETS)
def test_who_is_asked_for_gives_the_stems_their_names(preset: str) -> None:
    method = registry.get(registry.preset(preset).method)
    alone, both = asking_for(preset), asking_for(preset, others=True)
    assert method.stem_names(alone, 2) == ["violin"]
    assert method.stem_names(both, 2) == ["violin", "instrument-2"]
    assert (method.has_rest(alone), method.has_rest(both)) == (True, False)
    assert list(method.stem_names(compose(preset).settings, 2)) == []
    assert method.parts(alone) == ()  # names tell no number of instruments
    assert method.trial(alone, 16_000, 1).settings.like == LikeConfig()


@pytest.mark.parametrize("preset", PRESETS)
def test_notes_and_likeness_exclude_each_other(preset: str) -> None:
    with pytest.raises(ConfigError, match="--pitch and --like, --instrument exclude each other"):
        asking_for(preset, pitch={"files": ["notes.csv"]})


@pytest.mark.parametrize("preset", PRESETS)
def test_what_is_known_of_an_instrument_reaches_the_search_and_chooses(
    preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = registry.get(registry.preset(preset).method)
    found, choose = Mock(), Mock()
    monkeypatch.setattr(type(method), "separate_found", found)
    monkeypatch.setattr(tone_method.given_like, "chosen", choose)
    settings = asking_for(preset)
    method.separate(Mock(), 2, settings, Mock())
    ((portraits,),) = [found.call_args.args[-1]]
    assert {portrait.origin.split(",")[0] for portrait in portraits} == {"the table's violin"}
    assert choose.call_args.args[:2] == (found.return_value, settings.like)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_short_solo_is_warned_of_whatever_else_is(preset: str, tmp_path: Path) -> None:
    path = tmp_path / "flute.json"
    row = {"midi": 72, "heard_s": 2.0, "level_db": [-1.0], "spread_db": [1.0]}
    path.write_text(json.dumps({"format": FORMAT, "pitches": [row]}))
    like = {"names": ["flute"], "files": [str(path)]}
    method = registry.get(registry.preset(preset).method)
    settings = compose(preset, {"run": {"instruments": 2}, "like": like}).settings
    for n_seeds in (1, 9):
        told = method.warnings(settings, n_seeds)
        assert "holds only 2.0 s of clear single tones of flute" in told[0]
        # The dictionaries of pursuit depend on the seed: there several are worth their time.
        is_wasted = n_seeds > 1 and preset != "pursuit"
        assert len(told) == (2 if is_wasted else 1)
