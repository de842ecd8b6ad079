"""Locks: one process at a time, told who holds it, and free when its holder is gone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from musisep_cli.errors import OutputError
from musisep_cli.machine.locks import LOCK, hold

HOLDER = """
import sys
from pathlib import Path
from musisep_cli.machine.locks import hold
with hold(Path(sys.argv[1]), 0.0):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_lock_is_there_within_the_block_only(tmp_path: Path) -> None:
    with hold(tmp_path, 0.0):
        assert f"process {os.getpid()}" in (tmp_path / LOCK).read_text()
    assert list(tmp_path.iterdir()) == []
    with hold(tmp_path, 0.0):  # and it can be taken again
        pass


def test_an_error_within_the_block_frees_the_folder(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), hold(tmp_path, 0.0):
        raise RuntimeError
    with hold(tmp_path, 0.0):
        pass


def test_another_process_is_named_and_its_death_frees_the_folder(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        holder = f"in use by process {other.pid} on"
        with pytest.raises(OutputError, match=holder), hold(tmp_path, 0.0):
            pass
        other.kill()  # no clean-up in that process
        other.wait()
        with hold(tmp_path, 5.0):
            assert f"process {os.getpid()}" in (tmp_path / LOCK).read_text()


def test_a_folder_that_cannot_be_locked(forbidden_folder: Path) -> None:
    with pytest.raises(OutputError, match="cannot be locked"), hold(forbidden_folder, 0.0):
        pass
