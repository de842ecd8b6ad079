import runpy
from pathlib import Path

import numpy as np

from musisep_cli.sound import audio_file

FILES = ("duet.flac", "duet-references/recorder.flac", "duet-references/violin.flac")


def test_the_duet_is_the_sum_of_its_references(repository: Path) -> None:
    mix, *references = (audio_file.read(repository / "examples" / name).samples for name in FILES)
    assert mix.shape == (576_000, 1)
    np.testing.assert_array_equal(sum(references), mix)


def test_both_instruments_play_most_of_the_time(repository: Path) -> None:
    for name in FILES[1:]:
        samples = audio_file.read(repository / "examples" / name).samples
        peaks = np.abs(samples.reshape(-1, 480)).max(axis=1)  # of every 10 ms
        assert np.mean(peaks > 0.005) > 0.95


def test_the_generator_makes_what_is_committed(
    repository: Path, shared_data: Path, tmp_path: Path
) -> None:
    generator = runpy.run_path(str(repository / "examples" / "make_duet.py"))
    generator["main"](shared_data / "gm-recorder-violin", tmp_path)
    for name in FILES:
        made, committed = (
            audio_file.read(folder / name) for folder in (tmp_path, repository / "examples")
        )
        np.testing.assert_array_equal(made.samples, committed.samples)
