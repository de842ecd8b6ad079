"""Line count: as many lines as have tones of their own in some stretches."""

import numpy as np
import pytest
import torch

from musisep_cli.methods.decoding import line_count
from musisep_cli.methods.decoding.line_count import MOST_LINES, N_FRAMES, listened, n_lines
from musisep_cli.players.worth import LEAST_WORTH, Worth
from musisep_cli.run.settings.compose import compose
from musisep_cli.sound.recording import Recording
from tests.signals import duet

CPU = torch.device("cpu")
RATE_HZ = 8_000
SETTINGS = compose(
    "standard",
    {
        "network": {"base_channels": 4},
        "warmstart": {"weights": ""},
        "search": {"beam": 2, "hypotheses": 3},
        "dictionary": {"n_harmonics": 4},
    },
    {"run": {"instruments": 4}},
    on_gpu=False,
).settings


def recording(duration_s: float) -> Recording:
    samples = sum(duet(duration_s=duration_s, sample_rate_hz=RATE_HZ).values())
    return Recording(samples=np.asarray(samples, np.float32)[:, None], sample_rate_hz=RATE_HZ)


@pytest.mark.parametrize(
    ("shares", "expected"), [((0.1, 0.0), 1), ((0.9, 0.2), 2), ((0.9, 0.8), 3), ((0.1, 0.9), 1)]
)
def test_lines_are_counted_by_tones_of_their_own(
    shares: tuple[float, float], expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = torch.arange(100)[:, None] % 20 < 20 * torch.tensor(shares)
    worth = Worth(2 * LEAST_WORTH * rows.float(), torch.ones(100))
    monkeypatch.setattr(line_count, "listened", lambda *_: worth)
    assert n_lines(recording(0.5), SETTINGS, CPU, "float32") == expected


@pytest.mark.parametrize(("duration_s", "n_frames"), [(0.3, 29), (2.0, N_FRAMES)])
def test_frames_from_all_over_are_listened_to(duration_s: float, n_frames: int) -> None:
    worth = listened(recording(duration_s), SETTINGS, CPU, "float32")
    assert worth.of_tones.shape == (n_frames, MOST_LINES - 1)
    assert bool(torch.isfinite(worth.of_tones).all())
    assert 1 <= n_lines(recording(duration_s), SETTINGS, CPU, "float32") <= MOST_LINES
