"""`musisep evaluate` on real files: what it prints, what it refuses, how it exits."""

import csv
import io
import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import typer
from numpy.testing import assert_allclose
from scipy.signal import resample
from typer.testing import CliRunner, Result

from musisep_cli.cli.evaluate.command import evaluate
from tests.signals import duet

RATE_HZ = 16_000
DURATION_S = 1.5
ATOL_DB = 1e-3


@pytest.fixture(scope="module")
def instruments() -> dict[str, np.ndarray]:
    return duet(duration_s=DURATION_S, sample_rate_hz=RATE_HZ)


@pytest.fixture
def references(tmp_path: Path, instruments: dict[str, np.ndarray]) -> Path:
    folder = tmp_path / "refs"
    for name, signal in instruments.items():
        write(folder / f"{name}.wav", signal)
    return folder


@pytest.fixture
def stems(tmp_path: Path, instruments: dict[str, np.ndarray]) -> Path:
    return write_stems(tmp_path / "run", instruments)


def write(path: Path, signal: np.ndarray, rate_hz: int = RATE_HZ) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, signal, rate_hz, subtype="FLOAT")
    return path


def write_stems(folder: Path, instruments: dict[str, np.ndarray], leak: float = 0.1) -> Path:
    """The instruments in the other order, each with some of the other, at other gains."""
    flute, clarinet = instruments.values()
    write(folder / "instrument-1.wav", 0.7 * (clarinet + leak * flute))
    write(folder / "instrument-2.wav", 0.5 * (flute + leak * clarinet))
    return folder


def run(*arguments: object) -> Result:
    app = typer.Typer()
    app.callback()(lambda: None)
    app.command()(evaluate)
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


def scored(*arguments: object) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def rows(document: dict[str, Any], take: int = 0) -> dict[str, dict[str, Any]]:
    return {row["reference"]: row for row in document["takes"][take]["references"]}


def test_two_folders_with_any_names(stems: Path, references: Path) -> None:
    document = scored(stems, references)
    assert document["definitions"]["measure"] == "BSS Eval v2"
    assert document["definitions"]["filter_taps"] == 1
    by_reference = rows(document)
    assert by_reference["flute"]["stem"] == "instrument-2"
    assert by_reference["clarinet"]["stem"] == "instrument-1"
    for row in by_reference.values():
        # The leak is the only error, and it is interference.
        assert row["scores"]["sar_db"] > 100
        assert_allclose(row["scores"]["sdr_db"], row["scores"]["sir_db"], atol=ATOL_DB)
        assert 15 < row["scores"]["sdr_db"] < 25
        assert row["scores"]["mix_sdr_db"] is None
    mean = np.mean([row["scores"]["sdr_db"] for row in by_reference.values()])
    assert_allclose(document["mean"]["sdr_db"], mean)


def test_lists_of_files_and_a_residual_that_is_named(
    stems: Path, references: Path, instruments: dict[str, np.ndarray]
) -> None:
    residual = write(stems / "residual.wav", instruments["flute"])
    left_out = scored(stems, references)["takes"][0]
    assert left_out["left_out"] == [str(residual)]
    named = scored(residual, stems / "instrument-1.wav", "--refs", references)
    assert rows(named)["flute"]["stem"] == "residual"


def test_floor_improvement_and_ceiling(
    stems: Path, references: Path, instruments: dict[str, np.ndarray]
) -> None:
    write(references / "mix.wav", sum(instruments.values()))
    for row in rows(scored(stems, references, "--ceiling")).values():
        scores = row["scores"]
        assert -3 < scores["mix_sdr_db"] < 3
        assert scores["ceiling_sdr_db"] > scores["mix_sdr_db"] + 5
        gain = scores["sdr_db"] - scores["mix_sdr_db"]
        assert_allclose(scores["sdr_improvement_db"], gain, atol=ATOL_DB)


def test_the_mix_can_be_given(
    tmp_path: Path, stems: Path, references: Path, instruments: dict[str, np.ndarray]
) -> None:
    mix = write(tmp_path / "song.wav", instruments["flute"])
    by_reference = rows(scored(stems, references, "--mix", mix))
    assert by_reference["flute"]["scores"]["mix_sdr_db"] == "inf"
    assert by_reference["flute"]["scores"]["sdr_improvement_db"] == "-inf"


def test_v3(stems: Path, references: Path) -> None:
    document = scored(stems, references, "--bss", "v3")
    assert document["definitions"]["filter_taps"] == 512
    v2 = rows(scored(stems, references))
    for name, row in rows(document).items():
        assert row["scores"]["sdr_db"] > v2[name]["scores"]["sdr_db"]


