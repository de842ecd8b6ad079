"""The method on small recordings: voices of the model's own kind, bad luck, and stereo."""

from pathlib import Path

import numpy as np
import pytest
import torch

from musisep_cli import separate
from musisep_cli.evaluation.metrics import array_blocks, bss_eval_v2
from musisep_cli.methods.method import Settings
from musisep_cli.methods.source_filter.waveform import sound_of
from tests.cli.test_source_filter import write_tracks
from tests.unit.methods.source_filter.made import TINY, resonant, voices

RATE_HZ = 16_000


def fifth(duration_s: float) -> np.ndarray:
    """Two voices of the model's own kind, a fifth apart, ``[i, t]``."""
    n_frames = round(duration_s * RATE_HZ / 256)
    f0_hz = torch.tensor([[220.0], [330.0]]).expand(1, 2, n_frames).clone()
    n = torch.arange(n_frames)
    f0_hz *= 2 ** (0.3 / 12 * torch.sin(2 * torch.pi * 5 * 0.016 * n))
    model = voices((1, 2, n_frames), noise=0.01, dtype=torch.float32)
    model.frequencies.data = torch.stack([resonant(0.4), resonant(0.9)])[None, :, None].float()
    model.frequencies.data = model.frequencies.expand(1, 2, n_frames, 20)
    noise = torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (1, 2, 256 * n_frames)))
    return sound_of(model, f0_hz, noise.float())[0].numpy()


def stems_of(mix: np.ndarray, pitch: Path, settings: Settings) -> np.ndarray:
    given = {**settings, "pitch": {"files": [str(pitch)]}}
    found = separate(mix, RATE_HZ, 2, preset="source-filter", settings=given, device="cpu")
    np.testing.assert_allclose(found.residual, 0, atol=1e-5)
    return found.stems


@pytest.mark.slow
def test_voices_of_the_model_s_own_kind_come_apart_from_scratch(tmp_path: Path) -> None:
    truth = fifth(1.5)
    pitch = write_tracks(tmp_path / "tracks.csv", 220.0, 330.0, until_s=1.5)
    training = {
        "weights": "", "iterations": 500, "batch_size": 1, "learning_rate": 2e-3,
        "least_voiced_s": 0.5,
    }  # fmt: skip
    network = {"encoder_units": 16, "hidden_units": 32, "latent": 16}
    stems = stems_of(truth.sum(0), pitch, {"training": training, "network": network})[..., 0]
    scores = bss_eval_v2(array_blocks(reference=truth, estimate=stems.astype(np.float64)))
    assert scores.sdr_db.diagonal().min() > 10


def test_stereo_keeps_both_channels_and_both_share_their_masks(tmp_path: Path) -> None:
    one, other = fifth(0.8)
    pitch = write_tracks(tmp_path / "tracks.csv", 220.0, 330.0, until_s=0.8)
    mix = np.stack([one + other, 0.5 * (one + other)], 1)
    settings: Settings = {"network": TINY, "training": {"weights": "", "iterations": 0}}
    stems = stems_of(mix, pitch, settings)
    assert stems.shape == (2, *mix.shape)
    np.testing.assert_allclose(stems[..., 1], 0.5 * stems[..., 0], atol=1e-5)


def test_a_recording_that_is_mostly_silent_breaks_nothing(tmp_path: Path) -> None:
    mix = fifth(0.8).sum(0)
    mix[len(mix) // 4 :] = 0
    pitch = write_tracks(tmp_path / "tracks.csv", 220.0, 330.0, until_s=0.8)
    settings: Settings = {
        "network": TINY,
        "training": {"weights": "", "iterations": 2, "batch_size": 1, "least_voiced_s": 0.1},
    }
    assert np.isfinite(stems_of(mix, pitch, settings)).all()
