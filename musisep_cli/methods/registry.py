"""Registry: which methods and presets there are; the only place that names a method.

A method's code is loaded when it is asked for: the names of presets are known without PyTorch.
"""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from musisep_cli.errors import ConfigError
from musisep_cli.methods.method import Method, Preset, Settings, over

BUILTIN = ("decoding", "policy", "pursuit", "structures", "lasso", "source_filter")
"""Packages beside this file, each with a ``METHOD`` in its ``method`` module."""
DEFAULTS = ("standard", "quick")
"""Presets that are used when the user names none: the first one that serves the number of
instruments."""

_added: dict[str, Method] = {}
"""Methods from elsewhere by name; one of a built-in name takes its place."""


def register(method: Method) -> None:
    """Add a method from elsewhere to those of this package.

    It is known in this process. A worker, to which the settings are sent, imports the module that
    defines their class: call this at the end of that module, and the worker knows the method too.
    """
    _added[method.name] = method


def names() -> tuple[str, ...]:
    """Return the names of all methods."""
    return (*BUILTIN, *(name for name in _added if name not in BUILTIN))


def get(name: str) -> Method:
    """Return the method of a name.

    Raises:
        ConfigError: there is no method of this name.
    """
    if name in _added:
        return _added[name]
    if name not in BUILTIN:
        raise ConfigError(
            f"[run] method = '{name}': there is no such method; they are {', '.join(names())}"
        )
    method: Method = importlib.import_module(f"musisep_cli.methods.{name}.method").METHOD
    return method


def presets() -> dict[str, Preset]:
    """Return all presets by name."""
    found = {name: preset for method in BUILTIN for name, preset in presets_of(method).items()}
    for method in _added.values():
        found |= method.presets
    return found


def preset(name: str) -> Preset:
    """Return the preset of a name.

    Raises:
        ConfigError: there is no preset of this name.
    """
    known = presets()
    if name not in known:
        raise ConfigError(f"unknown preset '{name}': the presets are {', '.join(known)}")
    return known[name]


@cache
def presets_of(method: str) -> Mapping[str, Preset]:
    """Return the presets that lie in a method's package, by name.

    ``presets/NAME.toml`` there holds settings and, above them, ``summary`` and perhaps ``caution``;
    sections of ``up_to_two`` are for one or two instruments. With ``base`` it holds only what
    differs from that preset of the method, the default or one whose name comes before.
    """
    folder = resources.files("musisep_cli.methods") / method / "presets"
    found: dict[str, Preset] = {}
    # The default comes first: it is what a method without a named preset stands for.
    files = sorted(
        folder.iterdir(), key=lambda file: (file.name != f"{DEFAULTS[0]}.toml", file.name)
    )
    for file in files:
        content: dict[str, Any] = tomllib.loads(file.read_text("utf-8"))
        words = {key: content.pop(key) for key in ("summary", "caution") if key in content}
        up_to_two: Settings = content.pop("up_to_two", {})
        if "base" in content:
            base = found[content.pop("base")]
            up_to_two = over(over(base.up_to_two, content), up_to_two)
            content = over(base.settings, content)
        found[file.name.removesuffix(".toml")] = Preset(
            method=method, settings=content, up_to_two=up_to_two, **words
        )
    return found


def default_preset(n_instruments: int) -> str:
    """Return the name of the preset that is used when the user names none.

    >>> default_preset(2), default_preset(7)
    ('standard', 'quick')
    """
    for name in DEFAULTS:
        if n_instruments <= get(preset(name).method).most_instruments:
            return name
    return DEFAULTS[-1]


def of_manifest(config: Mapping[str, Any]) -> Method:
    """Return the method that the settings in a manifest belong to.

    Versions before 0.2.0.dev1 did not name it: there it follows from the preset.

    Raises:
        ConfigError: there is none.
    """
    named = config.get("run", {}).get("method")
    return get(named if isinstance(named, str) else preset(str(config.get("preset"))).method)