def test_several_takes_with_one_bad_one(
    tmp_path: Path, stems: Path, references: Path, instruments: dict[str, np.ndarray]
) -> None:
    better = write_stems(tmp_path / "better", instruments, leak=0.01)
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "a.wav").write_text("no sound")
    result = run(bad, stems, better, "--refs", references, "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert [take["name"] for take in document["takes"]] == ["run", "better"]
    assert [failed["name"] for failed in document["failed"]] == ["bad"]
    means = [take["mean"]["sdr_db"] for take in document["takes"]]
    assert_allclose(document["mean"]["sdr_db"], np.mean(means))
    assert "error: bad: " in result.stderr
    assert "Traceback" not in result.stderr


def test_references_of_each_take_in_a_subfolder_of_its_name(
    tmp_path: Path, instruments: dict[str, np.ndarray]
) -> None:
    for song in ("one", "two"):
        write_stems(tmp_path / "out" / song, instruments)
        for name, signal in instruments.items():
            write(tmp_path / "truth" / song / f"{song} {name}.wav", signal)
    document = scored(
        tmp_path / "out" / "one", tmp_path / "out" / "two", "--refs", tmp_path / "truth"
    )
    assert list(rows(document, 1)) == ["two clarinet", "two flute"]


def test_lag_is_warned_about_and_corrected(
    tmp_path: Path, references: Path, instruments: dict[str, np.ndarray]
) -> None:
    late = {name: np.pad(signal, (80, 0))[:-80] for name, signal in instruments.items()}
    stems = write_stems(tmp_path / "late", late)
    warned, aligned = scored(stems, references), scored(stems, references, "--align")
    assert all(row["lag_samples"] == 80 for row in rows(warned).values())
    assert "80 samples (5.00 ms) late" in " ".join(warned["takes"][0]["notices"])
    assert warned["mean"]["sdr_db"] < 5
    assert_allclose(aligned["mean"]["sdr_db"], 20, atol=2)


TINY_HZ = 48_000


def late_stems(tiny: Path, folder: Path, lag_samples: float, drift: float) -> tuple[Path, Path]:
    """References of the real duet, and stems of it as a recorder with another clock keeps them."""
    signals = {name: soundfile.read(tiny / f"{name}.flac")[0] for name in ("recorder", "violin")}
    for name, signal in signals.items():
        write(folder / "refs" / f"{name}.wav", signal, TINY_HZ)
    one, other = signals.values()
    noise = 0.003 * np.random.default_rng(0).standard_normal(len(one))
    for name, stem in (("1", one + 0.15 * other + noise), ("2", other + 0.1 * one)):
        write(folder / "stems" / f"{name}.wav", delayed(stem, lag_samples, drift), TINY_HZ)
    return folder / "stems", folder / "refs"


def delayed(signal: np.ndarray, lag_samples: float, drift: float) -> np.ndarray:
    """Sixteen times as many samples from the spectrum, and lines between those."""
    fine = resample(signal, 16 * len(signal))
    place = (np.arange(len(signal)) - lag_samples) / (1 + drift)
    return np.interp(16 * place, np.arange(len(fine)), fine, left=0, right=0)


@pytest.fixture(scope="module")
def undelayed_db(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """SDR of the real duet's stems without any delay."""
    document = scored(*late_stems(tiny, tmp_path_factory.mktemp("undelayed"), 0.0, 0.0))
    assert document["takes"][0]["notices"] == []
    return {name: row["scores"]["sdr_db"] for name, row in rows(document).items()}


@pytest.mark.parametrize(
    ("drift", "lag_samples"),
    [
        (1e-4, 0.0),
        (-4e-5, 777.3),
        (6e-4, -300.0),
        *(
            pytest.param(*each, marks=pytest.mark.slow)
            for each in [(1e-4, 777.3), (1e-4, -300.0), (-4e-5, 0.0), (-4e-5, -300.0)]
        ),
        *(pytest.param(6e-4, lag, marks=pytest.mark.slow) for lag in (0.0, 777.3)),
    ],
)
def test_another_clock_is_told_and_undone(
    tmp_path: Path, tiny: Path, undelayed_db: dict[str, float], lag_samples: float, drift: float
) -> None:
    stems, references = late_stems(tiny, tmp_path, lag_samples, drift)
    warned, aligned = scored(stems, references), scored(stems, references, "--align")
    words = " ".join(warned["takes"][0]["notices"])
    assert words.count("drifts: another clock") == 2
    assert "--align corrects it" in words
    for name, row in rows(aligned).items():
        assert row["drift_ppm"] == pytest.approx(1e6 * drift, abs=2.0)
        assert row["lag_samples"] == pytest.approx(lag_samples, abs=0.5)
        # What a lag moves over an end of the file is lost.
        lost_db = 1.0 if lag_samples > 0 else 0.0
        assert row["scores"]["sdr_db"] == pytest.approx(undelayed_db[name], abs=0.5 + lost_db)


def test_half_a_sample_is_told_and_undone(
    tmp_path: Path, tiny: Path, undelayed_db: dict[str, float]
) -> None:
    stems, references = late_stems(tiny, tmp_path, 0.5, 0.0)
    warned, aligned = scored(stems, references), scored(stems, references, "--align")
    assert " ".join(warned["takes"][0]["notices"]).count("samples (0.01 ms) late") == 2
    for name, row in rows(aligned).items():
        assert row["lag_samples"] == pytest.approx(0.5, abs=0.02)
        assert row["drift_ppm"] is None
        assert row["scores"]["sdr_db"] == pytest.approx(undelayed_db[name], abs=0.1)


def test_opposite_polarity_is_told(tmp_path: Path, references: Path) -> None:
    for path in references.iterdir():
        write(tmp_path / "stems" / path.name, -soundfile.read(path)[0])
    document = scored(tmp_path / "stems", references)
    words = " ".join(document["takes"][0]["notices"])
    assert words.count("its polarity is opposite to the reference's") == 2
    assert "late" not in words
    assert float(document["mean"]["sdr_db"]) > 100


@pytest.mark.parametrize("defect", ["rate", "length", "channels"])
def test_repairs_are_told_and_refused_when_strict(
    tmp_path: Path, references: Path, instruments: dict[str, np.ndarray], defect: str
) -> None:
    stems = write_stems(tmp_path / "run", instruments)
    path = stems / "instrument-1.wav"
    signal = instruments["clarinet"]
    repaired = {
        "rate": lambda: write(path, resample(signal, 2 * len(signal)), 2 * RATE_HZ),
        "length": lambda: write(path, signal[:-100]),
        "channels": lambda: write(path, np.stack([signal, signal], axis=1)),
    }
    repaired[defect]()
    word = {"rate": "resampled from 32000 to 16000", "length": "padded", "channels": "mono"}
    document = scored(stems, references)
    assert word[defect] in " ".join(document["takes"][0]["notices"])
    assert float(rows(document)["clarinet"]["scores"]["sdr_db"]) > 20
    strict = run(stems, references, "--strict")
    assert strict.exit_code == 1
    assert word[defect] in strict.stderr
    assert strict.stdout == ""


def test_silence_is_named_not_scored(
    stems: Path, references: Path, instruments: dict[str, np.ndarray]
) -> None:
    silence = np.zeros_like(instruments["flute"])
    write(stems / "instrument-1.wav", silence)
    write(references / "triangle.wav", silence)
    result = run(stems, references, "--json")
    document = json.loads(result.stdout)
    by_reference = rows(document)
    assert by_reference["clarinet"]["note"] == "silent stem"
    assert by_reference["triangle"]["note"] == "silent reference"
    assert by_reference["triangle"]["scores"]["sdr_db"] is None
    assert document["takes"][0]["mean_over"] == "1 of 3 references"
    assert result.stderr.count("silent") == 2
    assert "nan" not in result.stdout.lower()


def test_a_part_is_scored_against_that_part_of_whole_references(
    tmp_path: Path, references: Path, instruments: dict[str, np.ndarray]
) -> None:
    first, n = round(0.4 * RATE_HZ), round(0.7 * RATE_HZ)
    parts = {name: signal[first : first + n] for name, signal in instruments.items()}
    folder = write_stems(tmp_path / "part", parts)
    for row in rows(scored(folder, references)).values():
        assert row["scores"]["sdr_db"] < 10
    manifest = {"input": {"start_s": 0.4, "duration_s": 0.7}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    for row in rows(scored(folder, references, "--strict")).values():
        assert row["scores"]["sar_db"] > 100
    assert "scored from 0.400 to 1.100 s of the references" in run(folder, references).stderr


def test_unequal_numbers(stems: Path, references: Path, instruments: dict[str, np.ndarray]) -> None:
    write(stems / "instrument-3.wav", np.random.default_rng(0).standard_normal(1000))
    assert "3 stems for 2 references" in run(stems, references).stderr
    (references / "flute.wav").unlink()
    document = scored(stems, references)
    assert rows(document)["clarinet"]["stem"] == "instrument-1"
    assert "without a reference" in " ".join(document["takes"][0]["notices"])
    swapped = scored(references / "clarinet.wav", "--refs", stems)
    assert [row["note"] for row in swapped["takes"][0]["references"]] == ["", "no stem", "no stem"]


def test_a_copy_among_the_references_is_told(
    stems: Path, references: Path, instruments: dict[str, np.ndarray]
) -> None:
    write(references / "all.wav", sum(instruments.values()))
    assert "depend on one another" in run(stems, references).stderr


@pytest.mark.parametrize(
    ("arrange", "message"),
    [
        (lambda stems, refs: (refs, stems), "Are the folders swapped?"),
        (lambda stems, refs: (stems, stems), "given as stems and as references"),
        (lambda stems, refs: (stems.parent, refs), "no stems here"),
        (lambda stems, refs: (stems, stems / "seeds"), "no references here"),
    ],
)
def test_wrong_folders(
    stems: Path, references: Path, arrange: Callable[[Path, Path], tuple[Path, Path]], message: str
) -> None:
    (stems / "manifest.json").write_text("{}")
    (stems / "seeds").mkdir()
    result = run(*arrange(stems, references))
    assert result.exit_code == 1
    assert message in result.stderr
    assert len(result.stderr.splitlines()) <= 2


def test_samples_that_are_no_numbers(
    stems: Path, references: Path, instruments: dict[str, np.ndarray]
) -> None:
    signal = instruments["flute"].copy()
    signal[100] = math.nan
    write(stems / "instrument-1.wav", signal)
    result = run(stems, references)
    assert result.exit_code == 1
    assert "NaN or infinite" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [["{stems}"], ["{stems}", "{refs}", "--json", "--csv"], ["nowhere", "{refs}"], []],
)
def test_usage(stems: Path, references: Path, arguments: list[str]) -> None:
    filled = [text.format(stems=stems, refs=references) for text in arguments]
    assert run(*filled).exit_code == 2


def test_csv_is_tidy(stems: Path, references: Path) -> None:
    result = run(stems, references, "--csv")
    lines = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [line["reference"] for line in lines] == ["clarinet", "flute"]
    assert {line["bss_eval"] + line["filter_taps"] for line in lines} == {"v21"}
    assert all(math.isfinite(float(line["sdr_db"])) for line in lines)


def test_tables(tmp_path: Path, stems: Path, instruments: dict[str, np.ndarray]) -> None:
    references = tmp_path / "é [refs] |"
    for name, signal in instruments.items():
        write(references / f"{name} [x] | é.wav", signal)
    table = run(stems, references)
    assert "flute [x] | é" in table.stdout
    assert "filter taps: 1" in table.stdout
    assert not any(line.startswith("note") for line in table.stdout.splitlines())
    markdown = run(stems, references, "--markdown").stdout.splitlines()
    bars = {line.replace(r"\|", "").count("|") for line in markdown if line.startswith("|")}
    assert len(bars) == 1
    assert any(line.startswith("| mean |") for line in markdown)


def test_quiet_leaves_only_the_result(stems: Path, references: Path) -> None:
    write(stems / "residual.wav", np.ones(10))
    assert run(stems, references).stderr != ""
    assert run(stems, references, "-q").stderr == ""


@pytest.fixture
def seeds(tmp_path: Path, instruments: dict[str, np.ndarray]) -> Path:
    folder = write_stems(tmp_path / "run", instruments, leak=0.1)
    for seed, leak in enumerate((0.1, 0.01, 0.3)):
        write_stems(folder / "seeds" / f"{seed:03d}", instruments, leak)
    ranking = [{"seed": seed, "objective": 0.1 * (seed + 1)} for seed in range(3)]
    manifest = {"chosen_seed": 0, "ranking": ranking}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_seeds_show_spread_choice_and_best(seeds: Path, references: Path) -> None:
    document = scored(seeds, references, "--seeds")
    assert [take["seed"] for take in document["takes"]] == [0, 1, 2]
    (summary,) = document["seeds"]
    assert (summary["chosen_seed"], summary["best_seed"]) == (0, 1)
    assert_allclose(summary["best_sdr_db"] - summary["chosen_sdr_db"], 20, atol=1)
    means = [take["mean"]["sdr_db"] for take in document["takes"]]
    assert_allclose(summary["std_sdr_db"], np.std(means, ddof=1))
    table = run(seeds, references, "--seeds").stdout
    assert "chosen blind: seed 0" in table
    assert "best by the references: seed 1" in table


def test_seeds_of_no_run_and_with_a_broken_manifest(
    seeds: Path, references: Path, tmp_path: Path
) -> None:
    (seeds / "manifest.json").write_text("{}")
    result = run(seeds, references, "--seeds")
    assert result.exit_code == 1
    assert "chosen_seed" in result.stderr
    (seeds / "manifest.json").unlink()
    assert "which seed was chosen is not known" in run(seeds, references, "--seeds").stdout
    write(tmp_path / "other" / "a.wav", np.ones(100))
    result = run(tmp_path / "other", references, "--seeds")
    assert (result.exit_code, "seeds/000" in result.stderr) == (1, True)
    files = sorted(references.glob("*.wav"))
    assert run(*files, "--refs", tmp_path / "other", "--seeds").exit_code == 1


def test_pitch_against_notes_and_contours(stems: Path, references: Path) -> None:
    (references / "notes.csv").write_text(
        "stem,onset_s,offset_s,midi,velocity,detune_cents\nflute,0,1.5,69,80,0\n"
    )
    contour = "\n".join(f"{n / 100:.2f},220,0.9,{int(n < 75)}" for n in range(150))
    (references / "clarinet_f0.csv").write_text(f"time_s,f0_hz,confidence,voiced\n{contour}\n")
    found = [(1, 220.0, n < 75, n) for n in range(150)] + [
        (2, 445.0, n < 75, n) for n in range(150)
    ]
    lines = [f"{i},{n / 100:.3f},{f0_hz},0.1,{int(on)}" for i, f0_hz, on, n in found]
    (stems / "pitch.csv").write_text("\n".join(["instrument,time_s,f0_hz,amplitude,on", *lines]))
    document = scored(stems, references)
    flute, clarinet = (rows(document)[name]["pitch"] for name in ("flute", "clarinet"))
    assert (flute["raw_pitch_accuracy"], flute["voicing_recall"]) == (1.0, 0.5)
    assert (clarinet["overall_accuracy"], clarinet["voicing_false_alarm"]) == (1.0, 0.0)
    multipitch = document["takes"][0]["multipitch"]
    assert_allclose([multipitch["precision"], multipitch["recall"]], [1, 2 / 3])
    assert "raw pitch" in run(stems, references).stdout
    (stems / "pitch.csv").write_text("instrument,time_s\n1,0\n")
    result = run(stems, references)
    assert (result.exit_code, "pitch.csv, line 2" in result.stderr) == (1, True)


def test_the_shared_references_score_perfectly_against_themselves(shared_data: Path) -> None:
    folder = shared_data / "choir-2"
    stems = [folder / "bass.flac", folder / "soprano.flac"]
    document = scored(*stems, "--refs", folder)
    assert document["mean"]["sdr_db"] == "inf"
    assert -3 < document["mean"]["mix_sdr_db"] < 3


def test_help_waits_for_no_heavy_module() -> None:
    code = (
        "import sys, musisep_cli.cli.evaluate.command\n"
        "print({'numpy', 'scipy', 'torch', 'soundfile', 'mir_eval', 'librosa'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.fixture
def hour(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """Folders with two stems and two references of an hour of stereo at 48 kHz, 16 bit."""
    rng = np.random.default_rng(0)
    ten_seconds = 0.1 * rng.standard_normal((2, 480_000, 2)).astype(np.float32)
    paths = [tmp_path / name for name in ("refs/a.wav", "refs/b.wav", "stems/x.wav", "stems/y.wav")]
    signals = [*ten_seconds, *(ten_seconds + 0.1 * ten_seconds[::-1])]
    for path, signal in zip(paths, signals, strict=True):
        path.parent.mkdir(exist_ok=True)
        with soundfile.SoundFile(path, "w", 48_000, 2, "PCM_16") as file:
            for _ in range(360):
                file.write(signal)
    yield tmp_path / "stems", tmp_path / "refs"
    for path in paths:
        path.unlink()


@pytest.mark.slow
def test_an_hour_of_stereo_needs_less_than_a_gigabyte(hour: tuple[Path, Path]) -> None:
    code = (
        "import resource, sys, typer\n"
        "from musisep_cli.cli.evaluate.command import evaluate\n"
        "app = typer.Typer()\n"
        "app.command()(evaluate)\n"
        "app(standalone_mode=False)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", code, *map(str, hour), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert_allclose(json.loads(done.stdout)["mean"]["sdr_db"], 20, atol=0.1)
    peak_kilobytes = int(done.stderr.splitlines()[-1])
    assert peak_kilobytes < 1_000_000
