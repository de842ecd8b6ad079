"""Limits of the decoding's settings: what does not go together is refused in words."""

from typing import Any

import pytest

from musisep_cli.errors import ConfigError
from musisep_cli.methods.decoding.limits import check_number
from musisep_cli.run.settings.compose import compose

SCRATCH = {"warmstart": {"weights": ""}}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"run": {"instruments": 7}},
            r"instruments = 7: preset .* 1 to 6 instruments; 6 are the most",
        ),
        ({"policy": {"instrument_by": "pitch"}}, "instrument_by = 'pitch'"),
        (
            {"dictionary": {"n_harmonics": 1}},
            "n_harmonics = 1: must be 2 to 256",
        ),
        ({"dictionary": {"n_harmonics": 257}}, "n_harmonics = 257: must be 2 to 256"),
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


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"voices": {"of_instruments": [1, 4], "melody": True}}, "leave --voices out"),
        ({"voices": {"of_instruments": [3, 6]}}, "9 tones at once, and 8 are the most"),
        ({"voices": {"of_instruments": [1, 0]}}, "must be at least 1"),
        ({"voices": {"of_instruments": [1, 2]}, "training": {"iterations": 5}}, "and training"),
        ({"voices": {"melody": True}, "training": {"iterations": 5}}, "--melody and training"),
        ({"voices": {"melody": True}, "pitch": {"files": ["a.mid"]}}, "--melody and --pitch"),
        ({"voices": {"melody": True}, "dictionary": {"init_file": "a.json"}}, "--init-dictionary"),
    ],
)
def test_voices_that_cannot_be_served_are_told(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        compose("standard", settings)


@pytest.mark.parametrize(
    ("voices", "n_instruments", "words"),
    [
        ({"of_instruments": [1, 4]}, 3, r"--voices names 2 instruments \(1,4\), and .* is 3"),
        ({"melody": True}, 2, "--melody makes one stem, .* is 2: leave -n out"),
    ],
)
def test_another_number_than_the_voices_tell_is_refused(
    voices: dict[str, Any], n_instruments: int, words: str
) -> None:
    settings = compose("standard", {"voices": voices}).settings
    with pytest.raises(ConfigError, match=words):
        check_number(settings, n_instruments)


def test_chords_are_not_trained_on_where_a_gpu_would_make_that_cheap() -> None:
    two, chords = {"run": {"instruments": 2}}, {"voices": {"of_instruments": [1, 4]}}
    assert compose("standard", two, on_gpu=True).settings.training.iterations > 0
    assert compose("standard", two, chords, on_gpu=True).settings.training.iterations == 0
