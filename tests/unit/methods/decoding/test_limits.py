"""Limits of the decoding's settings: what does not go together is refused in words."""

from typing import Any

import pytest

from musisep_cli.errors import ConfigError
from musisep_cli.run.settings.compose import compose

SCRATCH = {"warmstart": {"weights": ""}}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"run": {"instruments": 5}}, r"instruments = 5: decoding weighs .* up to 4; use --preset"),
        ({"policy": {"instrument_by": "pitch"}}, "instrument_by = 'pitch'"),
        (
            {"dictionary": {"n_harmonics": 1}},
            "n_harmonics = 1: where tones are decoded .* 2 to 256",
        ),
        ({"dictionary": {"n_harmonics": 257}}, "n_harmonics = 257: .* 2 to 256"),
        ({"frame": {"hop_zetas": 2.5}}, r"change_window is too short for \[frame\] hop_zetas"),
    ],
)
def test_what_does_not_go_together_is_told(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        compose("standard", SCRATCH, settings)


@pytest.mark.parametrize("n_harmonics", [2, 256])
def test_the_bounds_themselves_are_served(n_harmonics: int) -> None:
    config = compose(
        "standard", {"dictionary": {"n_harmonics": n_harmonics}, "run": {"instruments": 4}}
    )
    assert config.settings.dictionary.n_harmonics == n_harmonics
