"""Limits: what single numbers among the settings can be, by the bounds beside their fields."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from musisep_cli.errors import ConfigError
from musisep_cli.run.settings.config import Config

LARGEST_INTEGER = 2**53
"""Largest whole number up to which a float64 holds every one exactly; no setting comes near."""


def check_numbers(config: Config) -> None:
    """Refuse numbers that are not finite or outside of their bounds.

    Raises:
        ConfigError: names the setting, its value and what is needed.
    """
    check_section("run", config.run)
    for section in fields(config.settings):
        part = getattr(config.settings, section.name)
        if is_dataclass(part):
            check_section(section.name, part)


def check_section(name: str, section: Any) -> None:
    """Refuse numbers of one section that are outside of their bounds.

    Raises:
        ConfigError: names the setting, its value and what is needed.
    """
    for entry in fields(section):
        value = getattr(section, entry.name)
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, int | float) and not isinstance(number, bool):
                _check(f"[{name}] {entry.name}", number, entry.metadata)


def _check(name: str, value: float, bounds: Mapping[str, Any]) -> None:
    """Refuse a number that is not finite or outside of its bounds.

    Args:
        name: name of the setting, for the message.
        value: the number.
        bounds: metadata of its field: "least" and "most" may be reached, "below" may not, and "why"
            gives the reason. Without "least" the number must be above 0.

    Raises:
        ConfigError: says what is needed, and why where that is known.
    """
    if not math.isfinite(value):
        raise ConfigError(f"{name} = {value}: must be finite")
    low, high = bounds.get("least"), bounds.get("most")
    holds = (
        (value > 0 if low is None else value >= low)
        and (high is None or value <= high)
        and ("below" not in bounds or value < bounds["below"])
    )
    if not holds:
        reason = f": {bounds['why']}" if "why" in bounds else ""
        raise ConfigError(f"{name} = {value}: must be {_words(bounds)}{reason}")


def _words(bounds: Mapping[str, Any]) -> str:
    """Return bounds in words.

    >>> _words({}), _words({"least": 1, "most": 32}), _words({"below": 1}), _words({"most": 3})
    ('above 0', '1 to 32', 'above 0 and below 1', 'above 0 and at most 3')
    """
    low, high = bounds.get("least"), bounds.get("most")
    if low is not None and high is not None:
        return f"{low} to {high}"
    words = ["above 0" if low is None else f"at least {low}"]
    words += [f"at most {high}"] if high is not None else []
    words += [f"below {bounds['below']}"] if "below" in bounds else []
    return " and ".join(words)
