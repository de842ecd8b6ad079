"""Settings: presets, TOML and manifest in, a configuration out.

A preset, a file given with ``--config`` and the command line's flags change the defaults of a
method, in this order.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import torch

from musisep_cli.errors import ConfigError
from musisep_cli.methods import registry
from musisep_cli.methods.method import Settings
from musisep_cli.run.settings.config import Config, RunConfig
from musisep_cli.run.settings.limits import LARGEST_INTEGER, check_numbers


def compose(preset: str, *changes: Settings, on_gpu: bool = False) -> Config:
    """Return the settings of a preset with changes on top, checked.

    Settings that depend on the number of instruments or on the machine are filled in by the method,
    unless a change says how long to train.

    Args:
        preset: name of the preset.
        changes: section -> key -> value; of two that set the same key the later one counts, and
            any counts more than what the preset holds for a number of instruments.
        on_gpu: whether a GPU will compute.

    Raises:
        ConfigError: an unknown preset, section or key, an ill-typed value or one out of range.

    >>> compose("paper", {"run": {"instruments": 3}}).settings.training.iterations
    210000
    """
    known = registry.preset(preset)
    method = registry.get(known.method)
    plain = Config(preset=preset, run=RunConfig(method=method.name), settings=method.settings())
    config = _changed(plain, known.settings, *changes)
    config = _changed(plain, known.of(config.run.instruments), *changes)
    if config.run.method != method.name:
        raise ConfigError(
            f"[run] method = '{config.run.method}': preset {preset} is of the method "
            f"{method.name}. Choose a preset of that method; leave [run] method out."
        )
    n_instruments = config.run.instruments
    if not any("iterations" in change.get("training", {}) for change in changes):
        completed = method.completed(config.settings, n_instruments, on_gpu=on_gpu)
        config = replace(config, settings=completed)
    check_numbers(config)
    method.check(config.settings, n_instruments)
    most = method.most(config.settings)
    if n_instruments > most:
        raise ConfigError(
            f"[run] instruments = {n_instruments}: preset {preset} serves 1 to "
            f"{most} instruments; {_with_more(n_instruments)}"
        )
    return config


def _with_more(n_instruments: int) -> str:
    """Return what to do about more instruments than a preset serves."""
    preset = registry.default_preset(n_instruments)
    most = registry.get(registry.preset(preset).method).most(compose(preset).settings)
    if n_instruments > most:
        return f"{most} are the most without the notes (--pitch)"
    return f"use --preset {preset}, which serves up to {most}"


def _changed(config: Config, *changes: Settings) -> Config:
    """Return a configuration with changes, one after the other."""
    for settings in changes:
        config = apply(config, settings)
    return config


def resolved(config: Config, device: torch.device) -> Config:
    """Replace every ``auto`` by what this machine uses, so that a manifest names it.

    Raises:
        ConfigError: the method cannot compute in the number format that is asked for.

    >>> config = compose("paper", {"run": {"precision": "float32"}})
    >>> resolved(config, torch.device("cpu")).run.precision
    'float32'
    """
    method = registry.get(config.run.method)
    precision = method.precision(config.settings, config.run.precision, device)
    return replace(config, run=replace(config.run, precision=precision))


@dataclass(frozen=True)
class Given:
    """Settings from a file.

    Attributes:
        preset: the preset that the file names; None if it names none.
        settings: section -> key -> value.
        folder: folder of the file, from which relative paths in the settings start.
    """

    preset: str | None
    settings: Settings
    folder: Path

    def anchored(self, preset: str) -> Settings:
        """Return the settings with every relative path made absolute.

        Args:
            preset: its method says which settings name files.
        """
        sections = registry.get(registry.preset(preset).method).settings()
        anchored: Settings = {}
        for name, values in self.settings.items():
            section: Any = values  # what a user wrote: perhaps a number instead of a section
            if isinstance(section, dict):
                section = {
                    key: self._anchored(sections, name, key, value)
                    for key, value in section.items()
                }
            anchored[name] = section
        return anchored

    def _anchored(self, sections: Any, section: str, key: str, value: Any) -> Any:
        """Return the value of one setting, made absolute if it is the path of a file."""
        metadata = _metadata(sections, section, key)
        if isinstance(value, list | tuple):
            return [self._anchored(sections, section, key, entry) for entry in value]
        if "no_file" not in metadata or not isinstance(value, str):
            return value
        return value if value in metadata["no_file"] else str((self.folder / value).absolute())


def named_files(sections: Any) -> Iterator[tuple[str, str, str]]:
    """Yield section, key and value of every setting that can name a file; of a list each."""
    for section in fields(sections):
        part = getattr(sections, section.name)
        for entry in fields(part):
            if "no_file" in entry.metadata:
                value = getattr(part, entry.name)
                for name in value if isinstance(value, tuple) else (value,):
                    yield section.name, entry.name, name


def given_files(sections: Any) -> Iterator[tuple[str, str, str]]:
    """Yield section, key and path of every file that settings name; of a list each in turn."""
    for section, key, value in named_files(sections):
        if value not in _metadata(sections, section, key)["no_file"]:
            yield section, key, value


def _metadata(sections: Any, section: str, key: str) -> Mapping[str, Any]:
    """Return the metadata of the field of a setting; empty if there is no such setting."""
    part = getattr(sections, section, None)
    known = {} if part is None else {entry.name: entry.metadata for entry in fields(part)}
    return known.get(key, {})


def read_settings(path: Path) -> Given:
    """Read the settings of a TOML file or of a run's ``manifest.json``.

    Names and types of the settings are not checked yet: ``compose`` does that.

    Raises:
        ConfigError: the file cannot be read, is no TOML or JSON, or holds no settings.
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
        raise ConfigError(f"{path}: 'preset' must be one of {', '.join(registry.presets())}")
    return Given(preset, content, path.parent)


