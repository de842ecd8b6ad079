"""What the cluster engine costs, and how what surrounds the work grows with many recordings.

``python -m tests.benchmarks.cluster overhead`` makes 100 seeds of one second each, two at once,
with ``--jobs 2`` and through a Ray of this machine. ``python -m tests.benchmarks.cluster folders``
goes through finished folders again, and times each part of it. Both print tables.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from unittest.mock import patch

from musisep_cli.cli import inputs
from musisep_cli.cli.separate import run, tables
from musisep_cli.cli.separate.job import Outcome
from musisep_cli.run.folder import manifest
from musisep_cli.run.folder.layout import RunFolder
from musisep_cli.sound import audio_file
from tests.cli.separating import invoke
from tests.paced_method import PacedMethod, write_songs

N_UNITS = 100
UNIT_S = 1.0
N_BLOCKS = 20
AT_ONCE = 2
N_FOLDERS = (1_000, 10_000)
FLAGS = ("-n", "2", "--preset", PacedMethod.name, "--cpu", "--threads", "1")
PROGRAM = "from tests import paced_method; from musisep_cli.cli.app import main; main()"


def overhead() -> Iterator[str]:
    yield (
        f"{N_UNITS} seeds of {UNIT_S:.0f} s that wait and do not compute, {AT_ONCE} at once on"
        f" {os.cpu_count()} cores; the load is what the machine had to do at the end."
    )
    yield ""
    yield "| engine | wall time | beyond the work, a unit | load |"
    yield "| --- | --- | --- | --- |"
    for name, flags in (("`-j 2`", ("-j", "2")), ("`--cluster local`", ("--cluster", "local"))):
        seconds = _made(N_UNITS, flags)
        lost_s = (seconds * AT_ONCE - N_UNITS * UNIT_S) / N_UNITS
        yield f"| {name} | {seconds:.0f} s | {lost_s:.2f} s | {os.getloadavg()[0]:.0f} |"


def _made(n_units: int, flags: tuple[str, ...]) -> float:
    """Seconds that a command takes for so many seeds of one recording."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        songs = write_songs(folder, "song", block_s=UNIT_S / N_BLOCKS)
        command = ["separate", str(songs), *FLAGS, "--seeds", str(n_units), "-q"]
        start_s = time.monotonic()
        subprocess.run(
            [sys.executable, "-c", PROGRAM, *command, "-o", str(folder / "out"), *flags],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return time.monotonic() - start_s


def folders() -> Iterator[str]:
    yield "The same command again on finished folders of recordings of half a second."
    yield ""
    yield f"| part | {' | '.join(f'{n:,} folders' for n in N_FOLDERS)} | a folder more |"
    yield f"| --- {'| --- ' * (len(N_FOLDERS) + 1)}|"
    few, many = (_parts(n) for n in N_FOLDERS)
    for part in few:
        slope_s = (many[part] - few[part]) / (N_FOLDERS[1] - N_FOLDERS[0])
        yield f"| {part} | {few[part]:.2f} s | {many[part]:.2f} s | {1e3 * slope_s:.2f} ms |"


def _parts(n_folders: int) -> dict[str, float]:
    """Seconds that each part of going through finished folders takes, all of them together."""
    spent = {
        "inputs and names": 0.0,
        "reading and hashing recordings": 0.0,
        "manifests": 0.0,
        "closing table": 0.0,
    }
    with tempfile.TemporaryDirectory() as name:
        songs, out = _finished(Path(name), n_folders)
        places = (
            (run, "expand", inputs.expand, "inputs and names"),
            (audio_file, "read", audio_file.read, "reading and hashing recordings"),
            (manifest, "identity", manifest.identity, "reading and hashing recordings"),
            (manifest, "state", manifest.state, "manifests"),
            (tables, "closing", tables.closing, "closing table"),
        )
        start_s = time.monotonic()
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            patches = [patch.object(m, n, _timed(f, spent, part)) for m, n, f, part in places]
            for each in patches:
                each.start()
            result = invoke(songs, *FLAGS, "-o", out, "-q")
            for each in patches:
                each.stop()
        assert result.exit_code == 0, result.output
        assert f"{n_folders} nothing to do" in result.output.replace("\n", " ")
        spent["all"] = time.monotonic() - start_s
    return spent


def _timed(function: Callable[..., object], spent: dict[str, float], part: str) -> object:
    """The function, with the time that it takes added to a part's."""

    def timed(*arguments: object, **named: object) -> object:
        start_s = time.monotonic()
        try:
            return function(*arguments, **named)
        finally:
            spent[part] += time.monotonic() - start_s

    return timed


def _finished(folder: Path, n_folders: int) -> tuple[Path, Path]:
    """A folder of so many recordings, and one of their finished separations: copies of one."""
    songs, out = write_songs(folder, "0"), folder / "out"
    result = invoke(songs, *FLAGS, "-o", out)
    assert result.exit_code == 0, result.output
    first = out / "musisep" / "0"
    for number in range(1, n_folders):
        os.link(songs / "0.wav", songs / f"{number}.wav")
        shutil.copytree(first, first.with_name(str(number)), copy_function=os.link)
    return songs, out


def memory(n_recordings: int = 10_000) -> tuple[float, float]:
    """Bytes that the driver keeps of each recording: to begin with, and of its outcome."""
    with tempfile.TemporaryDirectory() as name:
        songs, out = _finished(Path(name), 1)
        content = json.loads((out / "musisep" / "0" / "manifest.json").read_text())
        for number in range(1, n_recordings):
            os.link(songs / "0.wav", songs / f"{number}.wav")
        tracemalloc.start()
        sources = inputs.expand([str(songs)], out / "musisep")
        before = tracemalloc.get_traced_memory()[0]
        kept = []
        for source in sources:
            folder = RunFolder(out=out, track=source.track)
            done = Outcome(source=source, status="done", folder=folder, manifest=dict(content))
            kept.append(done.without_manifest())
        after = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return before / n_recordings, (after - before) / n_recordings


if __name__ == "__main__":
    pages = {"overhead": overhead, "folders": folders}
    for line in pages[sys.argv[1]]():
        print(line, flush=True)
    if sys.argv[1] == "folders":
        first, later = memory()
        print(f"\nThe driver keeps {first:.0f} bytes of each input and {later:.0f} of its outcome.")
