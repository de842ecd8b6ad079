"""Settings: every part's defaults composed, presets, TOML and manifest in, JSON out.

The defaults of the parts' dataclasses are the paper's constants. A preset, a file given with
``--config`` and the command line's flags change them, in this order.
"""

from __future__ import annotations

import difflib
import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args, get_origin, get_type_hints

import torch

from musisep_cli.costs import DecodingConfig
from musisep_cli.device import Precision, resolve_precision
from musisep_cli.errors import ConfigError
from musisep_cli.model.dictionary import DictionaryConfig
from musisep_cli.model.gabor import FrameConfig
from musisep_cli.policy.distance import ObjectiveConfig
from musisep_cli.policy.parameters import ParameterConfig
from musisep_cli.policy.rollout import PolicyConfig
from musisep_cli.policy.search import SearchConfig
from musisep_cli.policy.unet import NetworkConfig
from musisep_cli.resynthesis import ResynthesisConfig
from musisep_cli.training.estimator import EstimatorConfig
from musisep_cli.training.trainer import TrainingConfig
from musisep_cli.warmstart.weights import BUILTIN, WarmstartConfig

Settings: TypeAlias = dict[str, dict[str, Any]]
"""Section -> key -> value, as in a TOML file."""

PRESETS = ("paper", "quick", "standard")
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


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """What is separated, and how often."""

    instruments: int = 1
    """Number of melodic instruments in the recording, one stem each."""
    seeds: int = 1
    """Independent trainings, of which one is chosen."""
    first_seed: int = 0
    """The seeds are first_seed, first_seed + 1, ..."""
    threads: int = 2
    """CPU threads of one training. Fixed, and not the number of idle cores, because the last bits
    of a result depend on it."""
    precision: Precision = "auto"
    """Number format of the network's convolutions. Bfloat16 departs from the paper; auto takes it
    on processors that multiply it in hardware, and float32 elsewhere. Weights, least squares,
    rendering and loss are float32 always. The manifest names the one that was taken."""

    @property
    def all_seeds(self) -> range:
        """The seeds.

        >>> RunConfig(seeds=2, first_seed=5).all_seeds
        range(5, 7)
        """
        return range(self.first_seed, self.first_seed + self.seeds)


