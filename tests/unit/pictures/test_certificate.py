from pathlib import Path

import numpy as np
from matplotlib.image import imread

from musisep_cli.pictures.certificate import MOST_COLUMNS, columns, write_certificate


def picture(folder: Path, excess: np.ndarray, **played: np.ndarray) -> np.ndarray:
    path = folder / "certificate.png"
    write_certificate(
        path,
        0.01 * np.arange(len(excess)),
        np.arange(30.0, 30 + excess.shape[1]),
        excess,
        title="a recording",
        **played,
    )
    image: np.ndarray = imread(path)[..., :3]
    return image


def n_red(image: np.ndarray) -> int:
    return int(((image[..., 0] > image[..., 1] + 0.2) & (image[..., 0] > 0.5)).sum())


def test_what_exceeds_the_bound_is_red_and_nothing_else(tmp_path: Path) -> None:
    excess = np.full((50, 40), 0.5)
    below = n_red(picture(tmp_path, excess))  # the colour bar has red of its own
    excess[20:30, 10:20] = 1.5
    assert n_red(picture(tmp_path, excess)) > below + 2000


def test_it_has_the_size_of_all_pictures(tmp_path: Path) -> None:
    played_hz = np.array([[440.0, np.nan, 0.0]])
    image = picture(tmp_path, np.zeros((3, 5)), played_hz=played_hz)
    assert image.shape[:2] == (600, 1200)


def test_one_frame_and_one_pitch_can_be_drawn(tmp_path: Path) -> None:
    assert picture(tmp_path, np.ones((1, 1))).shape[:2] == (600, 1200)


def test_no_excess_gets_lost_between_two_columns() -> None:
    excess = np.zeros((3 * MOST_COLUMNS + 5, 4))
    excess[1234, 2] = 7
    drawn = columns(excess)
    assert len(drawn) <= MOST_COLUMNS
    assert drawn.max() == 7
