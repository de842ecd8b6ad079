"""Configuration of `musisep separate`: preset, file and flags to settings and warnings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from musisep_cli.errors import ConfigError
from musisep_cli.methods import registry
from musisep_cli.methods.method import Method, Settings
from musisep_cli.run.settings.compose import Given, compose, read_settings, resolved
from musisep_cli.run.settings.config import Config, largest
from musisep_cli.sound.recording import Recording
from musisep_cli.sound.turn import turned

LIKE = "--like"
"""Flag, with --instrument in it, that asks for instruments by their likeness."""


def configure(
    run_flags: Mapping[str, Any],
    method_flags: Mapping[str, Any],
    *,
    preset: str | None,
    file: Path | None,
    device: torch.device,
) -> tuple[Config, list[str]]:
    """Return the settings from a preset, a file and flags, and what to warn of.

    Args:
        run_flags: settings of ``[run]``, None where a flag was not given.
        method_flags: values of the flags that methods heed, None where one was not given.
        preset: name that a flag gives; None if none does.
        file: TOML file or manifest with further settings.
        device: where the work will be done.

    Raises:
        ConfigError: one of them cannot be used, or nothing says how many instruments there are.
    """
    given = read_settings(file) if file else Given(None, {}, Path())
    of_run = {key: value for key, value in run_flags.items() if value is not None}
    section = given.settings.get("run")
    in_file: Mapping[str, Any] = section if isinstance(section, Mapping) else {}
    instruments = of_run.get("instruments", in_file.get("instruments"))
    wanted = {flag: value for flag, value in method_flags.items() if value is not None}
    in_flags: Settings = {"run": of_run}
    try:
        asked = preset or given.preset or _of_method(in_file.get("method"))
        n_known = instruments if isinstance(instruments, int) and "--pitch" not in wanted else 1
        chosen = asked or registry.default_preset(n_known)
        if instruments is None:  # perhaps a file among the settings says it
            instruments = _counted(chosen, given, wanted, in_flags, device)
            of_run |= {} if instruments is None else {"instruments": instruments}
        config = _composed(chosen, given, wanted, in_flags, device)
    except ConfigError as error:
        # The file is named only if it alone causes the error: else a flag may be to blame.
        if file and str(error) == _problem(given, device):
            raise ConfigError(f"{file}: {error}") from error
        raise
    if instruments is None:
        raise ConfigError(
            "the number of instruments is missing: give it as -n, 1 to "
            f"{largest('instruments')}, for example -n 2"
        )
    method = registry.get(config.run.method)
    if LIKE in wanted and LIKE not in method.flags:
        raise ConfigError(
            f"--like, --instrument: preset {config.preset} finds no instrument by its likeness; "
            f"use --preset {registry.DEFAULTS[0]}"
        )
    return config, [*_in_vain(method, config, wanted), *_cautions(method, config, asked)]


def tells_number(file: Path | None) -> bool:
    """Return whether a file of settings says how many instruments there are.

    Raises:
        ConfigError: it cannot be read.
    """
    run = read_settings(file).settings.get("run") if file else None
    return isinstance(run, Mapping) and "instruments" in run


def counting(
    run_flags: Mapping[str, Any],
    method_flags: Mapping[str, Any],
    *,
    preset: str | None,
    file: Path | None,
    device: torch.device,
) -> Callable[[Recording], Config]:
    """Return what gives the settings for a recording, with as many instruments as it has lines.

    The preset that is used when nobody names one counts them.

    Args:
        run_flags: as for ``configure``; their number of instruments is the least.
        method_flags: as for ``configure``.
        preset: as for ``configure``.
        file: as for ``configure``.
        device: where the work will be done.
    """

    def settings_for(recording: Recording) -> Config:
        """Return the settings for a recording."""
        least = run_flags["instruments"]
        flags = {**run_flags, "instruments": max(n_lines(recording, device), least)}
        return configure(flags, method_flags, preset=preset, file=file, device=device)[0]

    return settings_for


def n_lines(recording: Recording, device: torch.device) -> int:
    """Return how many lines a recording speaks for, as the default preset counts them."""
    method = registry.get(registry.preset(registry.DEFAULTS[0]).method)
    most = {"run": {"instruments": method.most_instruments}}
    counts = resolved(compose(registry.DEFAULTS[0], most, on_gpu=False), device)
    counted: int = method.n_lines(turned(recording), counts.settings, device)
    return counted


def _composed(
    preset: str, given: Given, wanted: Mapping[str, Any], run: Settings, device: torch.device
) -> Config:
    """Return the settings of a preset, a file, the flags that its method heeds, and ``[run]``."""
    method = registry.get(registry.preset(preset).method)
    heeded = [method.flags[flag](value) for flag, value in wanted.items() if flag in method.flags]
    on_gpu = device.type == "cuda"
    return resolved(compose(preset, given.anchored(preset), *heeded, run, on_gpu=on_gpu), device)


def _counted(
    preset: str, given: Given, wanted: Mapping[str, Any], run: Settings, device: torch.device
) -> int | None:
    """Return the number of instruments that the other settings tell; None if they do not.

    Raises:
        MusisepError: a file cannot be used.
    """
    config = _composed(preset, given, wanted, run, device)
    return registry.get(config.run.method).n_told(config.settings)


def _of_method(name: Any) -> str | None:
    """Return the first preset of a method that a file names without a preset.

    Raises:
        ConfigError: there is no such method.
    """
    if not isinstance(name, str):
        return None
    method = registry.get(name)
    return next(key for key, known in registry.presets().items() if known.method == method.name)


def _problem(given: Given, device: torch.device) -> str | None:
    """Return the error that the settings of a file cause without any flag; None without error."""
    section = given.settings.get("run")
    named = section.get("method") if isinstance(section, Mapping) else None
    try:
        preset = given.preset or _of_method(named) or registry.default_preset(1)
        _composed(preset, given, {}, {}, device)
    except ConfigError as error:
        return str(error)
    return None


def _in_vain(method: Method, config: Config, wanted: Mapping[str, Any]) -> list[str]:
    """Return a warning for each flag that was given and changes nothing."""
    without_effect = dict.fromkeys(wanted.keys() - method.flags.keys(), "has no such setting")
    without_effect |= method.without_effect(config.settings)
    return [
        f"{flag} has no effect: preset {config.preset} {without_effect[flag]}"
        for flag in wanted
        if flag in without_effect
    ]


def _cautions(method: Method, config: Config, asked: str | None) -> list[str]:
    """Return what the method warns of, and the caution of a preset that nobody asked for."""
    cautions = method.warnings(config.settings, config.run.seeds)
    caution = registry.preset(config.preset).caution
    if asked is None and caution:
        usual = registry.DEFAULTS[0]
        most = registry.get(registry.preset(usual).method).most_instruments
        cautions.append(
            f"preset {config.preset} was chosen, as {usual} serves up to {most} instruments: "
            f"{caution}"
        )
    return cautions
