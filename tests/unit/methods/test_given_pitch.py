"""Given pitch: what methods say of themselves where the notes are known."""

from pathlib import Path

import pytest

from musisep_cli.errors import ConfigError, InputError
from musisep_cli.methods import registry
from musisep_cli.methods.given_pitch import MAX_PARTS, START, check_parts, is_given, part_names
from musisep_cli.run.settings.compose import compose

PRESETS = ("standard", "structures", "lasso")


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
    with pytest.raises(ConfigError, match=r"\[run\] instruments = 6"):
        compose(preset, {"run": {"instruments": 6}})


def test_a_gpu_does_not_train_where_the_notes_are_given(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    path.write_text("stem,onset_s,offset_s,midi\na,0,1,60\n")
    config = compose("standard", {"pitch": {"files": [str(path)]}}, on_gpu=True)
    assert config.settings.training.iterations == 0
    told = registry.get("decoding").without_effect(config.settings)
    assert {"--iterations", "--no-decode", "--init-dictionary"} <= told.keys()


def test_a_missing_file_is_an_input_error() -> None:
    settings = compose("lasso", {"pitch": {"files": ["/nowhere/notes.csv"]}}).settings
    with pytest.raises(InputError, match="cannot be read"):
        part_names(settings)


def test_what_the_notes_leave_no_room_for_is_refused_or_told() -> None:
    given = {"pitch": {"files": ["notes.csv"]}}
    with pytest.raises(ConfigError, match="sound = 'faithful'"):
        compose("structures", {**given, "structures": {"sound": "faithful"}})
    told = registry.get("lasso").without_effect(compose("lasso", given).settings)
    assert told.keys() == {"--init-dictionary"}
    assert not registry.get("lasso").without_effect(compose("lasso").settings)
