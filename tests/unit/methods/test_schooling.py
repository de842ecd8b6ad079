"""Adam's first steps and the average of the weights against closed forms."""

import pytest
import torch

from musisep_cli.methods.schooling import RatesConfig, Schooling


def linear(weight: float) -> torch.nn.Linear:
    network = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(network.weight, weight)
    return network


def test_a_step_has_the_length_of_its_rate_and_the_average_follows() -> None:
    network = linear(2.0)
    schooling = Schooling(RatesConfig(steps=100, warmup_steps=4, learning_rate=0.1), network)
    schooling.step = 1
    schooling._improve(network.weight.sum())
    # Adam's first step is as long as the rate, a quarter of 0.1; the average forgets 10/11 in it.
    assert network.weight.item() == pytest.approx(1.975, abs=1e-6)
    assert schooling.average["weight"].item() == pytest.approx(2 - 0.025 * 10 / 11, abs=1e-6)


def test_a_gradient_that_is_not_finite_is_left_out() -> None:
    network = linear(2.0)
    schooling = Schooling(RatesConfig(steps=100, warmup_steps=4), network)
    schooling.step = 1
    schooling._improve(network.weight.sum() * torch.inf)
    assert network.weight.item() == 2.0
