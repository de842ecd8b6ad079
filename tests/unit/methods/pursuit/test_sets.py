"""Sets of pursued tones: the tallest first, one tone for each pitch, octaves behind."""

import math

import torch
from torch import Tensor

from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.methods.pursuit.configs import SetsConfig
from musisep_cli.methods.pursuit.log_axis import BINS_PER_NAT, LOWEST_HZ
from musisep_cli.methods.pursuit.sets import sets_of

FRAME = GaborFrame(FrameConfig(), 16_000)
CONFIG = SetsConfig(sets=5, nats=3.0, octave_nats=10.0)


def tone(height: float, hz: float) -> list[float]:
    return [height, BINS_PER_NAT * math.log(hz / LOWEST_HZ), 1.9, 1e-4]


def pursued(*atoms: list[list[float]]) -> Tensor:
    """One frame ``[1, i, T, 4]``."""
    return torch.tensor([atoms], dtype=torch.float64)


def pitches_hz(found: Tensor, on: Tensor) -> list[list[float]]:
    return [[round(float(f), 1) for f in row[o]] for row, o in zip(found, on, strict=True)]


def test_the_sets_of_the_tallest_tones_come_first_as_likely_as_their_heights() -> None:
    frame = pursued([tone(4.0, 440.0), tone(1.0, 660.0)], [tone(2.0, 300.0), tone(0.0, 20.0)])
    log_prob, tones = sets_of(frame, 2, FRAME, CONFIG)
    heard = pitches_hz(tones.f0_bins[0] * FRAME.bin_hz, tones.on[0])
    assert heard[:5] == [[440.0, 300.0], [440.0, 660.0], [440.0], [300.0, 660.0], [300.0]]
    expected = [-3.0 * (1 - total / 6) for total in (6, 5, 4, 3, 2)]
    torch.testing.assert_close(log_prob[0, :5], torch.tensor(expected))
    torch.testing.assert_close(log_prob[0, 5:], torch.full((4,), -10.0))


def test_two_atoms_at_one_pitch_are_one_tone() -> None:
    frame = pursued([tone(4.0, 440.0), tone(0.0, 20.0)], [tone(2.0, 442.0), tone(0.0, 20.0)])
    _, tones = sets_of(frame, 2, FRAME, CONFIG)
    heard = pitches_hz(tones.f0_bins[0, :5] * FRAME.bin_hz, tones.on[0, :5])
    assert heard == [[440.0], [], [], [], []]


def test_equal_heights_at_one_pitch_leave_one_tone() -> None:
    frame = pursued([tone(2.0, 440.0), tone(2.0, 440.0)])
    _, tones = sets_of(frame, 1, FRAME, CONFIG)
    assert tones.on[0, :2].tolist() == [[True], [False]]


def test_a_silent_frame_has_no_tones() -> None:
    log_prob, tones = sets_of(torch.zeros(1, 2, 2, 4, dtype=torch.float64), 2, FRAME, CONFIG)
    assert not tones.on.any()
    assert torch.isfinite(log_prob).all()
