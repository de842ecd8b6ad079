"""Transcription: tracks of the strongest tones, and how far the frames are from what was found."""

import numpy as np
import pytest
import torch

from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.methods.pursuit.configs import PursuitConfig
from musisep_cli.methods.pursuit.log_axis import LINE_WIDTH, N_BINS, to_bins
from musisep_cli.methods.pursuit.tone import HEIGHT, PLACE
from musisep_cli.methods.pursuit.transcription import (
    FoundTones,
    LogFrames,
    found_tones,
    misfit,
    tracks_of,
)

RATE_HZ = 8_000


def found(n_frames: int, height: float = 1.0, hz: float = 440.0) -> FoundTones:
    tones = torch.zeros(n_frames, 2, 1, 4, dtype=torch.float64)
    tones[:, 0, 0, HEIGHT] = height
    tones[:, 0, 0, PLACE] = float(to_bins(np.array([hz]))[0])
    distance = torch.tensor([0.5] * n_frames, dtype=torch.float64)
    level = torch.tensor([2.0] * n_frames, dtype=torch.float64)
    return FoundTones(tones, distance, level)


def test_the_misfit_is_the_mean_over_frames_that_sound() -> None:
    tones = found(4)
    assert misfit(tones) == pytest.approx(0.25)
    tones.level[0], tones.distance[0] = 0.0, 0.0
    assert misfit(tones) == pytest.approx(0.25)
    tones.level.zero_()
    assert misfit(tones) == 0


def test_tracks_are_in_hertz_and_at_the_recording_s_level() -> None:
    frame = GaborFrame(FrameConfig(), RATE_HZ)
    n_samples = RATE_HZ // 4
    n_frames = len(frame.centres(n_samples))
    tracks = tracks_of(found(n_frames, height=3.0), frame, n_samples, gain=2.0)
    np.testing.assert_allclose(tracks.f0_hz[0], 440.0, rtol=1e-6)
    np.testing.assert_allclose(tracks.amplitude[0], 1.5)
    assert tracks.on[0].all()
    assert not tracks.on[1].any()


def test_in_silence_no_tone_is_found() -> None:
    columns = np.full((1, 5), 0.5)
    frames = LogFrames(torch.zeros(2, N_BINS, dtype=torch.float64))
    heard = found_tones(frames, columns, PursuitConfig())
    assert not heard.tones[..., HEIGHT].any()
    assert not heard.level.any()


def test_a_tone_is_found_where_it_was_drawn() -> None:
    bins = np.arange(N_BINS)
    place, spectrum = float(to_bins(np.array([330.0]))[0]), np.zeros(N_BINS)
    for h, height in enumerate((1.0, 0.5, 0.25), 1):
        middle = place + float(to_bins(np.array([20.0 * h]))[0])
        spectrum += height * np.exp(-0.5 * ((bins - middle) / LINE_WIDTH) ** 2)
    columns = np.array([[1.0, 0.5, 0.25]])
    heard = found_tones(LogFrames(torch.from_numpy(spectrum)[None]), columns, PursuitConfig())
    assert float(heard.tones[0, 0, 0, PLACE]) == pytest.approx(place, abs=0.1)
    assert float(heard.distance[0] / heard.level[0]) < 1e-3
