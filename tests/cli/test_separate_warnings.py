"""Recordings that can be separated, but are not what the method is made for."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

from musisep_cli.cli.separate.warnings import of_crowding, of_recording
from musisep_cli.methods import registry
from musisep_cli.run.settings.compose import compose
from musisep_cli.sound.recording import Recording
from tests.cli.separating import invoke, results, separate, write_recording
from tests.signals import CLARINET, FLUTE, duet, harmonic_tone

RATE_HZ = 16_000
DURATION_S = 2.0


def clean() -> NDArray[np.float64]:
    return sum(duet(duration_s=DURATION_S, sample_rate_hz=RATE_HZ).values())  # type: ignore[return-value]


def partly_silent() -> NDArray[np.float64]:
    return clean() * (np.arange(round(DURATION_S * RATE_HZ)) < RATE_HZ)


def clipped() -> NDArray[np.float64]:
    return np.clip(3 * clean(), -0.9, 0.9)


def mono_in_stereo() -> NDArray[np.float64]:
    return np.stack([clean()] * 2, 1)


def polyphonic() -> NDArray[np.float64]:
    tones = [
        harmonic_tone(
            f0_hz,
            amplitudes=(CLARINET, FLUTE)[number % 2],
            duration_s=DURATION_S,
            sample_rate_hz=RATE_HZ,
        )
        for number, f0_hz in enumerate((131.0, 165.4, 196.8, 247.1, 294.2, 370.5, 440.9, 523.8))
    ]
    return 0.05 * sum(tones)  # type: ignore[return-value]


def percussive() -> NDArray[np.float64]:
    noise = np.random.default_rng(0).standard_normal(round(DURATION_S * RATE_HZ))
    since_hit_s = (np.arange(len(noise)) / RATE_HZ) % 0.25
    return 0.3 * noise * np.exp(-since_hit_s / 0.03)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (partly_silent, "silent for 50% of the time"),
        (clipped, "cut off, which adds partials"),
        (mono_in_stereo, "all channels are alike"),
        (polyphonic, "dense polyphony"),
        (percussive, "this looks like percussion"),
    ],
)
def test_a_result_and_a_plain_warning(
    tmp_path: Path, make: Callable[[], NDArray[np.float64]], words: str
) -> None:
    path = tmp_path / "mix.wav"
    soundfile.write(path, make(), RATE_HZ, subtype="FLOAT")
    result = separate(tmp_path, path, "-n", 1, "--iterations", 1)
    [line] = [line for line in result.stderr.splitlines() if words in line]
    assert line.startswith(f"warning: {path}: ")
    for stem in ("instrument-1", "residual"):
        assert np.isfinite(soundfile.read(results(tmp_path, "mix") / f"{stem}.wav")[0]).all()
    assert "warning" not in separate(tmp_path, path, "-n", 1, "-q", "--overwrite").stderr


def test_warnings_of_a_batch_are_in_its_results(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("clean.wav", "clipped.wav")]
    for path, sound in zip(paths, (clean(), clipped()), strict=True):
        soundfile.write(path, sound, RATE_HZ, subtype="FLOAT")
    flags = (*paths, "-n", 2, "--iterations", 1, "-q", "--overwrite")
    results_shown = separate(tmp_path, *flags).stdout
    [row] = [line for line in results_shown.splitlines() if "done, 1 warning " in line]
    assert str(paths[1]) in row
    lines = separate(tmp_path, *flags, "--json").stdout.splitlines()
    good, bad = (json.loads(line)["warnings"] for line in lines)
    assert good == []
    [warning] = bad
    assert "cut off, which adds partials" in warning
    again = separate(tmp_path, *flags[:-1], "--json").stdout.splitlines()
    assert all("warnings" not in json.loads(line) for line in again)  # it was not listened to


def test_melodic_lines_need_no_warning(tmp_path: Path) -> None:
    path = tmp_path / "mix.wav"
    soundfile.write(path, clean(), RATE_HZ, subtype="FLOAT")
    assert "warning" not in separate(tmp_path, path, "-n", 1, "--iterations", 1).stderr


@pytest.mark.parametrize(
    ("jobs", "seeds", "threads", "warned"),
    [(2, 2, 2, True), (2, 2, 1, False), (1, 2, 4, False), (2, 1, 2, False), (4, 4, 1, False)],
)
def test_more_threads_than_cores_are_worth_a_warning(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    jobs: int,
    seeds: int,
    threads: int,
    warned: bool,
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1}, raising=False)
    path = tmp_path / "mix.wav"
    soundfile.write(path, clean(), RATE_HZ, subtype="FLOAT")
    flags = ("-n", 1, "-j", jobs, "--seeds", seeds, "--threads", threads, "--dry-run")
    shown = separate(tmp_path, path, *flags).stderr
    assert ("that is slower than one after the other; use --threads 1" in shown) == warned


@pytest.mark.parametrize("iterations", [0, 1])
def test_threads_that_do_not_train_do_not_crowd(
    iterations: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1}, raising=False)
    run = {"instruments": 2, "seeds": 2, "threads": 2}
    config = compose("standard", {"run": run, "training": {"iterations": iterations}})
    job = SimpleNamespace(jobs=2, device=torch.device("cpu"), config=config, where="")
    assert len(of_crowding(job)) == iterations


TRIES = ("--sampling", "tree"), ("--freeze-dictionary",), ("--batch-size", 3)


@pytest.mark.parametrize(
    ("flags", "warned"),
    [
        *(((*flags, "--preset", "standard"), True) for flags in TRIES),
        *(((*flags, "--preset", "quick"), False) for flags in TRIES),
        (("--preset", "standard", "--iterations", 100, "--batch-size", 3), False),
        (("--preset", "standard", "--iterations", 100, "--sampling", "tree"), True),
        (("--preset", "quick", "--no-decode"), True),
        (("--preset", "standard", "--no-decode"), False),
    ],
)
def test_a_flag_without_effect_is_told(
    tmp_path: Path, flags: tuple[object, ...], warned: bool
) -> None:
    path = write_recording(tmp_path / "mix.wav")
    shown = invoke(path, "-n", 2, "--cpu", "--dry-run", *flags).stderr
    assert ("has no effect: preset" in shown) == warned
    assert shown.count("warning") == warned
    assert invoke(path, "-n", 2, "--cpu", "--dry-run", "-q", *flags).stderr == ""


def test_why_a_flag_has_no_effect(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "mix.wav")
    shown = invoke(path, "-n", 2, "--cpu", "--dry-run", "--batch-size", 3).stderr
    assert shown == (
        "warning: --batch-size has no effect: preset standard does not train on the recording"
        " (--iterations 100 does)\n"
    )


def test_seeds_that_hardly_differ_are_told(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "mix.wav")
    flags = (path, "-n", 2, "--cpu", "--dry-run", "--seeds", 6)
    assert "6 seeds take 6 times the time for next to nothing" in invoke(*flags).stderr
    for training in (("--iterations", 100), ("--preset", "quick")):
        assert invoke(*flags, *training).stderr == ""


def test_a_preset_that_nobody_chose_is_told(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "mix.wav")
    seven = tmp_path / "seven.toml"
    seven.write_text("[policy]\nexponents = [1.0]\n")
    flags = (path, "-n", 7, "--cpu", "--dry-run", "--config", seven)
    [line] = invoke(*flags).stderr.splitlines()
    assert "preset quick was chosen, as standard serves up to 6 instruments" in line
    assert "iterations from scratch take hours to days" in line
    assert invoke(*flags, "--preset", "quick").stderr == ""


def test_the_help_knows_the_presets() -> None:
    shown = " ".join(invoke("--help").stdout.replace("│", " ").split())
    for name, preset in registry.presets().items():
        assert f"{name} ({preset.summary})" in shown


@pytest.mark.parametrize("preset", ["quick", "paper"])
def test_three_instruments_train_three_times_as_long(preset: str) -> None:
    duet, trio = (
        compose(preset, {"run": {"instruments": n}}).settings.training.iterations for n in (2, 3)
    )
    assert trio == 3 * duet


def three_lines() -> NDArray[np.float64]:
    return clean() + 0.2 * harmonic_tone(
        739.0, amplitudes=FLUTE, duration_s=DURATION_S, sample_rate_hz=RATE_HZ
    )


def solo() -> NDArray[np.float64]:
    return next(iter(duet(duration_s=DURATION_S, sample_rate_hz=RATE_HZ).values()))


def late_entry() -> NDArray[np.float64]:
    first, second = duet(duration_s=DURATION_S, sample_rate_hz=RATE_HZ).values()
    return first + second * (np.arange(len(second)) > 0.45 * len(second))


@pytest.mark.parametrize(
    ("make", "n_instruments", "words"),
    [
        (solo, 1, None),
        (solo, 2, "Try -n 1"),
        (solo, 3, "sounds like 1 line."),
        (clean, 2, None),
        (clean, 3, "hardly ever more than 2 tones at once"),
        (late_entry, 2, None),
        (
            three_lines,
            1,
            "about 3 tones at once: try -n 3 or, if an instrument plays chords",
        ),
    ],
)
def test_a_number_that_does_not_fit_is_questioned(
    make: Callable[[], NDArray[np.float64]], n_instruments: int, words: str | None
) -> None:
    samples = make()[:, None].astype(np.float32)
    config = compose("standard", {"run": {"instruments": n_instruments}})
    found = of_recording(Recording(samples=samples, sample_rate_hz=RATE_HZ), config)
    if words is None:
        assert found == []
    else:
        [warning] = found
        assert f"-n {n_instruments}, " in warning
        assert words in warning


def test_where_chords_are_spoken_of_the_number_of_tones_is_not_questioned() -> None:
    samples = three_lines()[:, None].astype(np.float32)
    config = compose("standard", {"voices": {"melody": True}})
    assert of_recording(Recording(samples=samples, sample_rate_hz=RATE_HZ), config) == []
