from pathlib import Path

import pytest

from musisep_cli.cli.inputs import Source, expand

LONG = "x" * 200


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def tracks(sources: list[Source]) -> dict[str, str]:
    """Name of the file -> name of the track."""
    return {source.path.name: source.track for source in sources if source.error is None}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of every test here."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def search(*arguments: str) -> list[Source]:
    return expand(arguments, Path("separated", "musisep"))


@pytest.mark.parametrize(
    ("name", "track"),
    [
        ("mix.wav", "mix"),
        ("a b é 🎻.flac", "a b é 🎻"),
        ("-n.mp3", "-n"),
        ('it\'s "it".wav', 'it\'s "it"'),
        (f"{LONG}.wav", LONG),
        ("no suffix", "no suffix"),
        ("two.dots.wav", "two.dots"),
        ("...wav", "...wav"),  # its stem is the folder above
        ("take[1].wav", "take[1]"),
        ("{track}.wav", "{track}"),
    ],
)
def test_a_file_is_named_by_its_stem(here: Path, name: str, track: str) -> None:
    make(here, name)
    assert search(name) == [Source(Path(name), track)]


def test_a_folder_is_searched_for_sound_files(here: Path) -> None:
    make(here, "in/b.WAV", "in/a/c.flac", "in/a/d.mp3", "in/notes.txt", "in/._b.wav", "in/.x/e.wav")
    assert [source.track for source in search("in")] == ["b", "a/c", "a/d"]


def test_results_are_no_inputs(here: Path) -> None:
    make(here, "mix.wav", "separated/musisep/mix/instrument-1.wav")
    make(here, "old/musisep/x/residual.wav", "old/musisep/x/seeds/000/seed.json")
    make(here, "older/musisep/y/residual.wav")
    (here / "older/musisep/y/manifest.json").write_text('{"format": "musisep-manifest-1"}')
    assert [source.track for source in search(".")] == ["mix"]
    assert [source.track for source in search("mix.wav", "separated")] == ["mix"]
    assert [source.track for source in search("*.wav", "s*")] == ["mix"]


def test_the_output_folder_may_be_that_of_the_recordings(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(here, "in/mix.wav", "in/deep/duo.flac", "in/musisep/mix/instrument-1.wav")
    for folder in ("in", "in/"):
        assert [s.track for s in expand([folder], Path("in", "musisep"))] == ["mix", "deep/duo"]
    monkeypatch.chdir(here / "in")
    assert [s.track for s in expand(["."], Path("musisep"))] == ["mix", "deep/duo"]


def test_patterns_that_the_shell_left(here: Path) -> None:
    make(here, "in/a.wav", "in/b.wav", "in/deep/c.wav", "d.wav")
    assert [source.track for source in search("in/*.wav")] == ["a", "b"]
    assert [source.track for source in search("in/**/*.wav")] == ["a", "b", "c"]
    assert [source.track for source in search(str(here / "*.wav"))] == ["d"]
    assert [source.track for source in search("i[n]")] == ["a", "b", "deep/c"]


def test_a_file_is_taken_once(here: Path) -> None:
    make(here, "in/a.wav", "in/b.wav")
    (here / "link.wav").symlink_to(here / "in" / "b.wav")
    assert [s.track for s in search("in/b.wav", "in", "in/*.wav", "link.wav")] == ["b", "a"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a/mix.wav", "b/mix.wav"], ["a/mix", "b/mix"]),
        (["a/mix.wav", "a/mix.flac"], ["mix.wav", "mix.flac"]),
        (["a/mix.wav", "a/mix.flac", "b/mix.wav"], ["a/mix.wav", "a/mix.flac", "b/mix.wav"]),
        (["x/a/mix.wav", "y/a/mix.wav"], ["a/mix.wav", "a/mix.wav-2"]),
        (["a/Mix.wav", "b/mix.wav", "c/é.wav", "d/e\u0301.wav"], ["a/Mix", "b/mix", "c/é", "d/é"]),
    ],
)
def test_equal_names_are_told_apart(here: Path, names: list[str], expected: list[str]) -> None:
    make(here, *names)
    found = [source.track.replace("e\u0301", "é") for source in search(*names)]
    assert found == expected


def test_a_name_told_apart_does_not_meet_another(here: Path) -> None:
    make(here, "a/mix.wav", "b/mix.wav", "in/a/mix.wav")
    found = [source.track for source in search("a/mix.wav", "b/mix.wav", "in")]
    assert len(set(found)) == 3


def test_folders_with_equal_contents(here: Path) -> None:
    make(here, "a/x/mix.wav", "b/x/mix.wav")
    assert [source.track for source in search("a", "b")] == ["a/x/mix", "b/x/mix"]


def test_what_leads_nowhere_is_an_error_of_its_own(here: Path) -> None:
    make(here, "good.wav", "empty/notes.txt")
    found = search("empty", "*.flac", "good.wav", "missing.wav")
    assert tracks(found) == {"good.wav": "good", "missing.wav": "missing"}
    errors = {str(source.path): source.error for source in found if source.error}
    assert "holds no sound files" in str(errors["empty"])
    assert "no file matches" in str(errors["*.flac"])
