"""Content of a page: the sounds add up, and rows are the same instrument in all seeds."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from musisep_cli.errors import InputError
from musisep_cli.inspection.page.content import read_listening
from musisep_cli.run.folder.layout import SoundFormat
from tests.runs import finished_run


@pytest.mark.parametrize("sound", [SoundFormat(), SoundFormat(subtype="int16", extension="flac")])
def test_the_sounds_of_every_seed_add_up_to_the_mix(tmp_path: Path, sound: SoundFormat) -> None:
    run = finished_run(tmp_path, n_channels=2, duration_s=1.0, sound=sound)
    listening = read_listening(run.folder, all_seeds=True)
    mix = listening.mix.samples[0:16_000]
    recording, _ = soundfile.read(run.recording)
    np.testing.assert_allclose(mix, recording, atol=1e-4)
    assert [part.seed for part in listening.seeds] == [0, 1, 2]
    for part in listening.seeds:
        total = sum(each.samples[0:16_000] for each in part.sounds)
        np.testing.assert_allclose(total, mix, atol=1e-6)


def test_rows_are_the_same_instrument_in_every_seed(tmp_path: Path) -> None:
    run = finished_run(tmp_path)
    listening = read_listening(run.folder, all_seeds=True)
    assert [list(part.own) for part in listening.seeds] == [[1, 2], [2, 1], [1, 2]]
    early = slice(0, 16_000)
    for part in listening.seeds:
        np.testing.assert_allclose(
            part.stems[0].samples[early][:, 0], run.truth[0][early], atol=1e-6
        )
        assert part.notes[0][0].name == "D5"


def test_the_seed_that_differs_agrees_least(tmp_path: Path) -> None:
    listening = read_listening(finished_run(tmp_path).folder, all_seeds=True)
    shares = {part.seed: part.agreement for part in listening.seeds}
    assert shares[1] < shares[0] == shares[2]
    [(start_s, end_s, share)] = listening.seeds[1].doubts
    assert 1.5 < start_s < 2.5 < end_s
    assert share < 0.5


def test_without_all_seeds_the_others_are_only_named(tmp_path: Path) -> None:
    run = finished_run(tmp_path)
    listening = read_listening(run.folder, all_seeds=False)
    assert [part.seed for part in listening.seeds] == [0]
    assert [seed for seed, _, _ in listening.silent_seeds] == [1, 2]
    assert len(listening.sounds) == 4


def test_a_seed_whose_files_are_gone_is_only_named(tmp_path: Path) -> None:
    run = finished_run(tmp_path)
    (run.folder / "seeds" / "001" / "instrument-1.wav").unlink()
    (run.folder / "seeds" / "002" / "pitch.csv").unlink()
    listening = read_listening(run.folder, all_seeds=True)
    assert [part.seed for part in listening.seeds] == [0]
    assert [seed for seed, _, _ in listening.silent_seeds] == [1, 2]


def test_a_run_of_one_seed_knows_no_agreement(tmp_path: Path) -> None:
    listening = read_listening(finished_run(tmp_path, n_seeds=1).folder, all_seeds=True)
    assert listening.seeds[0].agreement is None
    assert list(listening.seeds[0].doubts) == []


def test_a_stem_that_is_gone_is_named(tmp_path: Path) -> None:
    run = finished_run(tmp_path, n_seeds=1)
    (run.folder / "residual.wav").unlink()
    with pytest.raises(InputError, match="the sound of residual is missing"):
        read_listening(run.folder, all_seeds=False)
