"""`musisep separate --pitch`: the notes say how many instruments there are, and who plays what."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result

from musisep_cli.cli.app import app
from musisep_cli.evaluation.metrics import array_blocks, bss_eval_v2
from tests.cli.separating import contents, invoke, results
from tests.signals import (
    CLARINET_MELODY,
    CLARINET_NOTE_S,
    FLUTE_MELODY,
    FLUTE_NOTE_S,
    duet,
)

RATE, LENGTH_S = 16_000, 2.0


def write_duet(path: Path, *, rate_hz: int = RATE, n_channels: int = 1) -> Path:
    mix = np.sum(list(duet(duration_s=LENGTH_S, sample_rate_hz=rate_hz).values()), 0)
    path.parent.mkdir(exist_ok=True)
    soundfile.write(path, np.outer(mix, 1 / np.arange(1, n_channels + 1)), rate_hz, subtype="FLOAT")
    return path


def write_notes(path: Path, *, late_s: float = 0.0, octaves: int = 0) -> Path:
    rows = ["stem,onset_s,offset_s,midi"]
    lines = ("flute", FLUTE_MELODY, FLUTE_NOTE_S), ("clarinet", CLARINET_MELODY, CLARINET_NOTE_S)
    for name, melody, note_s in lines:
        for number in range(int(np.ceil(LENGTH_S / note_s))):
            onset_s = number * note_s + late_s
            key = melody[number % len(melody)] + 12 * octaves * (name == "flute")
            rows.append(f"{name},{onset_s:.3f},{onset_s + note_s:.3f},{key}")
    path.write_text("\n".join(rows) + "\n")
    return path


def run(folder: Path, *arguments: object, preset: str = "standard", code: int = 0) -> Result:
    path = write_duet(folder / "mix.wav")
    flags = ("--preset", preset, "--out", folder / "out", "--cpu", "--threads", 1)
    result = invoke(path, *flags, *arguments)
    assert result.exit_code == code, result.output
    return result


@pytest.mark.parametrize("preset", ["standard", "structures", "lasso", "pursuit"])
def test_stems_are_those_of_the_parts(tmp_path: Path, preset: str) -> None:
    notes = write_notes(tmp_path / "notes.csv")
    run(tmp_path, "--pitch", notes, preset=preset)
    folder = results(tmp_path, "mix")
    sounds = duet(duration_s=LENGTH_S, sample_rate_hz=RATE)
    reference = np.stack(list(sounds.values()))
    estimate = np.stack([soundfile.read(folder / f"{name}.wav")[0] for name in sounds])
    scores = bss_eval_v2(array_blocks(reference=reference, estimate=estimate))
    assert scores.sdr_db.diagonal().min() > 15
    residual, _ = soundfile.read(folder / "residual.wav")
    mix, _ = soundfile.read(tmp_path / "mix.wav")
    np.testing.assert_allclose(estimate.sum(0) + residual, mix, rtol=0, atol=1e-6)
    assert not (folder / "instrument-1.wav").exists()


def test_its_manifest_makes_it_again_and_knows_the_notes_by_their_content(tmp_path: Path) -> None:
    notes = write_notes(tmp_path / "notes.csv")
    run(tmp_path, "--pitch", notes)
    saved = results(tmp_path, "mix") / "manifest.json"
    content = json.loads(saved.read_text())
    assert content["config"]["run"]["instruments"] == 2
    assert [stem["name"] for stem in content["stems"]] == ["flute", "clarinet", "residual"]
    path = tmp_path / "mix.wav"
    again = invoke(path, "--config", saved, "--out", tmp_path / "out", "--cpu")
    assert again.exit_code == 0, again.output
    assert "nothing to do" in again.stderr
    notes.write_text(notes.read_text().replace("flute,0.000,0.500,74", "flute,0.000,0.500,76"))
    other = invoke(path, "--config", saved, "--out", tmp_path / "out", "--cpu")
    assert other.exit_code == 1
    assert "[pitch] files holds something else than then" in other.stderr


def test_an_interrupted_run_goes_on_to_the_same_files(tmp_path: Path, strike: Any) -> None:
    notes = write_notes(tmp_path / "notes.csv")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    run(whole, "--pitch", notes)
    strike(1)
    assert "--resume goes on" in run(parts, "--pitch", notes, "--resume", code=130).stderr
    strike(0)
    run(parts, "--pitch", notes, "--resume")
    assert contents(results(parts, "mix")) == contents(results(whole, "mix"))


def test_a_corrected_pitch_csv_separates_again(tmp_path: Path) -> None:
    run(tmp_path, "--pitch", write_notes(tmp_path / "notes.csv"))
    found = results(tmp_path, "mix") / "pitch.csv"
    with found.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["stem"] for row in rows} == {"flute", "clarinet"}
    corrected = tmp_path / "corrected.csv"
    with corrected.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "on": row["on"] if row["stem"] == "flute" else 0} for row in rows)
    refused = run(tmp_path, "--pitch", corrected, code=1)
    assert "clarinet never sounds" in refused.stderr
    # In its own place it would be removed before it is read.
    kept = run(tmp_path, "--pitch", found, "--overwrite", code=1)
    assert "Copy it to another folder first" in kept.stderr
    found.rename(tmp_path / "found.csv")
    run(tmp_path, "--pitch", tmp_path / "found.csv", "--overwrite")
    assert (results(tmp_path, "mix") / "clarinet.wav").exists()


def test_evaluate_and_inspect_know_the_parts(tmp_path: Path) -> None:
    run(tmp_path, "--pitch", write_notes(tmp_path / "notes.csv"))
    references = tmp_path / "references"
    references.mkdir()
    for name, samples in duet(duration_s=LENGTH_S, sample_rate_hz=RATE).items():
        soundfile.write(references / f"{name}.wav", samples, RATE, subtype="FLOAT")
    write_notes(references / "notes.csv")
    folder = results(tmp_path, "mix")
    scored = CliRunner().invoke(app, ["evaluate", str(folder), str(references), "--json"])
    assert scored.exit_code == 0, scored.output
    assert "pitch not scored" not in scored.stderr
    assert "raw_pitch" in scored.stdout or "pitch" in scored.stdout
    shown = CliRunner().invoke(app, ["inspect", str(folder)])
    assert shown.exit_code == 0, shown.output
    assert "clarinet" in shown.stdout


def test_what_was_mended_is_told(tmp_path: Path) -> None:
    notes = write_notes(tmp_path / "notes.csv", late_s=0.7, octaves=1)
    told = run(tmp_path, "--pitch", notes).stderr
    assert "earlier" in told
    assert "flute was moved 1 octave down" in told


def test_a_number_that_contradicts_the_notes_is_refused(tmp_path: Path) -> None:
    notes = write_notes(tmp_path / "notes.csv")
    told = run(tmp_path, "--pitch", notes, "-n", 3, code=2).stderr
    assert "--pitch holds 2 parts (flute, clarinet)" in told


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("time_s,f0_hz\n0,440\n0.5,440\n", "ends after 0.5 s of"),
        ("time_s,f0_hz\n0,5000\n2,440\n", "is 5000 Hz"),
        ("hello\n", "is no table of pitches"),
    ],
)
def test_bad_notes_are_refused_before_any_work(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    result = run(tmp_path, "--pitch", path, code=1)
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_flags_that_need_listening_are_in_vain(tmp_path: Path) -> None:
    notes = write_notes(tmp_path / "notes.csv")
    told = run(tmp_path, "--pitch", notes, "--no-decode", "--dry-run").stderr
    assert "--no-decode has no effect: preset standard neither listens nor decides" in told


def test_more_parts_than_are_found_blind(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    keys = (74, 62, 55, 50, 45)
    rows = [f"part{number},0,2,{key}" for number, key in enumerate(keys, 1)]
    path.write_text("\n".join(["stem,onset_s,offset_s,midi", *rows]))
    told = json.loads(run(tmp_path, "--pitch", path, "--dry-run", "--json").stdout)
    assert told["estimate"]["n_instruments"] == 5


def test_stereo_of_another_rate(tmp_path: Path) -> None:
    path = write_duet(tmp_path / "mix.wav", rate_hz=22_050, n_channels=2)
    notes = write_notes(tmp_path / "notes.csv")
    flags = ("--pitch", notes, "--out", tmp_path / "out", "--cpu", "--threads", 1, "--without")
    result = invoke(path, *flags)
    assert result.exit_code == 0, result.output
    samples, rate_hz = soundfile.read(results(tmp_path, "mix") / "flute.wav")
    assert (samples.shape[1], rate_hz) == (2, 22_050)
    assert (results(tmp_path, "mix") / "without-clarinet.wav").exists()
