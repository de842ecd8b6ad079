from contextlib import closing

import numpy as np
import pytest
import torch

from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.machine.threads import Threads
from musisep_cli.methods.lasso import detector as module
from musisep_cli.methods.lasso.detector import Detector
from musisep_cli.methods.lasso.settings import LassoSettings
from musisep_cli.tones.dictionary import start_dictionary
from tests.signals import harmonic_tone

RATE = 16_000
FRAME = GaborFrame(FrameConfig(rms_level=0.1), RATE)
PAIR_HZ = (261.6, 392.9)


def detector() -> Detector:
    settings = LassoSettings()
    return Detector(FRAME, 2, start_dictionary(settings.dictionary, 1), settings)


def channels(n_frames: int = 40) -> torch.Tensor:
    """Frames of two tones, the second twice as loud on the left."""
    first, second = (
        0.1
        * harmonic_tone(
            f0_hz, amplitudes=(1.0, 0.5, 0.3, 0.2, 0.1), duration_s=1.0, sample_rate_hz=RATE
        )
        for f0_hz in PAIR_HZ
    )
    sound = torch.from_numpy(np.stack([first + second, first + second / 2])).float()
    centres = 4000 + 100 * torch.arange(n_frames)
    return FRAME.analyse(sound, centres)[..., : FRAME.n_network_bins].transpose(0, 1)


def heard(hops: int = 1, threads: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities [n, s] and loudness [n, s, i]."""
    with closing(Threads(threads)) as several:
        parts = detector().hear(channels(), hops, several)
    return tuple(torch.cat([getattr(p, name) for p in parts]) for name in ("log_prob", "loudness"))


@pytest.mark.parametrize("hops", [1, 2])
def test_every_frame_has_its_sets_and_their_octaves(hops: int) -> None:
    log_prob, loudness = heard(hops)
    assert log_prob.shape == (40, 10 + 4)
    assert loudness.shape == (40, 14, 2)
    assert bool((log_prob[:, 0] == 0).all())


def test_the_best_set_holds_both_tones() -> None:
    _, tones = detector().sets(channels().mean(1))
    pitches_hz = (tones.f0_bins[:, 0] * FRAME.bin_hz).sort(dim=1).values
    np.testing.assert_allclose(pitches_hz, np.tile(PAIR_HZ, (40, 1)), rtol=3e-3)


def test_no_bit_depends_on_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SOLVED_AT_ONCE", 16)
    for one, other in zip(heard(threads=1), heard(threads=2), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_silence_has_no_tones() -> None:
    silence = torch.zeros(3, 1, FRAME.n_network_bins, dtype=torch.complex64)
    [found] = detector().hear(silence)
    assert not found.loudness.any()
    assert bool(found.log_prob.isfinite().all())
