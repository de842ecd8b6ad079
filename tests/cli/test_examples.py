"""The scripts in `examples/`, with a network so small that each run takes seconds."""

import csv
import io
import os
import runpy
import subprocess
import sys
import tomllib
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

from musisep_cli import separate
from musisep_cli.sound import audio_file
from tests.cli.separating import TINY_SETTINGS, write_settings
from tests.signals import pure_tone

EXCERPT = ("--start", "1", "--duration", "1")
STEMS = ("high", "low")


def batch(repository: Path, folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A run of batch.sh in a folder, with this tree's `musisep` on the path."""
    command = folder / "bin" / "musisep"
    command.parent.mkdir(exist_ok=True)
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m musisep_cli "$@"\n')
    command.chmod(0o755)
    return subprocess.run(
        [repository / "examples" / "batch.sh", *map(str, arguments)],
        cwd=folder,
        env=os.environ
        | {
            "PATH": f"{command.parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(repository),
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_folder_of_recordings_ends_in_one_table(repository: Path, tmp_path: Path) -> None:
    for name, pitches_hz in (("first song", (440.0, 660.0)), ("second", (294.0, 500.0))):
        stems = [pure_tone(hz, duration_s=0.5, sample_rate_hz=16_000) / 4 for hz in pitches_hz]
        references = tmp_path / "references" / name
        references.mkdir(parents=True)
        for stem, samples in zip(STEMS, stems, strict=True):
            soundfile.write(references / f"{stem}.wav", samples, 16_000)
        (tmp_path / "recordings").mkdir(exist_ok=True)
        soundfile.write(tmp_path / "recordings" / f"{name}.wav", sum(stems), 16_000)
    (tmp_path / "recordings" / "bad.wav").write_bytes(b"no sound")

    given = ("-o", "out", "--config", write_settings(tmp_path))
    done = batch(repository, tmp_path, "recordings", "references", 2, *given)

    assert done.returncode == 1, done.stderr  # one recording is none
    assert "bad.wav" in done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [(row["take"], row["reference"]) for row in rows] == [
        (name, stem) for name in ("first song", "second") for stem in STEMS
    ]
    assert all(np.isfinite(float(row["sdr_db"])) for row in rows)
    assert (tmp_path / "out" / "musisep" / "second" / "instrument-2.wav").is_file()


def test_the_batch_script_says_what_it_needs(repository: Path, tmp_path: Path) -> None:
    done = batch(repository, tmp_path, "recordings")
    assert done.returncode == 2
    assert "batch.sh RECORDINGS REFERENCES N" in done.stderr
    wrong = batch(repository, tmp_path, tmp_path, tmp_path, 2, "--no-such-option")
    assert wrong.returncode == 2
    assert wrong.stdout == ""


def test_the_python_script_separates_an_excerpt(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = runpy.run_path(str(repository / "examples" / "from_python.py"))
    settings = tomllib.loads(TINY_SETTINGS)
    small = partial(separate, preset=settings.pop("preset"), settings=settings, device="cpu")
    duet = repository / "examples" / "duet.flac"

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(script["main"].__globals__, "separate", small)
        script["main"]([str(duet), "2", str(tmp_path / "stems"), *EXCERPT])

    lines = capsys.readouterr().out.splitlines()
    names = ["instrument-1", "instrument-2", "residual"]
    assert [line.split()[0] for line in lines] == ["stem", *names]
    stems = [audio_file.read(tmp_path / "stems" / f"{name}.wav").samples for name in names]
    excerpt = audio_file.read(duet, start_s=1, duration_s=1).samples
    np.testing.assert_allclose(sum(stems), excerpt, rtol=0, atol=1e-6)


def test_the_python_script_names_what_is_wrong(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = runpy.run_path(str(repository / "examples" / "from_python.py"))
    duet = repository / "examples" / "duet.flac"
    with pytest.raises(SystemExit, match="1"):
        script["main"]([str(duet), "99", str(tmp_path / "stems"), *EXCERPT])
    assert capsys.readouterr().err.startswith("error: ")
    assert not (tmp_path / "stems").exists()


def test_the_stems_to_hear_are_those_of_the_duet(repository: Path) -> None:
    folder = repository / "examples"
    duet = audio_file.read(folder / "duet.flac").samples
    heard = [audio_file.read(path) for path in sorted((folder / "stems").glob("*.flac"))]
    assert [stem.samples.shape for stem in heard] == [duet.shape] * 2
    left = duet - sum(stem.samples for stem in heard)
    # The residual holds 0.3 % of the energy.
    assert float(np.mean(left**2)) < 0.005 * float(np.mean(duet**2))
