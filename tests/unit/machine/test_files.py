import json
import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musisep_cli.errors import OutputError
from musisep_cli.machine.files import atomic_path, write_json_atomic, write_text_atomic

NAMES = ["mix.txt", "a name with spaces.txt", "été.txt", "🎻 duo.txt", 'it\'s "it".txt', "-n.txt"]


@pytest.mark.parametrize("name", NAMES)
def test_the_file_appears_when_the_block_ends(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    with atomic_path(target) as temporary:
        temporary.write_text("new")
        assert not target.exists()
        assert temporary.parent == tmp_path
        assert temporary.suffix == target.suffix
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_a_name_as_long_as_the_file_system_takes(tmp_path: Path) -> None:
    target = tmp_path / ("a" * 128 + "." + "b" * 126)
    write_text_atomic(target, "long")
    assert target.read_text() == "long"


@pytest.mark.parametrize("fault", [ValueError, KeyboardInterrupt])
def test_a_failed_block_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, fault: type[BaseException]
) -> None:
    target = tmp_path / "state.json"
    target.write_text("old")

    def write_half() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise fault

    with pytest.raises(fault):
        write_half()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [tmp_path / "state.json"]


def test_a_killed_process_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "state.json"
    target.write_text("old")
    program = (
        "import os, pathlib, signal, sys\n"
        "from musisep_cli.machine.files import atomic_path\n"
        "with atomic_path(pathlib.Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(target)], check=False)
    assert killed.returncode == -9
    assert target.read_text() == "old"


def test_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    target = tmp_path / "state.txt"
    with atomic_path(target) as first, atomic_path(target) as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert target.read_text() == "first"  # the outer block ends last
    assert list(tmp_path.iterdir()) == [tmp_path / "state.txt"]


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    previous = os.umask(0o027)
    try:
        write_text_atomic(tmp_path / "a", "")
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(
        OutputError, match=r"cannot be written \(No such file or directory\).*--out"
    ):
        write_text_atomic(tmp_path / "nowhere" / "a.txt", "")


def test_a_file_where_a_folder_is_needed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="Not a directory"):
        write_text_atomic(tmp_path / "file" / "a.txt", "")


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(OutputError, match="Is a directory"):
        write_text_atomic(tmp_path / "a.txt", "")
    assert list(tmp_path.iterdir()) == [tmp_path / "a.txt"]


def test_no_write_access(forbidden_folder: Path) -> None:
    with pytest.raises(OutputError, match="Permission denied"):
        write_text_atomic(forbidden_folder / "a.txt", "")


def test_no_space_left(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(OutputError, match="File too large"):
            write_text_atomic(target, "x" * 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [tmp_path / "a.txt"]


def test_text_is_utf8_with_unix_line_ends(tmp_path: Path) -> None:
    write_text_atomic(tmp_path / "a.txt", "é\n🎻\n")
    assert (tmp_path / "a.txt").read_bytes() == "é\n🎻\n".encode()


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    # Lone surrogates among them: what os.fsdecode makes of names that are not UTF-8.
    | st.text(st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(value=json_values)
def test_json_round_trip(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    path = tmp_path_factory.getbasetemp() / "round-trip.json"
    write_json_atomic(path, value)
    assert path.read_bytes().endswith(b"\n")
    read_back = json.loads(path.read_text("utf-8"))
    # A pair of surrogates that happens to be a character is read as that character.
    assert json.dumps(read_back) == json.dumps(json.loads(json.dumps(value)))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_json_refuses_what_is_not_finite(tmp_path: Path, number: float) -> None:
    with pytest.raises(OutputError, match="not finite"):
        write_json_atomic(tmp_path / "metrics.json", {"sdr_db": number})
    assert list(tmp_path.iterdir()) == []
