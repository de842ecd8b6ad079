"""One training step in float64, as numbers to keep: what the golden files hold.

Nothing here depends on how weights are initialised: they come from numpy. The random choices come
from torch's generator, seeded; the signal is a formula.
"""

import json
from pathlib import Path

import numpy as np
import torch

from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.methods.policy.estimator import EstimatorConfig
from musisep_cli.methods.policy.parameters import ParameterConfig
from musisep_cli.methods.policy.rollout import Policy, PolicyConfig
from musisep_cli.methods.policy.trainer import Trainer, TrainingConfig, explanation_objective
from musisep_cli.tones.dictionary import DictionaryConfig, start_dictionary
from tests.signals import harmonic_tone
from tests.small import seeded, small_policy

Numbers = dict[str, list[float]]

RATE_HZ = 8000
N_HARMONICS = 5

CASES: dict[str, tuple[PolicyConfig, ParameterConfig]] = {
    "paper": (PolicyConfig(), ParameterConfig()),
    "departures": (
        PolicyConfig(sampling="tree", lifted_input=True),
        ParameterConfig(residual=True),
    ),
    "timbre": (
        PolicyConfig(sampling="tree", lifted_input=True, instrument_by="timbre"),
        ParameterConfig(residual=True),
    ),
}

# Absolute; the unit is that of the quantity. Numbers of a step agree to about 1e-11 between
# machines, beside their own size; the tolerances leave room for other orders of summation.
TOLERANCES = {
    "f0_bins": 1e-8,  # bins
    "width_bins": 1e-8,
    "inharmonicity": 1e-12,  # no unit, around 1e-3
    "amplitude": 1e-10,  # full scale is 1
    "on": 0.0,
    "log_prob": 1e-6,  # nats; logits are of size 1e3
    "plain_log_prob": 1e-6,
    "objective": 1e-9,  # weighted lifted distances, around 1
    "report": 1e-9,
    "gradient_norms": 1e-6,  # per weight tensor, relative to its norm
    "dictionary_mean": 1e-9,
    "dictionary": 1e-12,
}


def path(case: str) -> Path:
    """The golden file of a case."""
    return Path(__file__).with_name(f"step-{case}.json")


def load(case: str) -> Numbers:
    """The golden numbers of a case; a missing file is an error."""
    numbers: Numbers = json.loads(path(case).read_text(encoding="utf-8"))
    return numbers


def small_trainer(
    policy_config: PolicyConfig,
    parameters: ParameterConfig,
    *,
    n_instruments: int = 2,
    training: TrainingConfig | None = None,
    n_samples: int = 600,
    recorded: bool = False,
) -> Trainer:
    """A float64 trainer on a short two-tone signal: 64 bins, weights from numpy."""
    frame = GaborFrame(FrameConfig(zeta_s=128 / 12 / RATE_HZ), RATE_HZ, dtype=torch.float64)
    policy = small_policy(n_instruments, policy_config, parameters)
    fill_weights(policy)
    tones = [
        harmonic_tone(
            f0_hz,
            amplitudes=(1.0, 0.5, 0.25),
            duration_s=n_samples / RATE_HZ,
            sample_rate_hz=RATE_HZ,
        )
        for f0_hz in (440.0, 710.0)
    ]
    start = start_dictionary(DictionaryConfig(n_harmonics=N_HARMONICS), n_instruments).double()
    return Trainer(
        training or TrainingConfig(iterations=10),
        estimator=EstimatorConfig(),
        policy=policy,
        dictionary=0.8 * start,  # below 1, so that the upper bound has a gradient
        dictionary_frozen=False,
        frame=frame,
        signal=0.05 * torch.from_numpy(sum(tones)),
        recorded=recorded,
    )


def fill_weights(policy: Policy) -> None:
    """Weights between +-0.2 that do not depend on torch."""
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for weight in policy.parameters():
            weight.copy_(torch.from_numpy(rng.uniform(-0.2, 0.2, tuple(weight.shape))))


def measure(case: str) -> Numbers:
    """The numbers of one rollout and one step."""
    trainer = small_trainer(*CASES[case])
    centres = torch.tensor([50, 200, 333, 599])
    spectra = trainer.frame.analyse(trainer.signal, centres)[:, : trainer.frame.n_network_bins]
    with seeded(7):
        e = trainer.policy.explore(spectra, trainer.dictionary)
    with seeded(7):
        report = trainer.step(spectra)
    if report.n_skipped:
        raise ValueError("the golden step is not finite")
    # After one step AdaMax's mean is (1 - beta_1) times the gradient.
    scale = 1 / (1 - trainer.config.beta_1)
    norms = [float(mean.norm()) * scale for mean in trainer.network_steps.means]
    numbers = {
        "f0_bins": e.tones.f0_bins,
        "width_bins": e.width,
        "inharmonicity": e.tones.inharmonicity,
        "amplitude": e.amplitude,
        "on": e.tones.on,
        "log_prob": e.log_prob,
        "plain_log_prob": e.plain_log_prob,
        "objective": explanation_objective(e, trainer.policy).total,
        "report": torch.tensor(
            list(report.terms.values()),
            dtype=torch.float64,
        ),
        "gradient_norms": torch.tensor(norms, dtype=torch.float64),
        "dictionary_mean": trainer.dictionary_steps.means[0],
        "dictionary": trainer.dictionary,
    }
    return {name: value.detach().flatten().tolist() for name, value in numbers.items()}
