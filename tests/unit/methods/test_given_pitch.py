"""Given pitch: what methods say of themselves where the notes are known."""

from pathlib import Path

import pytest

from musisep_cli.errors import ConfigError, InputError
from musisep_cli.methods import registry
from musisep_cli.methods.given_pitch import part_names
from musisep_cli.run.settings.compose import compose


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
