"""Test set-up: hypothesis profiles, the project's folders, the shared recordings."""

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from musisep_cli.methods.decoding import clear_frames

# Before anything imports torch: the tests are many small problems, and threads that wait for each
# other cost six times as much CPU time.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Before anything imports Ray: what tests start listens on this machine alone, and prints nothing.
os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", "(?s).")

REPOSITORY = Path(__file__).resolve().parents[1]

# Derandomised: a change that fails a property fails it on every machine, in the same example.
# No deadline: the machines are shared, and a slow example is no fault.
settings.register_profile("dev", max_examples=25, derandomize=True, deadline=None)
settings.register_profile("ci", max_examples=100, derandomize=True, deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the working tree."""
    return REPOSITORY


@pytest.fixture(scope="session")
def tiny() -> Path:
    """Folder of the committed 6 s duet: mix.flac, recorder.flac, violin.flac (48 kHz, 16 bit)."""
    return REPOSITORY / "tests" / "data" / "tiny"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the shared development recordings, which are not in the repository."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the shared recordings are not on this machine: no folder {folder}")
    return folder


@pytest.fixture(scope="session")
def shared_faults() -> Path:
    """Folder of inputs that once fell short, which are not in the repository."""
    folder = REPOSITORY.parent / "shared" / "faults"
    if not folder.is_dir():
        pytest.skip(f"the inputs that fell short are not on this machine: no folder {folder}")
    return folder


@pytest.fixture(scope="module")
def every_frame_is_clear() -> Iterator[None]:
    """What a network decodes that has learned nothing changes from frame to frame; let it count."""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clear_frames, "STEADY_FRAMES", 0)
        yield


@pytest.fixture
def hangup_is_heard() -> Iterator[None]:
    """SIGHUP ends a process, as by default, also where `nohup` started the tests."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def forbidden_folder() -> Iterator[Path]:
    """A folder without write access, in it `unreadable.wav`; root becomes nobody for the test."""
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are private to root
        folder = Path(name)
        (folder / "unreadable.wav").write_bytes(b"RIFF")
        (folder / "unreadable.wav").chmod(0o000)
        folder.chmod(0o555)
        is_root = os.geteuid() == 0
        try:
            if is_root:
                os.seteuid(65534)
            yield folder
        finally:
            if is_root:
                os.seteuid(0)
            folder.chmod(0o755)