def remembered(content: Mapping[str, Any]) -> Config:
    """Return the settings of a manifest, even if an earlier version of musisep wrote it.

    Settings that this version does not know are left out; those that the manifest lacks have their
    defaults.

    Args:
        content: section ``config`` of the manifest.

    Raises:
        ConfigError: the preset or the method is unknown, or a value is ill-typed.
    """
    preset = str(content.get("preset"))
    method = registry.of_manifest(content)
    config = Config(preset=preset, run=RunConfig(method=method.name), settings=method.settings())
    parts = {f.name: getattr(config.settings, f.name) for f in fields(config.settings)}
    parts["run"] = config.run
    known = {
        name: {key: value for key, value in content[name].items() if hasattr(part, key)}
        for name, part in parts.items()
        if isinstance(content.get(name), Mapping)
    }
    return apply(config, known)


def apply(config: Config, settings: Mapping[str, Any]) -> Config:
    """Return the configuration with some settings replaced.

    Args:
        config: is left as it is.
        settings: section -> key -> value.

    Raises:
        ConfigError: a section or a key is unknown, or a value is of the wrong type.
    """
    sections = {"run": config.run}
    sections |= {f.name: getattr(config.settings, f.name) for f in fields(config.settings)}
    for name, values in settings.items():
        if name not in sections:
            raise ConfigError(f"unknown section [{name}]{_nearest(name, sections)}")
        if not isinstance(values, Mapping):
            raise ConfigError(f"[{name}] must be a section of settings, not {values!r}")
        sections[name] = _apply_section(name, sections[name], values)
    run = sections.pop("run")
    return replace(config, run=run, settings=replace(config.settings, **sections))


def _apply_section(section: str, defaults: Any, values: Mapping[str, Any]) -> Any:
    """Return one section's dataclass with some of its fields replaced, each checked."""
    hints = get_type_hints(type(defaults))
    changes = {}
    for key, value in values.items():
        if key not in hints:
            raise ConfigError(f"unknown setting '{key}' in [{section}]{_nearest(key, hints)}")
        changes[key] = _convert(f"[{section}] {key}", value, hints[key])
    return replace(defaults, **changes)


def _convert(name: str, value: Any, kind: Any) -> Any:
    """Return a value from a file or a flag as the type of its field.

    Args:
        name: name of the setting, for the message.
        value: what the user gave.
        kind: type of the field: a number, text, truth value, Literal or tuple of one of them.

    Raises:
        ConfigError: the value is of another type; the message says what is needed.
    """
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
    wanted = names.get(kind, "a list of texts" if str in get_args(kind) else "a list of numbers")
    raise ConfigError(f"{name} = {value!r}: must be {wanted}")


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    """Return the end of a message about an unknown name: the most similar known one, or all."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else f"; known are {', '.join(known)}"
