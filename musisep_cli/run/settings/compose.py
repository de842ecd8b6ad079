"""Settings: presets, TOML and manifest in, a configuration out.

A preset, a file given with ``--config`` and the command line's flags change the defaults, in this
order.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import fields, replace
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args, get_origin, get_type_hints

import torch

from musisep_cli.errors import ConfigError
from musisep_cli.machine.device import resolve_precision
from musisep_cli.methods.policy.warmstart.weights import BUILTIN
from musisep_cli.run.settings.config import Config
from musisep_cli.run.settings.limits import LARGEST_INTEGER, MAX_BFLOAT16_KERNEL, check

Settings: TypeAlias = dict[str, dict[str, Any]]
"""Section -> key -> value, as in a TOML file."""
PRESETS = ("paper", "quick", "standard")


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
    text = (
        resources.files("musisep_cli.methods")
        .joinpath("decoding" if preset == "standard" else "policy", "presets", f"{preset}.toml")
        .read_text("utf-8")
    )
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

    >>> config = compose("paper", {"run": {"precision": "float32"}})
    >>> resolved(config, torch.device("cpu")).run.precision
    'float32'
    """
    precision = resolve_precision(config.run.precision, device)
    if config.run.precision == "auto" and config.network.kernel > MAX_BFLOAT16_KERNEL:
        precision = "float32"
    cuda_graphs = config.run.cuda_graphs and device.type == "cuda"
    return replace(config, run=replace(config.run, precision=precision, cuda_graphs=cuda_graphs))


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


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else f"; known are {', '.join(known)}"
