"""`musisep separate --voices` and `--melody`: a line over chords, and the chords."""

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from musisep_cli.cli.app import app
from musisep_cli.evaluation.metrics import array_blocks, bss_eval_v2
from tests.cli.separating import invoke, results
from tests.signals import CLARINET, melody

RATE_HZ, LENGTH_S = 16_000, 1.6
LEAD = (76, 79, 77, 74)
CHORDS = ((60, 65, 69), (59, 62, 67))
PLUCKED = (1.0, 0.5, 0.25, 0.12, 0.06)


def sounds() -> dict[str, np.ndarray]:
    """A line [t], and chords [t] of three tones that decay, struck every 0.8 s."""
    line = melody(
        LEAD, note_s=0.3, amplitudes=CLARINET, duration_s=LENGTH_S, sample_rate_hz=RATE_HZ
    )
    decay = np.exp(-(np.arange(len(line)) / RATE_HZ % 0.8) / 0.4)
    chords = sum(
        melody(tones, note_s=0.8, amplitudes=PLUCKED, duration_s=LENGTH_S, sample_rate_hz=RATE_HZ)
        for tones in zip(*CHORDS, strict=True)
    )
    return {"line": 0.3 * line / np.abs(line).max(), "chords": 0.4 * decay * chords / 3}


def separated(folder: Path, *flags: object) -> Path:
    path = folder / "mix.wav"
    soundfile.write(path, sum(sounds().values()), RATE_HZ, subtype="FLOAT")
    settings = folder / "fast.toml"
    settings.write_text("[search]\nbeam = 3\nhypotheses = 6\n[decoding]\njudged = 3\n")
    result = invoke(
        path, *flags, "--config", settings, "--out", folder / "out", "--cpu", "--threads", 1
    )
    assert result.exit_code == 0, result.output
    return results(folder, "mix")


@pytest.mark.parametrize("flags", [("--voices", "1,3"), ("-n", 2, "--voices", "3,1")])
def test_the_line_is_told_from_the_chords(tmp_path: Path, flags: tuple[object, ...]) -> None:
    folder = separated(tmp_path, *flags)
    order = (1, 2) if flags[-1] == "1,3" else (2, 1)
    reference = np.stack(list(sounds().values()))
    estimate = np.stack([soundfile.read(folder / f"instrument-{n}.wav")[0] for n in order])
    scores = bss_eval_v2(array_blocks(reference=reference, estimate=estimate))
    assert scores.sdr_db.diagonal().min() > 10
    # The chords stand in the table, several tones of a frame, and the line alone.
    with (folder / "pitch.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["on"] == "1"]
    sounding = Counter((row["instrument"], row["time_s"]) for row in rows)
    line, chords = (
        max(n for (name, _), n in sounding.items() if name == str(number)) for number in order
    )
    assert (line, chords) == (1, 3)
    table = tmp_path / "notes.csv"
    found = CliRunner().invoke(app, ["inspect", str(folder), "--notes", str(table)])
    assert found.exit_code == 0, found.output
    with table.open(newline="") as stream:
        notes = [row for row in csv.DictReader(stream) if row["stem"].endswith(str(order[1]))]
    assert max(Counter(row["onset_s"] for row in notes).values()) >= 2  # a chord at once


def test_a_melody_is_one_stem_and_all_else_the_residual(tmp_path: Path) -> None:
    folder = separated(tmp_path, "--melody")
    stems = sorted(path.name for path in folder.glob("*.wav"))
    assert stems == ["instrument-1.wav", "residual.wav"]
    inspected = CliRunner().invoke(app, ["inspect", str(folder)])
    assert inspected.exit_code == 0, inspected.output
    assert "the residual holds" not in inspected.output  # it is to hold the chords
    line, _ = soundfile.read(folder / "instrument-1.wav")
    residual, _ = soundfile.read(folder / "residual.wav")
    reference = np.stack(list(sounds().values()))
    np.testing.assert_allclose(line + residual, reference.sum(0), rtol=0, atol=1e-6)
    scores = bss_eval_v2(array_blocks(reference=reference, estimate=np.stack([line, residual])))
    assert scores.sdr_db.diagonal().min() > 10


@pytest.mark.parametrize("text", ["1,x", "", "1,,4", "0,4", "-1,4", "1;4"])
def test_what_is_no_list_of_numbers_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mix.wav"
    soundfile.write(path, np.zeros(1000), RATE_HZ)
    result = invoke(path, "--voices", text)
    assert result.exit_code == 2
    assert "no list of numbers" in result.output


def test_with_a_preset_of_single_lines_the_flag_is_said_to_do_nothing(tmp_path: Path) -> None:
    path = tmp_path / "mix.wav"
    soundfile.write(path, sum(sounds().values()), RATE_HZ, subtype="FLOAT")
    result = invoke(path, "-n", 2, "--preset", "lasso", "--voices", "1,3", "--dry-run")
    assert "--voices has no effect: preset lasso has no such setting" in result.output
