"""Readers of files from outside: whatever they hold, a value or an error of a line or two.

Audio headers are fuzzed in test_audio.py, checkpoints in test_checkpoint.py.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from musisep_cli.cli.separate.configure import configure
from musisep_cli.errors import ConfigError, DictionaryError, MusisepError, OutputError
from musisep_cli.run.folder import made_seeds, manifest
from musisep_cli.run.folder.differences import Manifest
from musisep_cli.run.folder.layout import RunFolder
from musisep_cli.run.folder.manifest import FORMAT
from musisep_cli.run.settings.compose import compose
from musisep_cli.run.settings.config import Config
from musisep_cli.tones import dictionary

Flags: TypeAlias = tuple[dict[str, int], dict[str, int]]
LONGEST_MESSAGE = 2  # lines

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def section_names() -> list[str]:
    return [*compose("standard").to_json(), "else"]


def keys_of(section: str) -> st.SearchStrategy[str]:
    known = compose("standard").to_json().get(section, {})
    return st.sampled_from([*(known if isinstance(known, dict) else {}), "other"])


settings_like = st.sampled_from(section_names()).flatmap(
    lambda section: (st.dictionaries(keys_of(section), json_values, max_size=4) | json_values).map(
        lambda values: {section: values}
    )
)
flags_like = st.sampled_from([({}, {}), ({"instruments": 2}, {"--iterations": 3})])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@contextmanager
def refused_briefly(kind: type[MusisepError]) -> Iterator[None]:
    try:
        yield
    except kind as error:
        if len(str(error).splitlines()) > LONGEST_MESSAGE:
            raise


@given(
    content=st.binary() | st.text().map(lambda text: text.encode("utf-8", "replace")),
    flags=flags_like,
)
def test_any_bytes_as_toml(
    content: bytes, flags: tuple[dict[str, int], dict[str, int]], place: Path
) -> None:
    path = place / "any.toml"
    path.write_bytes(content)
    with refused_briefly(ConfigError):
        assert isinstance(configured(path, flags), Config)


@given(config=settings_like | json_values, flags=flags_like)
@example(config={"run": None}, flags=({}, {}))
def test_any_json_as_settings(
    config: Any, flags: tuple[dict[str, int], dict[str, int]], place: Path
) -> None:
    path = place / "any.json"
    path.write_text(json.dumps({"config": config}))
    with refused_briefly(ConfigError):
        assert isinstance(configured(path, flags), Config)


def configured(path: Path, flags: Flags) -> Config:
    return configure(*flags, preset=None, file=path, device=torch.device("cpu"))[0]


@given(content=st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_content_as_dictionary(content: bytes, place: Path) -> None:
    path = place / "dictionary.json"
    path.write_bytes(content)
    with refused_briefly(DictionaryError):
        dictionary.load(path, n_harmonics=3, n_instruments=2)


@given(columns=json_values | st.lists(st.lists(st.floats() | st.integers()), max_size=3))
def test_any_columns_as_dictionary(columns: Any) -> None:
    content = {"format": dictionary.FORMAT, "instruments": columns}
    with refused_briefly(DictionaryError):
        found = dictionary.from_json(content, n_harmonics=3, n_instruments=2)
        assert found.shape == (3, 2)
        assert 0 <= float(found.min()) <= float(found.max()) <= 2


manifest_like = st.fixed_dictionaries(
    {"format": st.just(FORMAT)},
    optional={
        name: json_values
        | st.lists(st.dictionaries(st.sampled_from(["seed", "name"]), json_values))
        for name in ("config", "output", "stems", "ranking", "files", "chosen_seed")
    }
    | {
        "input": json_values
        | st.fixed_dictionaries({"path": st.just("mix.wav")}, optional={"start_s": json_values}),
        "gain": json_values,
        "sum_error": json_values,
        "version": st.just("0") | json_values,
    },
)


@given(content=json_values | manifest_like)
def test_any_json_as_manifest(content: Any, place: Path) -> None:
    folder = RunFolder(out=place / "out", track="mix")
    mine = place / "mine.wav"
    mine.touch()
    folder.folder.mkdir(parents=True, exist_ok=True)
    folder.manifest.write_text(json.dumps(content))
    with refused_briefly(OutputError):
        found = manifest.state(wanted(), folder)
        assert found in ("new", "unfinished", "finished")
    for listed in manifest.listed_files(content if isinstance(content, dict) else {}, folder):
        assert folder.root in listed.parents
    manifest.clear(folder)
    assert not folder.manifest.exists()
    assert mine.exists()


def wanted() -> Manifest:
    return {
        "version": "0",
        "input": {"path": "mix.wav", "start_s": None, "sha256": "0"},
        "config": compose("standard").to_json(),
        "output": {"format": "wav"},
    }


@given(names=st.lists(st.text(max_size=30) | st.sampled_from(["../../mine.wav", "/etc/passwd"])))
def test_any_names_in_a_manifest_lead_nowhere_else(names: list[str], place: Path) -> None:
    folder = RunFolder(out=place / "out", track="mix")
    folder.folder.mkdir(parents=True, exist_ok=True)
    for path in manifest.listed_files({"files": names}, folder):
        assert folder.root in path.parents


summary_like = st.fixed_dictionaries(
    {"run": st.just("run"), "seed": st.just(3)},
    optional={
        "objective": json_values,
        "method": json_values,
        "wall_s": json_values,
        "n_skipped_steps": json_values,
        "files": json_values | st.dictionaries(st.text(), st.text()),
    },
)


@given(content=st.binary() | (json_values | summary_like).map(lambda v: json.dumps(v).encode()))
def test_any_content_as_seed_summary(content: bytes, place: Path) -> None:
    folder = RunFolder(out=place / "out", track="seeds")
    path = folder.seed(3) / made_seeds.SUMMARY
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    found = made_seeds.read(folder, 3, "run")
    assert found is None or found.seed == 3
    made_seeds.of_other_runs(folder, "run")
