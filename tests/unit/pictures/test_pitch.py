"""Pitch picture: dashes lie at the pitch and the time of the frames that sound."""

from pathlib import Path

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.testing import assert_allclose

from musisep_cli.pictures.pitch import write_pitch
from tests.unit.pictures.drawn import drawn

N_FRAMES = 100
TIMES_S = (np.arange(N_FRAMES) + 0.5) * 0.01


def picture(f0_hz: np.ndarray, amplitude: np.ndarray, on: np.ndarray) -> Figure:
    times_s = (np.arange(f0_hz.shape[1]) + 0.5) * 0.01
    return drawn(lambda: write_pitch(Path("unused.png"), times_s, f0_hz, amplitude, on))


def segments(figure: Figure) -> list[np.ndarray]:
    """The dashes of every instrument, ``[d, ends, x and y]``."""
    collections = [c for c in figure.axes[0].collections if isinstance(c, LineCollection)]
    return [np.array(each.get_segments()).reshape(-1, 2, 2) for each in collections]


def constant(f0_hz: float) -> np.ndarray:
    return np.full((1, N_FRAMES), f0_hz)


def test_a_tone_is_drawn_at_its_pitch_from_its_first_to_its_last_frame() -> None:
    on = np.zeros((1, N_FRAMES), bool)
    on[:, 20:60] = True
    [dashes] = segments(picture(constant(880.0), constant(0.1), on))
    assert len(dashes) == 40
    assert_allclose(dashes[:, :, 1], 81.0)
    assert_allclose([dashes[:, 0, 0].min(), dashes[:, 1, 0].max()], [0.2, 0.6], atol=1e-9)


def test_frames_without_a_pitch_or_a_number_are_left_out() -> None:
    f0_hz, amplitude = constant(440.0), constant(0.1)
    f0_hz[0, :10], f0_hz[0, 10:20], amplitude[0, 20:30] = 0.0, np.nan, np.nan
    [dashes] = segments(picture(f0_hz, amplitude, np.ones((1, N_FRAMES), bool)))
    assert len(dashes) == 70
    assert_allclose(dashes[:, :, 1], 69.0)


def test_loud_tones_are_stronger_and_40_db_less_is_nearly_white() -> None:
    amplitude = np.geomspace(1.0, 1e-4, N_FRAMES)[None]
    figure = picture(constant(440.0), amplitude, np.ones((1, N_FRAMES), bool))
    [collection] = [c for c in figure.axes[0].collections if isinstance(c, LineCollection)]
    opacity = collection.get_colors()[:, 3]
    assert_allclose(opacity[0], 1.0)
    assert (np.diff(opacity) <= 1e-9).all()
    assert_allclose(opacity[N_FRAMES // 2 + 1 :], 0.15)  # -40 dB lies in the middle


def test_a_long_track_is_drawn_by_its_strongest_frames() -> None:
    n_frames = 50_000
    amplitude = np.full((1, n_frames), 1e-3)
    f0_hz = np.full((1, n_frames), 440.0)
    amplitude[0, 25_000], f0_hz[0, 25_000] = 1.0, 880.0
    [dashes] = segments(picture(f0_hz, amplitude, np.ones((1, n_frames), bool)))
    assert len(dashes) <= 4_000
    assert (dashes[:, 0, 1] == 81.0).sum() == 1


def test_notes_are_named_on_the_left_and_hertz_on_the_right() -> None:
    figure = picture(constant(440.0), constant(0.1), np.ones((1, N_FRAMES), bool))
    [axes] = figure.axes
    named = {
        text.get_text(): at
        for text, at in zip(axes.get_yticklabels(), axes.get_yticks(), strict=True)
    }
    assert named["A4"] == 69
    assert "A♯4" in named
    [right] = axes.child_axes
    assert "500" in [text.get_text() for text in right.get_yticklabels()]


def test_nothing_that_sounds_is_a_picture_too() -> None:
    for n_frames in (0, 1, N_FRAMES):
        nothing = np.zeros((2, n_frames))
        figure = picture(nothing, nothing, nothing > 0)
        assert all(len(each) == 0 for each in segments(figure))
        assert [text.get_text() for text in figure.legends[0].get_texts()] == [
            "instrument 1",
            "instrument 2",
        ]


def test_the_voices_of_an_instrument_have_its_colour_and_one_name() -> None:
    f0_hz = np.concatenate([constant(440.0), constant(220.0), constant(330.0)])
    on = np.ones_like(f0_hz, bool)
    figure = drawn(
        lambda: write_pitch(
            Path("unused.png"), TIMES_S, f0_hz, np.ones_like(f0_hz), on, of_voices=(0, 1, 1)
        )
    )
    colours = [
        tuple(c.get_colors()[0, :3])
        for c in figure.axes[0].collections
        if isinstance(c, LineCollection)
    ]
    assert colours[0] != colours[1] == colours[2]
    assert len(figure.legends[0].get_texts()) == 2
