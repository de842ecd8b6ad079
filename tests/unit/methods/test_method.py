"""Method: what every one of them promises to the house."""

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from musisep_cli.errors import MusisepError
from musisep_cli.methods import registry
from musisep_cli.methods.method import Method
from musisep_cli.run.settings.compose import apply, compose
from tests.small_method import CrossoverMethod

METHODS = [registry.get(name) for name in registry.BUILTIN]
by_name = pytest.mark.parametrize("method", METHODS, ids=registry.BUILTIN)
VALUES: dict[str, Any] = {
    "--iterations": 3,
    "--batch-size": 3,
    "--harmonics": 12,
    "--init-dictionary": "d.json",
    "--pitch": ["score.mid"],
    "--freeze-dictionary": True,
    "--no-decode": True,
    "--voices": (1, 4),
    "--melody": False,
    "--like": {"names": ["violin"], "others": True},
}


@by_name
def test_its_settings_are_sections_of_settings(method: Method) -> None:
    settings = method.settings()
    assert all(is_dataclass(getattr(settings, section.name)) for section in fields(settings))


@by_name
def test_every_flag_names_settings_that_there_are(method: Method) -> None:
    config = compose(next(iter(method.presets)))
    for flag, as_settings in method.flags.items():
        value = VALUES.get(flag, "discrete" if flag == "--sampling" else None)
        if value == "discrete":
            value = config.settings.policy.sampling
        assert apply(config, as_settings(value)).preset == config.preset


@by_name
def test_a_trial_is_short_and_can_be_run(method: Method) -> None:
    settings = compose(next(iter(method.presets))).settings
    trial = method.trial(settings, 16_000, 1)
    assert 0 < trial.n_frames * trial.hop_s < 60
    assert isinstance(trial.settings, method.settings)
    assert trial.n_steps == method.n_steps(settings)


@by_name
def test_it_says_in_words_how_long_is_trained(method: Method) -> None:
    settings = compose(next(iter(method.presets))).settings
    assert (method.training(settings) == "no training") == (method.n_steps(settings) == 0)


@by_name
def test_what_was_learned_cannot_be_shown_where_it_is_lost(method: Method, tmp_path: Path) -> None:
    with pytest.raises(MusisepError, match=r"dictionary\.json"):
        method.shown(tmp_path, ["instrument-1"])


@by_name
def test_one_instrument_more_than_it_serves_is_refused(method: Method) -> None:
    preset = next(iter(method.presets))
    most = method.most_instruments
    with pytest.raises(MusisepError, match=rf"\[run\] instruments = {most + 1}"):
        compose(preset, {"run": {"instruments": most + 1}})


def test_a_method_that_says_nothing_has_no_network_no_training_and_no_rules() -> None:
    method, settings = CrossoverMethod(), CrossoverMethod.settings()
    assert (method.n_steps(settings), method.training(settings)) == (0, "no training")
    assert method.completed(settings, 2, on_gpu=True) is settings
    assert method.warnings(settings, 9) == []
    assert method.shown(Path("nowhere"), []).tables == ()
