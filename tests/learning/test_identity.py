"""The simplest task: one instrument, notes of exactly the tone model, its pitch to be found."""

import numpy as np
import pytest
import torch

from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.methods.policy.estimator import EstimatorConfig
from musisep_cli.methods.policy.parameters import ParameterConfig
from musisep_cli.methods.policy.rollout import Policy, PolicyConfig
from musisep_cli.methods.policy.trainer import Trainer, TrainingConfig
from musisep_cli.methods.policy.unet import NetworkConfig
from musisep_cli.tones.dictionary import DictionaryConfig, start_dictionary
from musisep_cli.tones.objective import ObjectiveConfig
from tests.signals import harmonic_tone
from tests.small import seeded

RATE_HZ = 8_000
AMPLITUDES = (1.0, 0.6, 0.4, 0.3, 0.2, 0.1)
NOTE_S = 0.5
N_NOTES = 16


def notes() -> tuple[np.ndarray, np.ndarray]:
    """Sixteen notes between 150 and 600 Hz, [t], and the pitch at every sample, [t], in Hz."""
    f0_hz = 2.0 ** np.random.default_rng(1).uniform(np.log2(150), np.log2(600), N_NOTES)
    tones = [
        harmonic_tone(f, amplitudes=AMPLITUDES, duration_s=NOTE_S, sample_rate_hz=RATE_HZ)
        for f in f0_hz
    ]
    return 0.05 * np.concatenate(tones), np.repeat(f0_hz, len(tones[0]))


def small_trainer(frame: GaborFrame, signal: torch.Tensor) -> Trainer:
    """The quick preset's parametrisation with a small network."""
    policy = Policy(
        PolicyConfig(lifted_input=True),
        network=NetworkConfig(base_channels=16, strides=(4, 4, 4, 4, 4)),
        parameters=ParameterConfig(residual=True, gamma_rate_factor=1e6, gamma_log_limit=10.0),
        objective=ObjectiveConfig(),
        n_instruments=1,
        ideal_width_bins=frame.ideal_width_bins,
    )
    return Trainer(
        TrainingConfig(iterations=2_500, network_lr=3e-3, dictionary_lr=1e-3, final_rate=0.05),
        estimator=EstimatorConfig(policy_weight=0.3),
        policy=policy,
        dictionary=start_dictionary(DictionaryConfig(n_harmonics=10), 1),
        dictionary_frozen=False,
        frame=frame,
        signal=signal,
    )


@pytest.mark.slow
def test_the_pitch_is_found_within_half_a_bin_in_95_percent_of_frames() -> None:
    audio, f0_hz = notes()
    frame = GaborFrame(FrameConfig(), RATE_HZ)
    signal = torch.from_numpy(audio).float()
    with seeded(0):
        trainer = small_trainer(frame, signal)
        reports = list(trainer.run())
    centres = frame.centres(len(signal))
    spectra = frame.analyse(signal, centres)[:, : frame.n_network_bins]
    explanation, _ = trainer.policy.predict(spectra, trainer.dictionary.detach())
    error_bins = explanation.tones.f0_bins[:, 0].numpy() - f0_hz[centres.numpy()] / frame.bin_hz
    assert reports[-1].n_skipped == 0
    assert np.mean(abs(error_bins) < 0.5) > 0.95
    # And the dictionary is the notes' own, to a tenth of its maximum.
    learned = trainer.dictionary.detach()[:, 0].numpy()
    expected = np.pad(AMPLITUDES, (0, len(learned) - len(AMPLITUDES)))
    np.testing.assert_allclose(learned / learned.max(), expected, atol=0.15)
