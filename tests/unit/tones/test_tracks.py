"""Transcript: what was played at the recording's own level, and frames kept block after block."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import Tensor
from torch.testing import assert_close

from musisep_cli.frames.framewise import Frames
from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.frames.leaves import leafwise, leaves
from musisep_cli.frames.spectra import SILENT_PEAK, audible
from musisep_cli.tones.tones import Tones
from musisep_cli.tones.tracks import PitchTracks, Transcript, pitch_tracks

RATE_HZ = 8_000


def random_transcript(n_frames: int, n_instruments: int = 2) -> Transcript:
    generator = torch.Generator().manual_seed(0)

    def numbers(*shape: int) -> Tensor:
        return torch.rand(n_frames, *shape, generator=generator)

    return Transcript(
        tones=Tones(
            on=torch.ones(n_frames, n_instruments),
            f0_bins=20 + 30 * numbers(n_instruments),
            inharmonicity=1e-3 * numbers(n_instruments),
        ),
        amplitude=numbers(n_instruments),
        objective=numbers(),
        audible=torch.arange(n_frames) % 3 != 1,
    )


def test_pitch_tracks_are_at_the_recordings_own_level_and_silent_where_nothing_sounds() -> None:
    frame = GaborFrame(FrameConfig(), RATE_HZ)
    n_samples = 10 * frame.hop_samples
    found = random_transcript(len(frame.centres(n_samples)))
    tracks = pitch_tracks(found, frame, n_samples, gain=4.0)
    heard = found.audible.numpy()
    assert_allclose(tracks.times_s, np.arange(10) * frame.hop_samples / RATE_HZ)
    assert_allclose(tracks.f0_hz, found.tones.f0_bins.T * frame.bin_hz)
    assert_allclose(tracks.amplitude[:, heard], found.amplitude.T[:, heard] / 4)
    assert_array_equal(tracks.amplitude[:, ~heard], 0)
    assert_array_equal(tracks.on, np.stack([heard, heard]))


def test_one_bin_above_the_limit_is_enough_to_be_heard() -> None:
    spectra = torch.zeros(2, 3, 8, dtype=torch.complex64)
    spectra[0, 1, 5] = 1.01j * SILENT_PEAK
    spectra[1, 2] = 0.99 * SILENT_PEAK
    assert audible(spectra).tolist() == [[False, True, False], [False, False, False]]


@pytest.mark.parametrize("cuts", [[12], [5, 12], [1, 2, 12]])
def test_frames_are_joined_as_they_were(cuts: list[int]) -> None:
    whole = random_transcript(12)
    frames = Frames(Transcript, 24)
    for first, last in zip([0, *cuts], cuts, strict=False):
        frames.add(leafwise(lambda values, part=slice(first, last): values[part], whole))
    assert frames.n_done == 12
    for name, values in leaves(whole).items():
        assert_close(leaves(frames.joined())[name], values, atol=0, rtol=0)


def test_voices_come_instrument_after_instrument_and_those_left_out_are_gone() -> None:
    frame = GaborFrame(FrameConfig(), RATE_HZ)
    n_samples = 4 * frame.hop_samples
    found = random_transcript(len(frame.centres(n_samples)), 4)
    players = np.array([1, 0, 2, 1])
    tracks = pitch_tracks(found, frame, n_samples, 1.0, players, 2)
    assert tracks.of_voices == (0, 1, 1)
    assert tracks.n_instruments == 2
    assert tracks.voices(1) == [1, 2]
    assert_allclose(tracks.f0_hz, found.tones.f0_bins.T[[1, 0, 3]] * frame.bin_hz)


def test_of_a_chord_the_loudest_tone_that_sounds_is_taken() -> None:
    tracks = PitchTracks(
        times_s=np.array([0.0, 0.1]),
        f0_hz=np.array([[100.0, 101.0], [200.0, 201.0], [300.0, 301.0]]),
        amplitude=np.array([[0.5, 0.5], [1.0, 2.0], [3.0, 9.0]]),
        on=np.array([[True, True], [True, True], [True, False]]),
        players=(0, 1, 1),
    )
    loudest = tracks.of_loudest()
    assert loudest.of_voices == (0, 1)
    assert loudest.f0_hz.tolist() == [[100.0, 101.0], [300.0, 201.0]]
    assert loudest.amplitude.tolist() == [[0.5, 0.5], [3.0, 2.0]]
