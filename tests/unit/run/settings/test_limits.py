"""Limits: a number outside of its bounds is refused, and the bounds are told in words."""

import math
from dataclasses import dataclass, field
from typing import Any

import pytest

from musisep_cli.errors import ConfigError
from musisep_cli.methods import registry
from musisep_cli.run.settings.compose import compose
from musisep_cli.run.settings.limits import check_numbers, check_section


@dataclass(frozen=True, kw_only=True)
class Bounded:
    positive: float = 1.0
    between: int = field(default=5, metadata={"least": 1, "most": 9})
    share: float = field(default=0.5, metadata={"below": 1})
    floor: float = field(default=0.0, metadata={"least": 0, "why": "it is a power"})
    many: tuple[float, ...] = (1.0, 2.0)
    flag: bool = False
    text: str = ""


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"positive": 0.0}, r"\[part\] positive = 0.0: must be above 0$"),
        ({"positive": math.nan}, "positive = nan: must be finite"),
        ({"positive": math.inf}, "positive = inf: must be finite"),
        ({"between": 10}, "between = 10: must be 1 to 9$"),
        ({"between": 0}, "between = 0: must be 1 to 9$"),
        ({"share": 1.0}, "share = 1.0: must be above 0 and below 1$"),
        ({"floor": -0.1}, "floor = -0.1: must be at least 0: it is a power$"),
        ({"many": (1.0, -2.0)}, "many = -2.0: must be above 0$"),
    ],
)
def test_a_number_out_of_bounds_is_told_with_its_bounds(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check_section("part", Bounded(**values))


@pytest.mark.parametrize(
    "values", [{}, {"between": 1}, {"between": 9}, {"floor": 0.0}, {"many": ()}]
)
def test_bounds_themselves_are_within(values: dict[str, Any]) -> None:
    check_section("part", Bounded(**values))


@pytest.mark.parametrize("preset", sorted(registry.presets()))
def test_the_presets_keep_their_own_limits(preset: str) -> None:
    check_numbers(compose(preset))
