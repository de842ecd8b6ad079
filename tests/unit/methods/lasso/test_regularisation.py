import numpy as np
import pytest
import torch

from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.methods.lasso.regularisation import PathConfig, detect
from musisep_cli.methods.lasso.sliding_frank_wolfe import FrankWolfeConfig
from musisep_cli.tones.certificate import PitchGrid
from musisep_cli.tones.lifted import Lift
from musisep_cli.tones.objective import ObjectiveConfig
from tests.signals import harmonic_tone

RATE = 16_000
FRAME = GaborFrame(FrameConfig(), RATE)
LIFT = Lift(ObjectiveConfig(), FRAME.ideal_width_bins)
H = torch.arange(20.0)[:, None]
GRID = PitchGrid(
    LIFT,
    LIFT.relative_heights(0.5**H),
    FRAME.n_network_bins,
    39 / FRAME.bin_hz,
    2100 / FRAME.bin_hz,
)


def spectra(*tones_hz: float, noise: float = 1e-4) -> torch.Tensor:
    """Three frames of tones whose rolloff is not that of the atoms."""
    signal = sum(
        harmonic_tone(
            f0_hz,
            amplitudes=tuple(0.1 * 0.6**h for h in range(12)),
            duration_s=0.5,
            sample_rate_hz=RATE,
        )
        for f0_hz in tones_hz
    )
    signal = signal + noise * np.random.default_rng(0).normal(size=RATE // 2)
    samples = torch.from_numpy(signal).float()
    return FRAME.analyse(samples, torch.tensor([3000, 4000, 5000]))[:, : FRAME.n_network_bins]


@pytest.mark.parametrize("pair_hz", [(220.0, 331.7), (311.1, 466.2), (130.8, 523.3)])
def test_the_two_strongest_atoms_are_the_tones_of_a_recording(pair_hz: tuple[float, ...]) -> None:
    found = detect(
        spectra(*pair_hz), GRID, 2, path=PathConfig(), solver=FrankWolfeConfig()
    ).measures
    for n in range(3):
        pitches_hz = (found.pitches_bins[n, :2] * FRAME.bin_hz).sort().values
        np.testing.assert_allclose(pitches_hz, pair_hz, rtol=0.005)


def test_the_smaller_alpha_the_more_atoms() -> None:
    counts = [
        int(
            (
                detect(
                    spectra(220.0, 331.7, 415.3),
                    GRID,
                    4,
                    path=PathConfig(shares=shares),
                    solver=FrankWolfeConfig(),
                ).measures.heights
                > 0
            ).sum()
        )
        for shares in ((1.0,), (0.5,), (0.5, 0.25, 0.1))
    ]
    assert counts[0] == 0
    assert counts[0] < counts[1] < counts[2]


def test_the_same_recording_gives_the_same_bytes() -> None:
    frames = spectra(220.0, 331.7)
    one, other = (
        detect(frames, GRID, 2, path=PathConfig(), solver=FrankWolfeConfig()).measures
        for _ in range(2)
    )
    torch.testing.assert_close(one.pitches_bins, other.pitches_bins, rtol=0, atol=0)
    torch.testing.assert_close(one.heights, other.heights, rtol=0, atol=0)


def test_silence_has_no_atoms() -> None:
    silence = torch.zeros(2, FRAME.n_network_bins, dtype=torch.complex64)
    found = detect(silence, GRID, 2, path=PathConfig(), solver=FrankWolfeConfig()).measures
    assert not found.heights.any()
