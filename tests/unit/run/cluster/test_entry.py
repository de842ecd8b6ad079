"""Entry: a node says why it cannot work, whatever it holds; here this process is the node."""

import os
import pickle
import sys
from pathlib import Path
from types import ModuleType

import pytest

from musisep_cli import __version__
from musisep_cli.methods.method import OnProgress
from musisep_cli.run.cluster import entry


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / ".cluster-0123"
    path.write_text(path.name)
    return path


def test_a_node_with_all_it_needs_is_fit_and_keeps_nothing(token: Path) -> None:
    assert entry.examine(__version__, str(token)) == ""
    assert list(token.parent.iterdir()) == [token]


def test_another_version_is_named_with_ours(token: Path) -> None:
    problem = entry.examine("9.9.9", str(token))
    assert f"has musisep {__version__}, this machine has 9.9.9" in problem


def test_a_node_without_musisep_is_named(token: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "musisep_cli", ModuleType("musisep_cli"))
    assert f"has no musisep; install {__version__} there" in entry.examine(__version__, str(token))


def test_a_folder_that_is_not_the_driver_s_is_named(token: Path) -> None:
    missing = token.with_name(".cluster-4567")
    problem = entry.examine(__version__, str(missing))
    assert f"cannot reach the output folder {token.parent}" in problem
    assert "(No such file or directory)" in problem
    missing.write_text(".cluster-89ab")
    assert "has another folder at" in entry.examine(__version__, str(missing))


def test_a_folder_that_cannot_be_written_is_named(forbidden_folder: Path) -> None:
    token = forbidden_folder / ".cluster-0123"
    as_nobody = os.geteuid()
    if os.getuid() == 0:
        os.seteuid(0)
    forbidden_folder.chmod(0o755)
    token.write_text(token.name)
    forbidden_folder.chmod(0o555)
    os.seteuid(as_nobody)
    problem = entry.examine(__version__, str(token))
    assert "or not write there (Permission denied)" in problem


def double(on_progress: OnProgress, again: bool) -> int:
    return 2 * (1 + again)


def test_a_call_does_its_work_or_says_that_the_node_is_unfit(token: Path) -> None:
    work = pickle.dumps(double)
    done = entry.call(__version__, str(token), work, None, "key", False, True)
    assert done == ("done", 4)
    how, problem = entry.call("9.9.9", str(token), work, None, "key", False, True)
    assert how == "unfit"
    assert "9.9.9" in problem
