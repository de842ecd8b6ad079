import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.separating import (
    invoke,
    results,
    separate,
    write_recording,
    write_settings,
)

PATIENCE_S = 60.0


@pytest.mark.parametrize("number", ["htdemucs", "0", "40", "-1", "2.5", "²"])
def test_n_is_the_number_of_instruments(tmp_path: Path, number: str) -> None:
    result = invoke(write_recording(tmp_path / "mix.wav"), "-n", number)
    assert result.exit_code == 2
    unfolded = " ".join(result.stderr.replace("│", " ").split())
    assert f"'{number}' is no number of instruments" in unfolded
    assert "1 to 16, for example -n 2, several to compare, as -n 1,2,3, or auto." in unfolded


def test_how_many_instruments_there_can_be(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "mix.wav")
    file = tmp_path / "more.toml"
    file.write_text("preset = 'quick'\n[policy]\nexponents = [1.0, 0.1]")
    result = invoke(path, "-n", 7, "--cpu", "--dry-run")
    assert result.exit_code == 2
    for words in ("-n can be up to 6;", "exponents = [1.0, 0.1] in a file for --config up to 9"):
        assert words in result.stderr
    for number, exit_code in ((9, 0), (10, 2)):
        result = invoke(path, "-n", number, "--config", file, "--cpu", "--dry-run")
        assert result.exit_code == exit_code, result.output


def test_n_is_needed(tmp_path: Path) -> None:
    result = invoke(write_recording(tmp_path / "mix.wav"))
    assert result.exit_code == 2
    assert "error: the number of instruments is missing" in result.stderr


@pytest.mark.parametrize(
    "flags",
    [
        ("--gpu", "--cpu"),
        ("-d", "cpu", "--gpu"),
        ("-d", "cuda:0", "--cpu"),
        ("--int16", "--int24"),
        ("--float32", "--int16"),
        ("--flac", "--float32"),
        ("-q", "-v"),
        ("-j", "0"),
        ("-d", "tpu"),
        ("-d", "cuda:x"),
        ("--seeds", "0"),
        ("--seed", "-1"),
        ("--threads", "0"),
        ("--threads", "100000"),
        ("--iterations", "-1"),
        ("--preset", "quick", "--iterations", "0"),
        ("--harmonics", "0"),
        ("--preset", "quick", "--sampling", "forest"),
        ("--batch-size", "0"),
        ("--preset", "best"),
        ("--start", "-1"),
        ("--start", "nan"),
        ("--duration", "0.1"),
        ("--filename", "../../{stem}.{ext}"),
        ("--filename", "/tmp/{stem}.{ext}"),
        ("--filename", "{track}.{ext}"),
        ("--filename", "{stem}"),
        ("--filename", "{stem.__class__}{stem}.{ext}"),
        ("--filename", "{stem:>99999999}.{ext}"),
        ("--filename", "{stem"),
        ("--resume-all",),
    ],
)
def test_wrong_usage(tmp_path: Path, flags: tuple[str, ...]) -> None:
    path = write_recording(tmp_path / "mix.wav")
    result = invoke(path, "-n", 2, "-o", tmp_path / "out", *flags)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("[training]\niteration = 5", "unknown setting 'iteration' in [training]"),
        ("[training]\niterations = 'many'", "must be a whole number"),
        ("[training]\niterations = 0x" + "f" * 40, "too large"),
        (
            "[resynthesis]\nchange_window = 1.5",
            "at most 1: windows get shorter",
        ),
        ("[resynthesis]\nchange_window = 0.1", "change_window is too short for [frame] hop_zetas"),
        ("[resynthesis]\nrest_noise = 0", "rest_noise = 0.0: must be above 0"),
        ("[frame]\nmax_frequency_hz = 20_000", "3072 bins, the product of [network] strides, end"),
        ("[dictionary]\nn_harmonics = 1", "must be 2 to 256"),
        ("[dictionary]\nn_harmonics = 257", "must be 2 to 256"),
        ("[run]\nprecision = 'half'", "must be one of 'auto', 'float32', 'bfloat16'"),
        ("[run]\nprecision = 'bfloat16'\n[network]\nkernel = 7", "it must be at most 5"),
        ("[run]\nmethod = 'guessing'", "there is no such method"),
        ("preset = 'quick'\n[run]\nmethod = 'decoding'", "preset quick is of the method policy"),
        ("preset = 'quick'\n[decoding]\nover_time = false", "unknown section [decoding]"),
        ("[trainig]\niterations = 5", "did you mean 'training'"),
        ("training = 5", "must be a section"),
        ("preset = 5", "'preset' must be one of"),
        ("preset = 'best'", "unknown preset 'best'"),
        ("run = 5", "[run] must be a section"),
        ("not toml", "not a valid .toml file"),
    ],
)
def test_settings_that_cannot_be_used(tmp_path: Path, settings: str, words: str) -> None:
    file = tmp_path / "my.toml"
    file.write_text(settings)
    result = invoke(write_recording(tmp_path / "mix.wav"), "-n", 2, "--config", file)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert str(file) in result.stderr
    assert words in result.stderr


