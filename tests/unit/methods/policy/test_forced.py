"""Forced: probabilities of known tones, which of them goes on, and the density of log b.

The rollout itself is tested where it teaches (``test_teacher``, ``test_rehearsal``).
"""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from musisep_cli.methods.policy.forced import draw_line, inharmonicity_loss, line_log_probs
from musisep_cli.methods.policy.parameters import Output, ParameterConfig, gamma_parameters
from musisep_cli.methods.policy.sampling import Action
from tests.small import random_spectra, seeded

PLAIN = ParameterConfig(scale_gamma_shape=1.0, scale_gamma_rate=1.0)


@pytest.mark.parametrize("tolerance", [0, 1, 2])
def test_the_probability_of_a_line_is_that_of_its_bin_and_the_neighbours(tolerance: int) -> None:
    logits = random_spectra(4, 20, size=3.0).real
    true_bins = torch.tensor([[2, 9], [5, 5], [17, 3], [10, 11]])
    found = line_log_probs(logits, true_bins, tolerance)
    assert found.shape == (4, 2)
    for b in range(4):
        probabilities = np.exp(logits[b].numpy()) / np.exp(logits[b].numpy()).sum()
        for m in range(2):
            centre = int(true_bins[b, m])
            expected = sum(probabilities[centre - tolerance : centre + tolerance + 1])
            assert math.exp(float(found[b, m])) == pytest.approx(expected, rel=1e-12)


def test_the_probability_of_a_line_withstands_enormous_logits() -> None:
    logits = torch.zeros(1, 20, dtype=torch.float64)
    logits[0, 4] = 1e6
    found = line_log_probs(logits, torch.tensor([[4, 5, 12]]), 1)
    assert found[0, :2].tolist() == [0.0, 0.0]
    assert float(found[0, 2]) == pytest.approx(-1e6, rel=1e-4)


def test_lines_are_drawn_by_their_probability_among_those_left() -> None:
    n = 8_000
    probabilities = [0.1, 0.05, 0.3]  # what is left to nothing in particular does not matter
    log_probs = torch.tensor([*map(math.log, probabilities), -math.inf]).double().expand(n, -1)
    playing = torch.zeros(n, 4, dtype=torch.bool)
    playing[:, 3] = True
    with seeded(0):
        drawn = draw_line(log_probs, playing)
    counts = Counter(drawn.tolist())
    assert set(counts) == {0, 1, 2}
    expected = np.array(probabilities) / sum(probabilities) * n
    assert stats.chisquare([counts[m] for m in range(3)], expected).pvalue > 1e-3


def test_where_no_line_is_left_any_other_that_has_not_gone_is_drawn() -> None:
    n = 3_000
    log_probs = torch.full((n, 4), -torch.inf).double()
    playing = torch.zeros(n, 4, dtype=torch.bool)
    playing[:, 1] = True
    with seeded(0):
        counts = Counter(draw_line(log_probs, playing).tolist())
    assert set(counts) == {0, 2, 3}
    assert stats.chisquare([counts[m] for m in (0, 2, 3)]).pvalue > 1e-3


def test_the_inharmonicity_loss_is_minus_the_log_density_of_log_b() -> None:
    raw = torch.zeros(1, len(Output), dtype=torch.float64)
    raw[:, Output.GAMMA_SHAPE], raw[:, Output.GAMMA_RATE] = 0.7, -0.4
    shape, rate = (float(x) for x in gamma_parameters(raw[:, 4], raw[:, 5], PLAIN))

    def loss(b: float) -> float:
        value = torch.tensor([b], dtype=torch.float64)
        zero = torch.zeros(1, dtype=torch.long)
        return float(inharmonicity_loss(raw, Action(zero, zero, value, value), PLAIN))

    for b in (1e-5, 1e-3, 0.02):
        log_density = stats.gamma.logpdf(b, shape, scale=1 / rate) + math.log(b)
        assert loss(b) == pytest.approx(-log_density, rel=1e-9)
    assert loss(0.0) == loss(1e-7) == loss(1e-6)  # less cannot be told from none
    total, _ = integrate.quad(lambda x: math.exp(-loss(math.exp(x))), math.log(1e-6), 0.0)
    below = stats.gamma.cdf(1e-6, shape, scale=1 / rate)
    assert total + below == pytest.approx(1.0, abs=1e-6)
