"""Limits of the policy's settings: what does not go together is refused in words."""

from typing import Any

import pytest
import torch

from musisep_cli.errors import ConfigError
from musisep_cli.methods.policy.limits import MAX_BFLOAT16_KERNEL, MAX_ROLLOUTS, network_precision
from musisep_cli.methods.policy.unet import NetworkConfig
from musisep_cli.run.settings.compose import compose

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"run": {"instruments": 7}}, "7 and 3 .* make 2187 rollouts .* -n can be up to 6"),
        ({"training": {"iterations": 0}}, "training from scratch needs at least 1"),
        ({"network": {"kernel": 4}}, "kernel must be odd"),
        ({"network": {"strides": []}}, "strides must not be empty"),
        ({"network": {"strides": [9, 9, 9]}}, "strides must not exceed the kernel"),
        ({"network": {"strides": [4, 4]}}, r"the network's 16 bins, .* end at \d+ Hz"),
        ({"policy": {"exponents": []}}, "exponents must not be empty"),
    ],
)
def test_what_does_not_go_together_is_told(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        compose("quick", settings)


@pytest.mark.parametrize(("exponents", "most"), [([1.0, 0.5, 0.1], 6), ([1.0, 0.1], 9)])
def test_as_many_instruments_as_the_message_promises_are_served(
    exponents: list[float], most: int
) -> None:
    policy = {"policy": {"exponents": exponents}}
    assert len(exponents) ** most <= MAX_ROLLOUTS
    assert compose("quick", policy, {"run": {"instruments": most}}).run.instruments == most
    with pytest.raises(ConfigError, match=f"up to {most}"):
        compose("quick", policy, {"run": {"instruments": most + 1}})


def test_the_warm_start_serves_as_many_lines_as_it_has_seen() -> None:
    with pytest.raises(ConfigError, match=r"instruments = 5: the warm start serves 1 to 4"):
        compose("quick", {"run": {"instruments": 5}, "warmstart": {"weights": "builtin"}})


def test_a_kernel_that_is_too_long_for_bfloat16_takes_float32() -> None:
    long = NetworkConfig(kernel=MAX_BFLOAT16_KERNEL + 2)
    assert network_precision(long, "auto", CPU) == "float32"
    assert network_precision(NetworkConfig(kernel=5), "bfloat16", CPU) == "bfloat16"
    with pytest.raises(ConfigError, match=r"kernel = 7: .* it must be at most 5"):
        network_precision(long, "bfloat16", CPU)
