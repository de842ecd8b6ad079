import io
from pathlib import Path

import numpy as np
import pytest

from musisep_cli.errors import OutputError
from musisep_cli.methods.pursuit.log_axis import N_BINS
from musisep_cli.methods.pursuit.overview import MOST_COLUMNS, Overview, draw


def test_every_column_is_the_loudest_of_its_frames() -> None:
    overview = Overview(2 * MOST_COLUMNS)
    frames = np.zeros((2 * MOST_COLUMNS, N_BINS), np.float32)
    frames[7, 100], frames[6, 100], frames[-1, 5] = 0.5, 0.1, 0.05
    overview.add(frames[:5])
    overview.add(frames[5:])
    assert overview.columns[3, 100] == np.float32(0.5)
    with np.load(io.BytesIO(overview.content(gain=1.0, duration_s=2.0))) as content:
        assert content["loudest_db"] == pytest.approx(0.0)  # a line of 0.5: a sine of amplitude 1
        assert content["below_db"][3, 100] == 0
        assert content["below_db"][-1, 5] == 20
        assert content["below_db"][0, 0] == 200


def test_silence_has_an_overview() -> None:
    overview = Overview(1)
    overview.add(np.zeros((1, N_BINS), np.float32))
    assert overview.content(1.0, 1.0)


def test_it_is_drawn_and_a_damaged_file_is_named(tmp_path: Path) -> None:
    overview = Overview(3)
    overview.add(np.random.default_rng(0).random((3, N_BINS)).astype(np.float32))
    source, target = tmp_path / "log.npz", tmp_path / "log.png"
    source.write_bytes(overview.content(1.0, 1.0))
    draw(source, target, "mix")
    assert target.read_bytes().startswith(b"\x89PNG")
    source.write_bytes(b"damaged")
    with pytest.raises(OutputError, match=r"log\.npz.*--overwrite"):
        draw(source, target, "mix")
