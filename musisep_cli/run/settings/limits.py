"""Limits: what settings can be, each by itself and together."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass
from typing import Any

from musisep_cli.errors import ConfigError
from musisep_cli.run.settings.config import Config

MAX_INSTRUMENTS = 16
MAX_WARM_INSTRUMENTS = 4
"""The warm start has seen frames of at most this many lines."""
MAX_DECODED_INSTRUMENTS = 4
MIN_DECODED_HARMONICS, MAX_DECODED_HARMONICS = 2, 256
"""Between two of them lies the nearest, and a byte holds its number."""
MAX_BEAM = 32
MAX_SEEDS = 1000
MAX_ROLLOUTS = 729
"""S = len(exponents)^m: three exponents for up to six instruments, two for up to nine."""
MAX_THREADS = 1024
MAX_BFLOAT16_KERNEL = 5
"""With a kernel of 7 and steps of 7 oneDNN 3.12 writes beyond its memory in bfloat16; up to 5
thousands of random shapes were tried and found right."""
MAX_FIRST_SEED = 2**32 - 1
LARGEST_INTEGER = 2**53
"""Beyond it a whole number is no float any more; no setting comes near."""
SIGNED = {"min_width_raw", "on_bias"}
"""Numbers that may be negative."""
MAY_BE_ZERO = {
    "level_s",
    "steady_s",
    "iterations_from_three",
    "rms_level",
    "input_noise",
    "lift_offset",
    "start_floor",
    "weight_dictionary",
    "weight_direct",
    "weight_agreement",
    "policy_weight",
    "iterations",
    "pathwise_weight",
    "octave_nats",
    "held_nats",
    "hidden_nats",
    "weight_harmonics",
    "note_reach",
    "beta_1",
    "first_seed",
}


def check(config: Config) -> None:
    """Ranges that a type cannot express.

    Raises:
        ConfigError: names the setting, its value and what is needed.
    """
    for section in fields(config):
        part = getattr(config, section.name)
        if is_dataclass(part):
            for entry in fields(part):
                value = getattr(part, entry.name)
                for number in value if isinstance(value, tuple) else (value,):
                    _check_number(f"[{section.name}] {entry.name}", entry.name, number)
    n_exponents = len(config.policy.exponents)
    n_rollouts = n_exponents**config.run.instruments
    rules = [
        (
            config.run.instruments <= MAX_INSTRUMENTS,
            f"[run] instruments must be 1 to {MAX_INSTRUMENTS}",
        ),
        (config.run.seeds <= MAX_SEEDS, f"[run] seeds must be 1 to {MAX_SEEDS}"),
        (
            config.run.first_seed <= MAX_FIRST_SEED,
            f"[run] first_seed must be 0 to {MAX_FIRST_SEED}",
        ),
        (config.run.threads <= MAX_THREADS, f"[run] threads must be 1 to {MAX_THREADS}"),
        (
            n_rollouts <= MAX_ROLLOUTS,
            f"[run] instruments = {config.run.instruments} and {n_exponents} [policy] exponents "
            f"make {n_rollouts} rollouts per frame, and {MAX_ROLLOUTS} are the most: -n can be up "
            f"to {_most_instruments(n_exponents)}; with [policy] exponents = [1.0, 0.1] in a file "
            f"for --config up to {_most_instruments(2)}, with [1.0] up to {_most_instruments(1)}",
        ),
        (
            not config.warmstart.weights or config.run.instruments <= MAX_WARM_INSTRUMENTS,
            f"[run] instruments = {config.run.instruments}: the warm start serves 1 to "
            f"{MAX_WARM_INSTRUMENTS}; start from scratch with --preset quick",
        ),
        (
            config.training.iterations > 0 or bool(config.warmstart.weights),
            "[training] iterations = 0: training from scratch needs at least 1",
        ),
        (
            not config.decoding.enabled or config.run.instruments <= MAX_DECODED_INSTRUMENTS,
            f"[run] instruments = {config.run.instruments}: decoding weighs all their orders in "
            f"every frame and serves up to {MAX_DECODED_INSTRUMENTS}; use --preset quick",
        ),
        (
            not config.decoding.enabled or config.policy.instrument_by == "timbre",
            "[decoding] enabled = true needs [policy] instrument_by = 'timbre': tones are found "
            "first, whoever plays them",
        ),
        (
            config.decoding.enabled or config.training.by == "policy gradient",
            "[training] by = 'decoded tones' needs [decoding] enabled = true; or train by = "
            "'policy gradient'",
        ),
        (
            config.decoding.enabled or config.resynthesis.stems == "direct",
            "[resynthesis] stems = 'wiener' needs [decoding] enabled = true",
        ),
        (
            config.resynthesis.change_window <= 1,
            "[resynthesis] change_window must be at most 1: windows get shorter, not longer",
        ),
        (
            not config.decoding.enabled
            or config.frame.hop_zetas <= 3 * config.resynthesis.change_window,
            "[resynthesis] change_window is too short for [frame] hop_zetas: the signal between "
            "frames would be lost",
        ),
        (config.search.beam <= MAX_BEAM, f"[search] beam must be 1 to {MAX_BEAM}"),
        (config.network.kernel % 2 == 1, "[network] kernel must be odd"),
        (
            config.run.precision != "bfloat16" or config.network.kernel <= MAX_BFLOAT16_KERNEL,
            f"[network] kernel = {config.network.kernel}: with [run] precision = 'bfloat16' it must"
            f" be at most {MAX_BFLOAT16_KERNEL}; use precision = 'float32'",
        ),
        (
            all(stride <= config.network.kernel for stride in config.network.strides),
            "[network] strides must not exceed the kernel: bins would be skipped",
        ),
        (bool(config.network.strides), "[network] strides must not be empty"),
        (
            config.frame.n_bins_below <= math.prod(config.network.strides),
            f"[frame] max_frequency_hz = {config.frame.max_frequency_hz}: the network's "
            f"{math.prod(config.network.strides)} bins, the product of [network] strides, end at "
            f"{_highest_hz(config):.0f} Hz",
        ),
        (
            not config.decoding.enabled
            or MIN_DECODED_HARMONICS <= config.dictionary.n_harmonics <= MAX_DECODED_HARMONICS,
            f"[dictionary] n_harmonics = {config.dictionary.n_harmonics}: with [decoding] enabled ="
            f" true it must be {MIN_DECODED_HARMONICS} to {MAX_DECODED_HARMONICS}",
        ),
        (bool(config.policy.exponents), "[policy] exponents must not be empty"),
        (
            config.frame.hop_zetas <= 3,
            "[frame] hop_zetas must be at most 3: wider hops lose the signal between frames",
        ),
        (
            config.frame.window_zetas >= 4,
            "[frame] window_zetas must be at least 4: the window is cut too short",
        ),
        (
            max(config.training.beta_1, config.training.beta_2) < 1,
            "[training] beta_1 and beta_2 must be below 1",
        ),
    ]
    for holds, message in rules:
        if not holds:
            raise ConfigError(message)


def _highest_hz(config: Config) -> float:
    """Where the network's bins end."""
    return math.prod(config.network.strides) / (config.frame.window_zetas * config.frame.zeta_s)


def _most_instruments(n_exponents: int) -> int:
    """For which there are few enough rollouts.

    >>> [_most_instruments(n_exponents) for n_exponents in (1, 2, 3, 1000)]
    [16, 9, 6, 0]
    """
    numbers = range(1, MAX_INSTRUMENTS + 1)
    return max((n for n in numbers if n_exponents**n <= MAX_ROLLOUTS), default=0)


def _check_number(name: str, key: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    if not math.isfinite(value):
        raise ConfigError(f"{name} = {value}: must be finite")
    if key in SIGNED or (key in MAY_BE_ZERO and value >= 0):
        return
    if value <= 0:
        raise ConfigError(
            f"{name} = {value}: must be {'at least 0' if key in MAY_BE_ZERO else 'above 0'}"
        )
