"""Configuration of separate: preset, file and flags to settings; warnings of what is in vain."""

from pathlib import Path
from typing import Any

import pytest
import torch

from musisep_cli.cli.separate.configure import configure
from musisep_cli.errors import ConfigError, InputError
from musisep_cli.run.settings.config import Config


def configured(
    instruments: int | None = 2,
    flags: dict[str, Any] | None = None,
    preset: str | None = None,
    file: Path | None = None,
) -> tuple[Config, list[str]]:
    return configure(
        {"instruments": instruments, "seeds": None},
        flags or {},
        preset=preset,
        file=file,
        device=torch.device("cpu"),
    )


def test_without_a_preset_the_number_of_instruments_chooses_and_a_caution_is_told(
    tmp_path: Path,
) -> None:
    assert configured(2) == (configured(2, preset="standard")[0], [])
    file = tmp_path / "seven.toml"
    file.write_text("[policy]\nexponents = [1.0]\n")
    config, warnings = configured(7, file=file)
    assert config.preset == "quick"
    assert "preset quick was chosen, as standard serves up to 6 instruments" in warnings[0]


def test_the_number_of_instruments_is_needed() -> None:
    with pytest.raises(ConfigError, match=r"is missing: give it as -n, 1 to 16"):
        configured(None)


def test_a_flag_is_stronger_than_the_file_and_the_file_than_the_preset(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('preset = "quick"\n[run]\ninstruments = 3\n[training]\niterations = 7\n')
    assert configured(None, file=file)[0].run.instruments == 3
    config, _ = configured(2, {"--iterations": 9, "--batch-size": None}, file=file)
    assert (config.preset, config.run.instruments) == ("quick", 2)
    assert config.settings.training.iterations == 9


def test_a_method_in_the_file_chooses_its_first_preset(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[run]\nmethod = "lasso"\n')
    assert configured(file=file)[0].run.method == "lasso"


def test_a_mistake_is_said_of_the_file_only_if_it_is_the_file_s(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[training]\niteration = 7\n")
    with pytest.raises(ConfigError, match=r"^/.*mine\.toml: unknown setting 'iteration'"):
        configured(file=file)
    file.write_text("")
    with pytest.raises(ConfigError, match=r"^\[run\] instruments = 17"):
        configured(17, file=file)


def test_flags_in_vain_are_told() -> None:
    _, warnings = configured(2, {"--no-decode": True}, preset="quick")
    assert warnings[0].startswith("--no-decode has no effect: preset quick does not decode")


def test_the_parts_of_a_file_say_how_many_instruments_there_are(tmp_path: Path) -> None:
    notes = tmp_path / "notes.csv"
    rows = [f"part{number},0,1,{60 + number}" for number in range(5)]
    notes.write_text("\n".join(["stem,onset_s,offset_s,midi", *rows]))
    config, warnings = configured(None, {"--pitch": [str(notes)]})
    assert (config.preset, config.run.instruments, warnings) == ("standard", 5, [])
    assert config.settings.pitch.files == (str(notes),)
    assert configured(5, {"--pitch": [str(notes)]})[0] == config
    _, warnings = configured(2, {"--pitch": [str(notes)]}, preset="quick")
    assert warnings == ["--pitch has no effect: preset quick has no such setting"]
    with pytest.raises(InputError, match="cannot be read"):
        configured(None, {"--pitch": [str(tmp_path / "none.csv")]})