@dataclass(frozen=True, kw_only=True)
class Config:
    """All settings of a separation; the sections of a TOML file."""

    preset: str = "paper"
    run: RunConfig = field(default_factory=RunConfig)
    frame: FrameConfig = field(default_factory=FrameConfig)
    dictionary: DictionaryConfig = field(default_factory=DictionaryConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    parameters: ParameterConfig = field(default_factory=ParameterConfig)
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    estimator: EstimatorConfig = field(default_factory=EstimatorConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    warmstart: WarmstartConfig = field(default_factory=WarmstartConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    decoding: DecodingConfig = field(default_factory=DecodingConfig)
    resynthesis: ResynthesisConfig = field(default_factory=ResynthesisConfig)

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON values; ``read_settings`` takes them back."""
        content: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return content


def compose(preset: str, *changes: Settings) -> Config:
    """The preset's settings with changes on top, the last one strongest; checked.

    Three or more instruments train longer (Section 3.5), unless a change sets the number of
    iterations.

    Raises:
        ConfigError: an unknown preset, section or key, an ill-typed value or one out of range.

    >>> compose("paper", {"run": {"instruments": 3}}).training.iterations
    210000
    """
    if preset not in PRESETS:
        raise ConfigError(f"unknown preset '{preset}': the presets are {', '.join(PRESETS)}")
    text = resources.files("musisep_cli").joinpath("presets", f"{preset}.toml").read_text("utf-8")
    config = Config(preset=preset)
    for settings in (tomllib.loads(text), *changes):
        config = apply(config, settings)
    longer = config.run.instruments > 2
    if longer and not any("iterations" in change.get("training", {}) for change in changes):
        iterations = config.training.iterations_from_three
        config = replace(config, training=replace(config.training, iterations=iterations))
    check(config)
    return config


def resolved(config: Config, device: torch.device) -> Config:
    """With what the machine decides decided, so that a manifest names what was taken.

    >>> resolved(Config(run=RunConfig(precision="float32")), torch.device("cpu")).run.precision
    'float32'
    """
    precision = resolve_precision(config.run.precision, device)
    if config.run.precision == "auto" and config.network.kernel > MAX_BFLOAT16_KERNEL:
        precision = "float32"
    return replace(config, run=replace(config.run, precision=precision))


def read_settings(path: Path) -> tuple[str | None, Settings]:
    """Preset, if named, and settings of a TOML file or of a run's ``manifest.json``.

    Raises:
        ConfigError: not readable, not TOML or JSON, or not settings.
    """
    try:
        text = path.read_text("utf-8")
        content = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}); give a TOML file or a manifest.json"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not a valid {path.suffix or 'TOML'} file ({error})") from error
    if isinstance(content, dict) and path.suffix == ".json":
        content = content.get("config")
    if not isinstance(content, dict):
        raise ConfigError(
            f"{path}: holds no settings; give a TOML file or the manifest.json of a run"
        )
    preset = content.pop("preset", None)
    if preset is not None and not isinstance(preset, str):
        raise ConfigError(f"{path}: 'preset' must be one of {', '.join(PRESETS)}")
    _anchor(content.get("dictionary"), "init_file", path.parent)
    if content.get("warmstart", {}) != {"weights": BUILTIN}:
        _anchor(content.get("warmstart"), "weights", path.parent)
    return preset, content


def _anchor(section: Any, key: str, folder: Path) -> None:
    """Make a relative path absolute: it is meant from where the settings lie."""
    if isinstance(section, dict) and isinstance(section.get(key), str):
        name = section[key]
        section[key] = str((folder / name).absolute()) if name else ""


def apply(config: Config, settings: Mapping[str, Any]) -> Config:
    """The configuration with some settings replaced, each checked for name and type."""
    sections = {f.name: getattr(config, f.name) for f in fields(config) if f.name != "preset"}
    for name, values in settings.items():
        if name not in sections:
            raise ConfigError(f"unknown section [{name}]{_nearest(name, sections)}")
        if not isinstance(values, Mapping):
            raise ConfigError(f"[{name}] must be a section of settings, not {values!r}")
        sections[name] = _apply_section(name, sections[name], values)
    return replace(config, **sections)


def _apply_section(section: str, defaults: Any, values: Mapping[str, Any]) -> Any:
    hints = get_type_hints(type(defaults))
    changes = {}
    for key, value in values.items():
        if key not in hints:
            raise ConfigError(f"unknown setting '{key}' in [{section}]{_nearest(key, hints)}")
        changes[key] = _convert(f"[{section}] {key}", value, hints[key])
    return replace(defaults, **changes)


def _convert(name: str, value: Any, kind: Any) -> Any:
    """The value as its field's type, or a ConfigError that says what is needed."""
    if get_origin(kind) is tuple and isinstance(value, list | tuple):
        return tuple(_convert(name, entry, get_args(kind)[0]) for entry in value)
    if get_origin(kind) is Literal:
        if value in get_args(kind):
            return value
        raise ConfigError(
            f"{name} = {value!r}: must be one of {', '.join(map(repr, get_args(kind)))}"
        )
    if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        raise ConfigError(f"{name}: a number beyond 2^53 is too large")
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if (
        isinstance(kind, type)
        and isinstance(value, kind)
        and (kind is bool or not isinstance(value, bool))
    ):
        return value
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    wanted = names.get(kind, "a list of numbers")
    raise ConfigError(f"{name} = {value!r}: must be {wanted}")


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


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else f"; known are {', '.join(known)}"
