import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from typer.testing import Result

from musisep_cli.cli.separate.tables import footnotes, ranking
from musisep_cli.methods.decoding import clear_frames, rehearsal, stopping
from tests.cli import separating
from tests.cli.separating import (
    TINY_SETTINGS,
    WARM_SETTINGS,
    hashes,
    invoke,
    manifest,
    results,
    separate,
    write_recording,
    write_settings,
)

SUM_PEAK = 1e-6  # of a peak of about 0.3: stems, residual and the sum are float32
AUTOMATIC = TINY_SETTINGS.replace("[run]", '[run]\nprecision = "auto"')
STEMS = ["instrument-1", "instrument-2"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A folder with a separation of three seeds, and what was printed. Not to be changed."""
    folder = tmp_path_factory.mktemp("finished")
    write_recording(folder / "mix.wav")
    return folder, separate(
        folder, folder / "mix.wav", "-n", 2, "--seeds", 3, "--seed", 5, drawn=True
    )


def read_all(folder: Path, extension: str = "wav") -> dict[str, np.ndarray]:
    names = [*STEMS, "residual"]
    return {
        name: soundfile.read(folder / f"{name}.{extension}", always_2d=True)[0] for name in names
    }


@pytest.mark.parametrize(
    ("name", "sample_rate_hz", "n_channels"),
    [
        ("a name with spaces and é.wav", 44_100, 2),
        ("mono.flac", 22_050, 1),
        ("compressed.mp3", 48_000, 2),
        ("six.wav", 16_000, 6),
    ],
)
def test_stems_are_as_the_recording_and_add_up_to_it(
    tmp_path: Path, name: str, sample_rate_hz: int, n_channels: int
) -> None:
    path = write_recording(tmp_path / name, sample_rate_hz=sample_rate_hz, n_channels=n_channels)
    separate(tmp_path, path, "-n", 2)
    reference, rate = soundfile.read(path, always_2d=True)
    folder = results(tmp_path, path.stem)
    for stem in [*STEMS, "residual"]:
        info = soundfile.info(folder / f"{stem}.wav")
        assert (info.samplerate, info.frames, info.channels) == (rate, *reference.shape)
        assert info.subtype == "FLOAT"
    total = sum(read_all(folder).values())
    np.testing.assert_allclose(total, reference, rtol=0, atol=SUM_PEAK)


def test_the_folder_holds_everything(finished: tuple[Path, Result]) -> None:
    folder = results(finished[0], "mix")
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    of_a_seed = {"checkpoint.pt", "dictionary.json", "metrics.csv", "pitch.csv", "seed.json"}
    of_a_seed |= {f"{stem}.wav" for stem in STEMS} | {"identity-1.json", "identity-2.json"}
    assert files == {
        *(f"{stem}.{ext}" for stem in STEMS for ext in ("wav", "png", "json")),
        *("residual.wav", "mix.png", "dictionary.json", "pitch.csv", "manifest.json"),
        "listen.html",
        *(f"seeds/{seed}/{name}" for seed in ("005", "006", "007") for name in of_a_seed),
    }
    listed = manifest(finished[0], "mix")["files"]
    others = {name for name in files if name.startswith("seeds")} | {"listen.html"}
    assert set(listed) == files - others


def test_the_chosen_seed_is_the_one_with_the_lowest_objective(
    finished: tuple[Path, Result],
) -> None:
    content = manifest(finished[0], "mix")
    objectives = [row["objective"] for row in content["ranking"]]
    assert sorted(row["seed"] for row in content["ranking"]) == [5, 6, 7]
    assert objectives == sorted(objectives)
    assert content["chosen_seed"] == content["ranking"][0]["seed"]
    folder = results(finished[0], "mix")
    for stem in STEMS:
        chosen = folder / "seeds" / f"{content['chosen_seed']:03d}" / f"{stem}.wav"
        assert chosen.read_bytes() == (folder / f"{stem}.wav").read_bytes()


def test_results_on_stdout_and_messages_on_stderr(finished: tuple[Path, Result]) -> None:
    result = finished[1]
    assert "level, dBFS" in result.stdout
    assert "share of energy" in result.stdout
    [chosen] = [line for line in result.stdout.splitlines() if "chosen blind" in line]
    assert "chosen blind: lowest objective over all frames" in chosen
    assert chosen.split()[0] == str(manifest(finished[0], "mix")["chosen_seed"])
    assert "stems + residual = input to -1" in result.stdout
    assert "on cpu, 1 thread; preset quick (from scratch, 2 iterations" in result.stderr
    assert "mix.wav: 0:00, 16000 Hz, mono ->" in result.stderr
    for seed in (5, 6, 7):
        assert f"seed {seed}: done after" in result.stderr
    assert "\x1b" not in result.output  # no live bar, no colours
    assert all(line == line.rstrip() for line in result.stdout.splitlines())


def test_a_stem_is_shown_by_its_name_in_the_folder_of_the_heading(
    finished: tuple[Path, Result],
) -> None:
    heading, *rows = finished[1].stdout.splitlines()
    assert heading.endswith(f"mix.wav -> {results(finished[0], 'mix')}")
    shown = [row.split() for row in rows if row.endswith(".wav")]
    assert [(row[0], row[-1]) for row in shown] == [
        (stem, f"{stem}.wav") for stem in (*STEMS, "residual")
    ]


def test_shares_that_overlap_are_explained(finished: tuple[Path, Result]) -> None:
    content = manifest(finished[0], "mix")
    total = sum(stem["energy_share"] for stem in content["stems"])
    words = f"shares of energy add up to {total:.0%}: stems overlap"
    assert (words in finished[1].stdout) == (f"{total:.0%}" != "100%")
    for last, effect in ((0.2, "98%: stems overlap, and strengthen"), (0.5, "and weaken")):
        stems = [{"name": "stem", "energy_share": share} for share in (0.5, 0.28, last)]
        assert effect in footnotes({**content, "stems": stems})[-1]
    stems = [{"name": "stem", "energy_share": share} for share in (0.5, 0.3, 0.2)]
    assert "shares" not in " ".join(footnotes({**content, "stems": stems}))


def test_steps_are_spoken_of_only_where_there_are_any(finished: tuple[Path, Result]) -> None:
    content = manifest(finished[0], "mix")
    assert "steps skipped" in finished[1].stdout
    config = {"preset": "standard", "training": {"iterations": 0}}
    untrained = {**content, "config": config}
    assert len(ranking(untrained).columns) == len(ranking(content).columns) - 1
    row = {"ranking": content["ranking"][:1]}
    assert "0 steps skipped" in footnotes({**content, **row})[0]
    assert "steps" not in footnotes({**untrained, **row})[0]


def test_a_finished_separation_is_not_made_again(finished: tuple[Path, Result]) -> None:
    folder = finished[0]
    before = {path: path.stat().st_mtime_ns for path in (folder / "out").rglob("*")}
    arguments = (folder / "mix.wav", "-n", 2, "--seeds", 3, "--seed", 5)
    result = separate(folder, *arguments)
    assert "nothing to do" in result.stderr
    document = json.loads(separate(folder, *arguments, "--json").stdout)
    assert document["status"] == "unchanged"
    assert len(document["files"]) == 12
    after = {path: path.stat().st_mtime_ns for path in (folder / "out").rglob("*")}
    assert after == before


def test_other_settings_need_overwrite(finished: tuple[Path, Result]) -> None:
    folder = finished[0]
    for other, words in (
        (("-n", 3, "--seeds", 3, "--seed", 5), "[run] instruments = 2, now 3"),
        (("-n", 2, "--seeds", 3, "--seed", 5, "--int16"), "subtype = float32, now int16"),
    ):
        result = separate(folder, folder / "mix.wav", *other, exit_code=1)
        assert words in result.stderr
        assert "--overwrite" in result.stderr


def test_another_recording_or_part_of_it_is_told_from_other_settings(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "mix.wav", duration_s=0.5)
    part, same = ("-n", 1, "--duration", 0.25), ("-n", 1, "--duration", 0.5)
    separate(tmp_path, path, "-n", 1)
    assert "nothing to do" in separate(tmp_path, path, *same).stderr
    folder = results(tmp_path, "mix")
    words = (
        f"{folder}: holds the separation of another part of this recording (all of it; now "
        "--start 0.0 --duration 0.25). Give each part its own --out, or replace it"
    )
    assert words in separate(tmp_path, path, *part, exit_code=1).stderr
    other = write_recording(tmp_path / "elsewhere" / "mix.wav", duration_s=0.4)
    words = f"{folder}: holds the separation of another recording, {path}. Give each its own --out"
    assert words in separate(tmp_path, other, "-n", 1, exit_code=1).stderr
    other.replace(path)
    words = f"{folder}: holds the separation of {path} as it was, and that has changed since."
    assert words in separate(tmp_path, path, "-n", 1, exit_code=1).stderr


def test_the_manifest_makes_the_same_again(finished: tuple[Path, Result], tmp_path: Path) -> None:
    folder = finished[0]
    made = results(folder, "mix")
    result = invoke(folder / "mix.wav", "--config", made / "manifest.json", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert hashes(results(tmp_path, "mix")) == hashes(made)
    assert manifest(tmp_path, "mix")["config"] == manifest(folder, "mix")["config"]


def test_the_precision_that_was_taken_is_a_setting_like_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_recording(tmp_path / "mix.wav")
    monkeypatch.setattr(separating, "TINY_SETTINGS", AUTOMATIC)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    made = separate(tmp_path, path, "-n", 2)
    assert "1 thread, bfloat16;" in made.stderr
    settings = manifest(tmp_path, "mix")["config"]
    assert settings["run"]["precision"] == "bfloat16"
    # On another machine its seeds are not mixed with others, unless it is asked for.
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    refused = separate(tmp_path, path, "-n", 2, "--seeds", 2, "--resume", exit_code=1)
    assert "[run] precision = bfloat16, now float32" in refused.stderr
    same = results(tmp_path, "mix") / "manifest.json"
    again = invoke(path, "--config", same, "-o", tmp_path / "out", "--seeds", 2)
    assert again.exit_code == 0, again.output
    assert manifest(tmp_path, "mix")["config"]["run"]["precision"] == "bfloat16"


def test_several_jobs_give_the_same_bytes(finished: tuple[Path, Result], tmp_path: Path) -> None:
    arguments = ("-n", 2, "--seeds", 3, "--seed", 5, "-j", 2)
    result = separate(tmp_path, finished[0] / "mix.wav", *arguments)
    assert hashes(results(tmp_path, "mix")) == hashes(results(finished[0], "mix"))
    for seed in (5, 6, 7):
        assert f"seed {seed}: done after" in result.stderr


def test_overwrite_leaves_nothing_of_the_earlier_separation(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "mix.wav")
    separate(tmp_path, path, "-n", 3, "--seeds", 2)
    folder = results(tmp_path, "mix")
    own = folder / "seeds" / "001" / "notes of mine.txt"
    own.write_text("keep")
    separate(tmp_path, path, "-n", 1, "--flac", "--overwrite")
    assert sorted(hashes(folder)) == [
        "instrument-1.flac",
        "residual.flac",
        "seeds/000/instrument-1.flac",
    ]
    assert [path.name for path in own.parent.iterdir()] == [own.name]


def test_a_lost_file_is_made_again(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "mix.wav")
    separate(tmp_path, path, "-n", 1)
    for name in ("instrument-1.wav", "mix.png", "dictionary.json", "pitch.csv"):
        lost = results(tmp_path, "mix") / name
        content = lost.read_bytes()
        lost.unlink()
        result = separate(tmp_path, path, "-n", 1)
        assert "unfinished separation is there: seed 0 done and kept" in result.stderr
        assert lost.read_bytes() == content


def test_a_lost_manifest_is_made_again_from_the_seeds(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "mix.wav")
    separate(tmp_path, path, "-n", 1, "--seeds", 2)
    made = hashes(tmp_path)
    (results(tmp_path, "mix") / "manifest.json").unlink()
    result = separate(tmp_path, path, "-n", 1, "--seeds", 2)
    assert "unfinished separation is there: seeds 0, 1 done and kept" in result.stderr
    assert hashes(tmp_path) == made


def test_stems_of_unknown_origin_are_kept(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "mix.wav")
    mine = results(tmp_path, "mix") / "residual.wav"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    result = separate(tmp_path, path, "-n", 1, exit_code=1)
    assert "is there already" in result.stderr
    assert mine.read_text() == "mine"
    separate(tmp_path, path, "-n", 1, "--overwrite")
    assert mine.read_bytes()[:4] == b"RIFF"


@pytest.mark.parametrize(
    ("flags", "extension", "subtype", "atol"),
    [
        (["--int24"], "wav", "PCM_24", 2.0**-22),  # three roundings of half a step each
        (["--int16"], "wav", "PCM_16", 2.0**-14),
        (["--flac"], "flac", "PCM_24", 2.0**-22),
        (["--flac", "--int16"], "flac", "PCM_16", 2.0**-14),
    ],
)
def test_integer_formats(
    tmp_path: Path, flags: list[str], extension: str, subtype: str, atol: float
) -> None:
    path = write_recording(tmp_path / "mix.wav")
    separate(tmp_path, path, "-n", 2, *flags)
    folder = results(tmp_path, "mix")
    assert soundfile.info(folder / f"residual.{extension}").subtype == subtype
    total = sum(read_all(folder, extension).values())
    np.testing.assert_allclose(total, soundfile.read(path, always_2d=True)[0], rtol=0, atol=atol)


def test_one_gain_for_all_stems_beyond_full_scale(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "loud.wav", peak=4.0, subtype="FLOAT")
    result = separate(tmp_path, path, "-n", 2, "--int16")
    gain = manifest(tmp_path, "loud")["gain"]
    assert 0.1 < gain < 0.5
    assert "all stems are scaled by one gain" in result.stdout
    total = sum(read_all(results(tmp_path, "loud")).values())
    expected = gain * soundfile.read(path, always_2d=True)[0]
    np.testing.assert_allclose(total, expected, rtol=0, atol=2.0**-14)


def test_a_coarse_format_for_a_quiet_recording_is_a_warning(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "quiet.wav", peak=1e-3, subtype="FLOAT")
    assert "too quiet for int16" in separate(tmp_path, path, "-n", 1, "--int16").stderr


def test_an_excerpt(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "mix.wav", duration_s=1.0)
    separate(tmp_path, path, "-n", 1, "--start", 0.5, "--duration", 0.3)
    total = sum(
        soundfile.read(results(tmp_path, "mix") / f"{stem}.wav")[0]
        for stem in ("instrument-1", "residual")
    )
    np.testing.assert_allclose(total, soundfile.read(path)[0][8_000:12_800], rtol=0, atol=SUM_PEAK)


def test_flags_win_over_the_file_and_the_file_over_the_preset(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "mix.wav")
    flags = ("--iterations", 3, "--harmonics", 7, "--sampling", "independent")
    separate(tmp_path, path, "-n", 1, *flags)
    config = manifest(tmp_path, "mix")["config"]
    assert config["training"]["iterations"] == 3
    assert config["training"]["batch_size"] == 2
    assert config["dictionary"]["n_harmonics"] == 7
    assert config["policy"]["sampling"] == "independent"
    assert config["network"]["base_channels"] == 4
    assert config["preset"] == "quick"
    with (results(tmp_path, "mix") / "seeds/000/metrics.csv").open() as rows:
        assert len(list(rows)) == 1 + 3


WARM_FLAGS = ("--config", "warm.toml", "--seeds", 1, "--iterations", 3, "--cpu", "--out", "out")


def warm_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Result, list[str]]:
    """A run that listens and then trains, and the lines of its training curve."""
    monkeypatch.chdir(folder)
    (folder / "warm.toml").write_text(WARM_SETTINGS)
    result = invoke(write_recording(folder / "mix.wav", duration_s=1.0), *WARM_FLAGS)
    assert result.exit_code == 0, result.output
    curve = (results(folder, "mix") / "seeds/000/metrics.csv").read_text()
    return result, curve.splitlines()[1:]


def test_the_network_learns_from_what_was_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every_frame_is_clear: None
) -> None:
    result, curve = warm_run(tmp_path, monkeypatch)
    assert [line.split(",")[0] for line in curve] == ["1", "2", "3"]
    assert "not trained" not in result.stderr
    config = manifest(tmp_path, "mix")["config"]
    assert (config["run"]["method"], config["training"]["iterations"]) == ("decoding", 3)


def test_training_that_no_longer_helps_stops_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every_frame_is_clear: None
) -> None:
    # The recording is of a single chord, of which nothing would be held out.
    monkeypatch.setattr(rehearsal, "held_out", lambda passage: torch.arange(len(passage)) % 5 == 0)
    monkeypatch.setattr(rehearsal, "CHECK_STEPS", 1)
    losses = {0: 2.0, 1: 1.0, 2: 3.0}
    monkeypatch.setattr(rehearsal.Rehearsal, "loss_held_out", lambda r: losses[r.iteration])
    monkeypatch.setattr(stopping, "PATIENCE", 1)
    result, curve = warm_run(tmp_path, monkeypatch)
    assert [line.split(",")[0] for line in curve] == ["1", "2"]
    assert "seed 0: stopped after 2 of 3 training steps, step 1 is kept: " in result.stderr


def test_nothing_clear_to_learn_from_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        clear_frames, "clear", lambda on, *_: torch.zeros(len(on), dtype=torch.bool)
    )
    result, curve = warm_run(tmp_path, monkeypatch)
    assert curve == []
    assert "seed 0: not trained: in no frame the tones are clear" in result.stderr


def test_the_number_of_instruments_may_come_from_the_file(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "mix.wav")
    settings = write_settings(tmp_path)
    settings.write_text(settings.read_text().replace("[run]", "[run]\ninstruments = 3"))
    result = invoke(path, "--config", settings, "--dry-run")
    assert result.exit_code == 0
    assert "3 instruments" in result.stdout


def test_a_frozen_dictionary_stays(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "mix.wav")
    separate(tmp_path, path, "-n", 2)
    learned = results(tmp_path, "mix") / "dictionary.json"
    given = tmp_path / "given.json"
    given.write_bytes(learned.read_bytes())
    frozen = ("--init-dictionary", given, "--freeze-dictionary", "--overwrite")
    separate(tmp_path, path, "-n", 2, *frozen)
    assert learned.read_bytes() == given.read_bytes()
    assert "nothing to do" in separate(tmp_path, path, "-n", 2, *frozen[:-1]).stderr
    separate(tmp_path, path, "-n", 2, "--init-dictionary", given, "--overwrite")
    assert learned.read_bytes() != given.read_bytes()


def test_another_content_of_a_given_file_needs_overwrite(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "mix.wav")
    separate(tmp_path, path, "-n", 2)
    given = tmp_path / "given.json"
    given.write_bytes((results(tmp_path, "mix") / "dictionary.json").read_bytes())
    flags = ("-n", 2, "--init-dictionary", given)
    separate(tmp_path, path, *flags, "--overwrite")
    given.write_text(given.read_text().replace("1.0", "0.9"))
    result = separate(tmp_path, path, *flags, exit_code=1)
    assert "[dictionary] init_file holds something else than then" in result.stderr
    (results(tmp_path, "mix") / "manifest.json").unlink()
    result = separate(tmp_path, path, *flags, "--seeds", 2, "--resume", exit_code=1)
    assert "another run: 0 ([dictionary] init_file holds something else than then)" in result.stderr


def test_a_batch_ends_with_a_table(tmp_path: Path) -> None:
    write_recording(tmp_path / "songs" / "good.wav")
    (tmp_path / "songs" / "bad.wav").write_text("no sound")
    result = separate(tmp_path, tmp_path / "songs", "-n", 1, exit_code=1)
    assert (results(tmp_path, "good") / "manifest.json").is_file()
    assert "bad.wav: is not a sound file" in result.stderr
    assert "Traceback" not in result.output
    assert "2 recordings: 1 failed, 1 done" in result.stdout


def test_json_is_a_line_per_recording(tmp_path: Path) -> None:
    good = write_recording(tmp_path / "é.wav")
    result = separate(tmp_path, tmp_path / "none.wav", good, "-n", 1, "--json", exit_code=1)
    failed, done = map(json.loads, result.stdout.splitlines())
    assert failed["status"] == "failed"
    assert "cannot be read" in failed["error"]
    assert failed["files"] == []
    assert done["input"] == str(good)
    assert done["status"] == "done"
    assert [stem["name"] for stem in done["stems"]] == ["instrument-1", "residual"]
    assert len(done["files"]) == 9
    assert all(Path(name).is_file() for name in done["files"])


def test_quiet_shows_results_and_errors_only(tmp_path: Path) -> None:
    good = write_recording(tmp_path / "mix.wav")
    result = separate(tmp_path, good, tmp_path / "none.wav", "-n", 1, "-q", exit_code=1)
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("error: ")
    assert "instrument-1" in result.stdout


def test_verbose_shows_all_settings(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "mix.wav")
    result = separate(tmp_path, path, "-n", 1, "-v", "--dry-run")
    assert "[network]\nbase_channels = 4\n" in result.stderr


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "mix.wav")
    result = separate(tmp_path, path, "-n", 2, "--seeds", 3, "--dry-run")
    for words in ("on cpu", "preset quick", "2 iterations", "seeds 0 to 2", "separate", "mix.wav"):
        assert words in result.stdout
    assert str(results(tmp_path, "mix")) in result.stdout
    planned = json.loads(separate(tmp_path, path, "-n", 2, "--dry-run", "--json").stdout)
    assert planned["status"] == "planned"
    assert planned["files"] == []
    assert not (tmp_path / "out").exists()


def test_a_dry_run_measures_what_a_separation_takes(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "mix.wav")
    flags = ("--config", write_settings(tmp_path), "--out", tmp_path / "out", "--cpu", "-n", 1)
    [line] = invoke(path, *flags, "--dry-run", "--json", timed=True).stdout.splitlines()
    estimate = json.loads(line)["estimate"]
    assert (estimate["preset"], estimate["n_iterations"]) == ("quick", 2)
    assert estimate["total_s"] > 2 * estimate["step_s"] > 0
    assert estimate["memory_bytes"] > 1e7
    shown = invoke(path, *flags, "--dry-run").stdout
    assert "time a seed" in shown
    assert "about 0 s" in shown  # 2 steps of 0.1 s and 28 frames of 0.01 s, as they are taken here


def test_a_dry_run_says_what_would_be_replaced(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "mix.wav")

    def planned(*flags: object) -> str:
        shown = separate(tmp_path, path, *flags, "--dry-run", "--overwrite").stdout
        [row] = [line for line in shown.splitlines() if f" {path} " in line]
        return row.split()[2]

    assert planned("-n", 1) == "separate"
    separate(tmp_path, path, "-n", 1)
    assert planned("-n", 1) == "replace"
    assert planned("-n", 2) == "replace"


def test_a_template(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "mix.wav")
    result = separate(tmp_path, path, "-n", 1, "--filename", "{stem}/{track} ({stem}).{ext}")
    root = tmp_path / "out" / "musisep"
    assert str(root / "residual" / "mix (residual).wav") in result.stdout
    assert (root / "residual" / "mix (residual).wav").is_file()
    assert (root / "instrument-1" / "mix (instrument-1).png").is_file()
    assert (root / "mix" / "manifest.json").is_file()
    again = separate(tmp_path, path, "-n", 1, "--filename", "{stem}/{track} ({stem}).{ext}")
    assert "nothing to do" in again.stderr


def test_a_name_with_a_leading_dash(tmp_path: Path, repository: Path) -> None:
    write_recording(tmp_path / "-n 'quoted'.wav")
    write_settings(tmp_path)
    command = [sys.executable, "-m", "musisep_cli", "separate", "-n", "1", "--config", "tiny.toml"]
    done = subprocess.run(
        [*command, "--", "-n 'quoted'.wav"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "separated" / "musisep" / "-n 'quoted'" / "manifest.json").is_file()
