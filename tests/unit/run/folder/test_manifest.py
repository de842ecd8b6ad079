"""Manifest: what counts as the same separation."""

from pathlib import Path

import numpy as np
import pytest

from musisep_cli.errors import ConfigError
from musisep_cli.run.folder import differences, manifest
from musisep_cli.run.folder.differences import Manifest
from musisep_cli.run.folder.layout import RunFolder
from musisep_cli.run.settings.compose import compose
from musisep_cli.run.settings.config import Config
from musisep_cli.sound.recording import Recording

RECORDING = Recording(samples=np.ones((4, 1), np.float32), sample_rate_hz=8_000)


def identity(config: Config) -> Manifest:
    return manifest.identity(RECORDING, config, RunFolder(out=Path("out"), track="mix"))


@pytest.mark.parametrize("setting", [("dictionary", "init_file"), ("warmstart", "weights")])
def test_another_content_of_a_given_file_is_another_run(
    setting: tuple[str, str], tmp_path: Path
) -> None:
    section, name = setting
    config = compose("standard", {section: {name: str(tmp_path / "given")}})
    with pytest.raises(ConfigError, match=rf"\[{section}\] {name} = .*: cannot be read"):
        identity(config)
    (tmp_path / "given").write_bytes(b"then")
    then = identity(config)
    assert differences.fingerprint(then) == differences.fingerprint(identity(config))
    (tmp_path / "given").write_bytes(b"now")
    now = identity(config)
    assert differences.fingerprint(then) != differences.fingerprint(now)
    assert differences.differences(then, now) == [
        f"[{section}] {name} holds something else than then"
    ]


def test_of_a_file_with_another_name_only_the_name_is_told(tmp_path: Path) -> None:
    names = [str(tmp_path / name) for name in ("a.json", "b.json")]
    for name in names:
        Path(name).write_text(name)
    then, now = (identity(compose("quick", {"dictionary": {"init_file": n}})) for n in names)
    assert differences.differences(then, now) == [
        f"[dictionary] init_file = {names[0]}, now {names[1]}"
    ]


def test_the_weights_inside_the_package_are_no_given_file() -> None:
    assert identity(compose("standard"))["given_files"] == {}


def test_of_several_files_all_count_in_their_order(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in "ab"]
    for path in paths:
        path.write_text(path.name)
    config = compose("standard", {"pitch": {"files": [str(path) for path in paths]}})
    then = identity(config)
    for path, other in zip(paths, reversed(paths), strict=True):
        path.write_text(other.name)  # the two change places
    assert differences.differences(then, identity(config)) == [
        "[pitch] files holds something else than then"
    ]
