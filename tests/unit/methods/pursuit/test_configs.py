"""Configurations of sparse pursuit: planned without the compiled code, bounds in words."""

import subprocess
import sys
from typing import Any

import pytest

from musisep_cli.errors import ConfigError
from musisep_cli.run.settings.compose import compose


def test_they_are_known_without_the_compiler() -> None:
    code = (
        "import sys; import musisep_cli.methods.pursuit.configs; sys.exit('numba' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"pursuit": {"acceptance": 1.5}}, "acceptance = 1.5: must be above 0 and at most 1"),
        ({"lines": {"floor": 1.0}}, "floor = 1.0: must be at least 0 and below 1"),
        ({"training": {"dictionaries": 0}}, "dictionaries = 0: must be 1 to 1000"),
    ],
)
def test_bounds_are_told_in_words(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        compose("pursuit", settings)
