"""The structures as the house sees them: what does not go together, and what a seed is worth."""

from typing import Any

import pytest

from musisep_cli.errors import ConfigError
from musisep_cli.methods.structures.method import METHOD
from musisep_cli.run.settings.compose import compose

FAITHFUL = {"structures": {"sound": "faithful"}}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"run": {"instruments": 5}},
            r"instruments = 5: .* 1 to 4 instruments; use --preset standard, which serves up to 6",
        ),
        ({"dictionary": {"n_harmonics": 1}}, "n_harmonics = 1: must be 2 to 256"),
        ({"dictionary": {"init_file": "d.json"}}, "learns the dictionary from the recording"),
        ({"first_pass": {"lowest_hz": 900.0, "highest_hz": 90.0}}, "must be below highest_hz"),
        ({"frame": {"hop_zetas": 2.5}}, r"too short for \[frame\] hop_zetas"),
    ],
)
def test_what_does_not_go_together_is_told(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        compose("structures", settings)


def test_what_several_seeds_are_worth_depends_on_the_sound() -> None:
    decoded = compose("structures", {"structures": {"sound": "decoded"}}).settings
    faithful = compose("structures", FAITHFUL).settings
    assert METHOD.warnings(decoded, 1) == []
    assert "nothing is random" in METHOD.warnings(faithful, 2)[0]
    assert "random starts of decoding" in METHOD.warnings(decoded, 2)[0]
    assert METHOD.start(faithful) == "without a network, the paper's own sound"
