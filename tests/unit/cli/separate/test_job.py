"""Job of separate: where the results of a recording go."""

from dataclasses import fields
from pathlib import Path

import torch

from musisep_cli.cli.separate.job import Job
from musisep_cli.run.folder.layout import SoundFormat
from musisep_cli.run.settings.compose import compose


def job(preset: str = "quick", **more: object) -> Job:
    given = {
        "inputs": [],
        "config": compose(preset),
        "warnings": [],
        "device": torch.device("cpu"),
        "jobs": 1,
        "out": Path("out"),
        "template": "{stem}.{ext}",
        "sound": SoundFormat(extension="flac"),
        "without": True,
        "start_s": None,
        "duration_s": None,
        "overwrite": False,
        "resume": False,
        "dry_run": False,
        "named": False,
        "page": True,
        "where": "",
        "counted": None,
        "by_number": False,
    }
    assert given.keys() == {entry.name for entry in fields(Job)}
    return Job(**{**given, **more})  # type: ignore[arg-type]


def test_a_track_s_folder_has_the_names_and_the_format_that_were_asked_for() -> None:
    folder = job().folder("mix")
    assert folder.stem("residual") == Path("out/musisep/residual.flac")
    assert folder.without_names(["instrument-1"]) == ["without-instrument-1"]
    assert folder.folder == Path("out/musisep/mix")


def test_each_number_has_a_folder_of_its_own() -> None:
    folder = job(by_number=True, config=compose("quick", {"run": {"instruments": 3}})).folder("mix")
    assert folder.folder == Path("out/musisep/mix/n-3")


def test_stems_take_the_names_of_the_parts(tmp_path: Path) -> None:
    notes = tmp_path / "notes.csv"
    notes.write_text("stem,onset_s,offset_s,midi\noboe,0,1,60\n")
    known = job(config=compose("lasso", {"pitch": {"files": [str(notes)]}}))
    assert known.folder("mix").names(1) == ["oboe"]
    assert job().folder("mix").parts == ()
