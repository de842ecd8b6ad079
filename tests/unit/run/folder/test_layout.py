"""Run folder: one file per stem, all inside the output folder."""

import os
from pathlib import Path

import pytest

from musisep_cli.errors import ConfigError, OutputError
from musisep_cli.run.folder.layout import RunFolder, SoundFormat, found_at, prepare


def test_files_lie_under_the_names_that_the_documentation_promises() -> None:
    folder = RunFolder(
        out=Path("out"), track="a/mix", without=True, sound=SoundFormat(extension="flac")
    )
    assert folder.stem("residual") == Path("out/musisep/a/mix/residual.flac")
    assert folder.picture("mix") == Path("out/musisep/a/mix/mix.png")
    assert folder.manifest == Path("out/musisep/a/mix/manifest.json")
    assert folder.seed(7) == Path("out/musisep/a/mix/seeds/007")
    assert folder.without_names(["a", "b"]) == ["without-a", "without-b"]
    assert RunFolder(out=Path("out"), track="mix").without_names(["a", "b"]) == []


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{track}.{ext}", "{stem} and {ext} are needed"),
        ("{stem}.{ext}{day}", "nothing else in braces"),
        ("{stem:3}.{ext}", "nothing else in braces"),
        ("{stem!r}.{ext}", "nothing else in braces"),
        ("{stem", "--filename"),
        ("../{stem}.{ext}", "leads out of the output folder"),
        ("/{stem}.{ext}", "leads out of the output folder"),
    ],
)
def test_a_template_that_does_not_do_is_refused(template: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        RunFolder(out=tmp_path, track="mix", template=template).check()
    assert words in str(caught.value)


def test_a_template_may_sort_by_stem(tmp_path: Path) -> None:
    folder = RunFolder(out=tmp_path, track="mix", template="{stem}/{track}.{ext}")
    prepare(folder, 2, 1)
    assert sorted(path.name for path in folder.root.iterdir()) == [
        "instrument-1",
        "instrument-2",
        "mix",
        "residual",
    ]


def test_a_folder_in_the_place_of_a_stem_is_found_before_the_work(tmp_path: Path) -> None:
    folder = RunFolder(out=tmp_path, track="mix")
    folder.stem("instrument-2").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"instrument-2\.wav: is a folder"):
        prepare(folder, 2, 1)


def test_a_name_that_is_too_long_is_found_before_the_work(tmp_path: Path) -> None:
    folder = RunFolder(out=tmp_path, track="mix", template="{stem}" + "x" * 300 + ".{ext}")
    with pytest.raises(OutputError, match="cannot be written"):
        prepare(folder, 1, 1)


@pytest.mark.parametrize(
    ("track", "template"),
    [("mix", "{track}/{stem}.{ext}"), ("a/b/mix", "{stem}/{track}.{ext}"), ("mix", "{stem}.{ext}")],
)
def test_a_finished_run_is_found_from_its_folder(tmp_path: Path, track: str, template: str) -> None:
    sound = SoundFormat(subtype="int16", extension="flac")
    folder = RunFolder(out=tmp_path, track=track, template=template, sound=sound, group="moved")
    names = ("instrument-1", "residual")
    manifest = {
        "output": {"filename": template, "format": "flac", "subtype": "int16"},
        "stems": [{"name": name} for name in names],
        "files": [os.path.relpath(folder.stem(name), folder.folder) for name in names],
    }
    found = found_at(folder.folder, manifest)
    assert found is not None
    assert [found.stem(name) for name in names] == [folder.stem(name) for name in names]
    assert (found.folder, found.sound) == (folder.folder, sound)
    assert (found.residual, found.named) == ("residual", False)
    assert found_at(folder.folder, {**manifest, "files": ["elsewhere/a.flac"]}) is None


def test_a_finished_run_of_who_was_asked_for_has_a_rest(tmp_path: Path) -> None:
    folder = RunFolder(out=tmp_path, track="mix", parts=("oboe",), residual="rest", named=True)
    stems = [{"name": name} for name in (*folder.names(1), folder.residual)]
    manifest = {
        "output": {"filename": folder.template, "format": "wav", "subtype": "float32"},
        "stems": stems,
        "files": ["oboe.wav", "rest.wav", "oboe.json"],
        "named": True,
    }
    found = found_at(folder.folder, manifest)
    assert found is not None
    assert (found.residual, found.named) == ("rest", True)
    assert found.identity("oboe") == folder.folder / "oboe.json"


def test_stems_have_the_names_of_parts_that_are_known() -> None:
    folder = RunFolder(out=Path("out"), track="mix", without=True, parts=("oboe", "horn"))
    assert folder.names(2) == ["oboe", "horn"]
    assert folder.without_names(folder.names(2)) == ["without-oboe", "without-horn"]
    assert RunFolder(out=Path("out"), track="mix").names(2) == ["instrument-1", "instrument-2"]