@pytest.mark.parametrize(
    ("settings", "flags"),
    [
        ("[run]\ninstruments = 5", ("--preset", "standard", "-n", "2")),
        ("preset = 'quick'\n[training]\niterations = 0", ("-n", "2", "--iterations", "100")),
    ],
)
def test_flags_win_before_ranges_are_checked(
    tmp_path: Path, settings: str, flags: tuple[str, ...]
) -> None:
    file = tmp_path / "my.toml"
    file.write_text(settings)
    path = write_recording(tmp_path / "mix.wav")
    result = invoke(path, "--config", file, *flags, "--dry-run", "--cpu")
    assert result.exit_code == 0, result.output


def test_a_flag_that_cannot_be_used_is_not_said_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text("[training]\nbatch_size = 3")
    path = write_recording(tmp_path / "mix.wav")
    for flags in (("-n", 2, "--threads", 100_000), ("-n", 2, "--preset", "best")):
        result = invoke(path, "--config", file, *flags)
        assert result.exit_code == 2
        assert str(file) not in result.stderr


def test_settings_that_are_missing(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "mix.wav")
    result = invoke(path, "-n", 2, "--config", tmp_path / "none.toml")
    assert result.exit_code == 2
    assert "cannot be read" in result.stderr


@pytest.mark.skipif("CUDA_VISIBLE_DEVICES" in os.environ, reason="may have a GPU")
def test_a_gpu_that_is_not_there(tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    result = invoke(write_recording(tmp_path / "mix.wav"), "-n", 2, "--gpu", "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "finds no GPU" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_dictionary_of_another_size(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "mix.wav")
    separate(tmp_path, path, "-n", 1)
    learned = results(tmp_path, "mix") / "dictionary.json"
    for flags, words in ((("-n", 2), "-n 1"), (("-n", 1, "--harmonics", 9), "--harmonics 25")):
        arguments = (*flags, "--init-dictionary", learned, "--overwrite")
        result = separate(tmp_path, path, *arguments, exit_code=1)
        assert words in result.stderr


@pytest.fixture
def everything_imported(tmp_path: Path) -> None:
    """Nobody may not be allowed to read Python's own modules."""
    separate(tmp_path, write_recording(tmp_path / "mix.wav"), "-n", 1, "--dry-run")


@pytest.mark.usefixtures("everything_imported", "forbidden_folder")
def test_an_output_folder_that_cannot_be_written(forbidden_folder: Path) -> None:
    with tempfile.TemporaryDirectory() as name:  # not tmp_path: the test runs as nobody
        folder = Path(name)
        path = write_recording(folder / "mix.wav")
        settings = write_settings(folder)
        (folder / "file").touch()
        for out in (forbidden_folder, folder / "file"):
            result = invoke(path, "-n", 1, "--config", settings, "--cpu", "-o", out)
            assert result.exit_code == 1
            assert "cannot be created" in result.stderr
            assert "Traceback" not in result.output


def test_a_name_that_the_file_system_refuses(tmp_path: Path) -> None:
    path = write_recording(tmp_path / f"{'x' * 240}.wav")
    result = separate(tmp_path, path, "-n", 1, "--filename", "{track}-{stem}.{ext}", exit_code=1)
    assert "too long" in result.stderr
    assert "Traceback" not in result.output


def test_stems_of_several_recordings_need_names_of_their_own(tmp_path: Path) -> None:
    paths = [write_recording(tmp_path / name) for name in ("a.wav", "b.wav")]
    result = separate(tmp_path, *paths, "-n", 1, "--filename", "{stem}.{ext}", exit_code=2)
    assert "add {track}" in result.stderr
    separate(tmp_path, paths[0], "-n", 1, "--filename", "{stem}.{ext}")
    kept = results(tmp_path, "residual.wav").read_bytes()
    separate(tmp_path, paths[1], "-n", 1, "--filename", "{stem}.{ext}", exit_code=1)
    assert results(tmp_path, "residual.wav").read_bytes() == kept


def test_a_damaged_manifest_needs_overwrite(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "mix.wav")
    manifest = results(tmp_path, "mix") / "manifest.json"
    manifest.parent.mkdir(parents=True)
    for content in ("{", '{"format": "another"}', '{"format": "musisep-manifest-1"}', "[]"):
        manifest.write_text(content)
        result = separate(tmp_path, path, "-n", 1, exit_code=1)
        assert "--overwrite" in result.stderr
    separate(tmp_path, path, "-n", 1, "--overwrite")


def test_a_separation_of_another_version_needs_overwrite(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "mix.wav")
    separate(tmp_path, path, "-n", 1)
    file = results(tmp_path, "mix") / "manifest.json"
    content = json.loads(file.read_text())
    # Other samples come first: to "make it again" would be wrong.
    for version, flags, words in (
        ("0.0.9", (), "was made by musisep 0.0.9, this is"),
        ("0.0.9", ("--iterations", 5), "was made by musisep 0.0.9, this is"),
        ("0.0.9", ("--start", 0.01), "another part of this recording"),
        (content["version"], (), "nothing to do"),
    ):
        file.write_text(json.dumps({**content, "version": version}))
        exit_code = 0 if words == "nothing to do" else 1
        assert words in separate(tmp_path, path, "-n", 1, *flags, exit_code=exit_code).stderr


def test_a_manifest_cannot_remove_foreign_files(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "mix.wav")
    mine = tmp_path / "mine.wav"
    mine.touch()
    separate(tmp_path, path, "-n", 2)
    file = results(tmp_path, "mix") / "manifest.json"
    content = json.loads(file.read_text())
    assert (file.parent / "../../../mine.wav").exists()
    content["files"] += ["../../../mine.wav", str(mine), 5]
    file.write_text(json.dumps(content))
    separate(tmp_path, path, "-n", 1, "--overwrite")
    assert mine.exists()
    assert not (file.parent / "instrument-2.wav").exists()


def test_a_bug_keeps_its_traceback_and_stops_no_other_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from musisep_cli.run import in_folder
    from musisep_cli.run.folder.layout import RunFolder

    genuine = in_folder.separate_into

    def broken(folder: RunFolder, *arguments: Any, **more: Any) -> None:
        if folder.track == "bad":
            raise ZeroDivisionError("made to happen")
        genuine(folder, *arguments, **more)

    monkeypatch.setattr(in_folder, "separate_into", broken)
    paths = [write_recording(tmp_path / name) for name in ("bad.wav", "good.wav")]
    result = separate(tmp_path, *paths, "-n", 1, exit_code=1)
    assert "Traceback" in result.stderr
    assert "ZeroDivisionError: made to happen" in result.stderr
    assert (results(tmp_path, "good") / "manifest.json").is_file()


def launch(folder: Path, repository: Path, *flags: str) -> subprocess.Popen[str]:
    """A run in a process of its own."""
    write_recording(folder / "mix.wav")
    settings = write_settings(folder).name
    command = [sys.executable, "-m", "musisep_cli", "separate", "mix.wav", "-n", "1", "--cpu"]
    return subprocess.Popen(
        [*command, "--config", settings, *flags],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(repository)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start(folder: Path, repository: Path, *flags: str) -> subprocess.Popen[str]:
    """One that would take hours, once its training goes on."""
    process = launch(folder, repository, *flags)
    assert process.stderr is not None
    for line in process.stderr:
        if " -> " in line:
            break
    return process


def test_an_interruption_ends_with_130_and_says_what_is_kept(
    tmp_path: Path, repository: Path
) -> None:
    flags = ("--seeds", "1000", "--iterations", "1")
    process = start(tmp_path, repository, *flags)
    done = tmp_path / "separated" / "musisep" / "mix" / "seeds" / "000" / "seed.json"
    deadline_s = time.monotonic() + PATIENCE_S
    while not done.exists() and time.monotonic() < deadline_s:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert "interrupted in mix.wav" in messages
    assert "seed 0 done" in messages or "seeds 0, " in messages
    assert "Traceback" not in messages


def test_messages_that_nobody_reads_end_no_work(tmp_path: Path, repository: Path) -> None:
    process = launch(tmp_path, repository)
    assert process.stderr is not None
    process.stderr.close()
    process.stderr = None  # communicate would read it
    shown, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert "stems + residual = input" in shown
    assert (tmp_path / "separated" / "musisep" / "mix" / "manifest.json").is_file()


@pytest.mark.slow
def test_an_interruption_stops_all_jobs(tmp_path: Path, repository: Path) -> None:
    flags = ("--seeds", "2", "-j", "2", "--iterations", "1000000")
    process = start(tmp_path, repository, *flags)
    time.sleep(10.0)
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert "seeds 0, 1 in part; --resume goes on" in messages
    assert "Traceback" not in messages


@pytest.mark.slow
def test_workers_do_not_outlive_a_killed_run(tmp_path: Path, repository: Path) -> None:
    flags = ("--seeds", "2", "-j", "2", "--iterations", "1000000")
    process = start(tmp_path, repository, *flags)
    time.sleep(10.0)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(children) >= 2
    process.kill()
    process.communicate(timeout=PATIENCE_S)
    deadline_s = time.monotonic() + PATIENCE_S
    while any(map(_is_alive, children)) and time.monotonic() < deadline_s:
        time.sleep(0.2)
    assert not any(map(_is_alive, children))


@pytest.mark.slow
def test_a_worker_that_the_system_kills_is_an_error(tmp_path: Path, repository: Path) -> None:
    flags = ("--seeds", "2", "-j", "2", "--iterations", "1000000")
    process = start(tmp_path, repository, *flags)
    time.sleep(10.0)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    [worker, *_] = [pid for pid in children if b"spawn_main" in _command_line(pid)]
    os.kill(int(worker), signal.SIGKILL)
    _, messages = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert "the system killed a training process" in messages
    assert "Traceback" not in messages


def _command_line(pid: str) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def _is_alive(pid: str) -> bool:
    """Whether the process is there; a zombie is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
