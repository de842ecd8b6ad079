"""Limits of the policy's settings: what goes together, beyond the bounds of single numbers."""

from __future__ import annotations

import math
from typing import Literal

import torch

from musisep_cli.errors import ConfigError
from musisep_cli.machine.device import Precision, resolve_precision
from musisep_cli.methods.policy.settings import NetworkSettings, PolicySettings
from musisep_cli.methods.policy.unet import NetworkConfig

MAX_INSTRUMENTS = 16
"""Largest number of instruments, reached with one exponent; ``[run] instruments`` allows no more.
"""
MAX_WARM_INSTRUMENTS = 4
"""Largest number of instruments for the warm start: its training frames held no more."""
MAX_ROLLOUTS = 729
"""Largest number S = len(exponents)^m of rollouts per frame: three exponents for up to six
instruments, two for up to nine."""
MAX_BFLOAT16_KERNEL = 5
"""Largest kernel of the network in bfloat16, in bins. With a kernel of 7 and strides of 7 oneDNN
3.12 writes beyond its memory; up to 5, thousands of random shapes were tried and found right."""


def check(settings: PolicySettings, n_instruments: int) -> None:
    """Refuse settings that each are within their bounds, but do not go together.

    Raises:
        ConfigError: names the setting, its value and what is needed.
    """
    check_network(settings, n_instruments)
    n_exponents = len(settings.policy.exponents)
    n_rollouts = n_exponents**n_instruments
    if n_rollouts > MAX_ROLLOUTS:
        raise ConfigError(
            f"[run] instruments = {n_instruments} and {n_exponents} [policy] exponents make "
            f"{n_rollouts} rollouts per frame, and {MAX_ROLLOUTS} are the most: -n can be up to "
            f"{most_instruments(n_exponents)}; with [policy] exponents = [1.0, 0.1] in a file for "
            f"--config up to {most_instruments(2)}, with [1.0] up to {most_instruments(1)}"
        )
    if settings.training.iterations == 0 and not settings.warmstart.weights:
        raise ConfigError("[training] iterations = 0: training from scratch needs at least 1")


def check_network(settings: NetworkSettings, n_instruments: int) -> None:
    """Refuse a network that cannot be built, or weights that cannot serve.

    Raises:
        ConfigError: names the setting, its value and what is needed.
    """
    network, n_bins = settings.network, math.prod(settings.network.strides)
    if settings.warmstart.weights and n_instruments > MAX_WARM_INSTRUMENTS:
        raise ConfigError(
            f"[run] instruments = {n_instruments}: the warm start serves 1 to "
            f"{MAX_WARM_INSTRUMENTS}; start from scratch with --preset quick"
        )
    if network.kernel % 2 == 0:
        raise ConfigError("[network] kernel must be odd")
    if not network.strides:
        raise ConfigError("[network] strides must not be empty")
    if max(network.strides) > network.kernel:
        raise ConfigError("[network] strides must not exceed the kernel: bins would be skipped")
    if settings.frame.n_bins_below > n_bins:
        highest_hz = n_bins / (settings.frame.window_zetas * settings.frame.zeta_s)
        raise ConfigError(
            f"[frame] max_frequency_hz = {settings.frame.max_frequency_hz}: the network's {n_bins} "
            f"bins, the product of [network] strides, end at {highest_hz:.0f} Hz"
        )
    if not settings.policy.exponents:
        raise ConfigError("[policy] exponents must not be empty")


def network_precision(
    network: NetworkConfig, asked: Precision, device: torch.device
) -> Literal["float32", "bfloat16"]:
    """Return the number format of the convolutions that is meant by ``[run] precision``.

    Raises:
        ConfigError: bfloat16 is asked for, and the kernel is too long for it.
    """
    too_long = network.kernel > MAX_BFLOAT16_KERNEL
    if asked == "bfloat16" and too_long:
        raise ConfigError(
            f"[network] kernel = {network.kernel}: with [run] precision = 'bfloat16' it must be at "
            f"most {MAX_BFLOAT16_KERNEL}; use precision = 'float32'"
        )
    return "float32" if too_long else resolve_precision(asked, device)


def most_instruments(n_exponents: int) -> int:
    """Return the largest N for which there are few enough rollouts.

    >>> [most_instruments(n_exponents) for n_exponents in (1, 2, 3, 1000)]
    [16, 9, 6, 0]
    """
    numbers = range(1, MAX_INSTRUMENTS + 1)
    return max((n for n in numbers if n_exponents**n <= MAX_ROLLOUTS), default=0)
