"""Registry: every method and preset by its name, and an error in words for others."""

import subprocess
import sys
from importlib import resources

import pytest

from musisep_cli.errors import ConfigError
from musisep_cli.methods import registry
from musisep_cli.methods.method import Preset
from tests.small_method import CrossoverMethod


def test_every_package_with_a_method_is_in_the_registry() -> None:
    folder = resources.files("musisep_cli.methods")
    packages = {path.name for path in folder.iterdir() if (path / "method.py").is_file()}
    assert packages == set(registry.BUILTIN)


@pytest.mark.parametrize("name", registry.BUILTIN)
def test_a_method_is_found_by_its_own_name_and_so_are_its_presets(name: str) -> None:
    method = registry.get(name)
    assert method.name == name
    assert method.presets
    for preset, known in method.presets.items():
        assert registry.preset(preset) == known
        assert (known.method, bool(known.summary)) == (name, True)


def test_a_method_of_one_s_own_is_found_too() -> None:
    assert isinstance(registry.get("crossover"), CrossoverMethod)
    assert "crossover" in registry.names()
    assert registry.preset("crossover").method == "crossover"


def test_who_names_none_gets_the_first_that_serves_so_many_instruments() -> None:
    most = registry.get("decoding").most_instruments
    assert [registry.default_preset(n) for n in (1, most, most + 1, 99)] == [
        "standard",
        "standard",
        "quick",
        "quick",
    ]


def test_a_method_stands_for_its_default_preset_first() -> None:
    assert next(iter(registry.presets_of("decoding"))) == registry.DEFAULTS[0]


def test_an_earlier_manifest_tells_its_method_by_its_preset() -> None:
    assert registry.of_manifest({"preset": "paper"}).name == "policy"
    assert registry.of_manifest({"preset": "paper", "run": {"method": "lasso"}}).name == "lasso"


def test_unknown_names_are_told_with_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match=r"'nmf': there is no such method; they are decoding, "):
        registry.get("nmf")
    with pytest.raises(ConfigError, match=r"unknown preset 'best': the presets are standard"):
        registry.preset("best")


def test_the_names_of_presets_are_known_without_pytorch() -> None:
    code = (
        "import sys; from musisep_cli.methods import registry; registry.presets(); "
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_preset_may_differ_for_one_or_two_instruments() -> None:
    known = Preset(
        method="decoding",
        summary="a test",
        settings={"search": {"beam": 3, "octave_nats": 1.0}},
        up_to_two={"search": {"beam": 2}, "frame": {"hop_zetas": 1.0}},
    )
    assert known.of(3) == known.settings
    few = {"search": {"beam": 2, "octave_nats": 1.0}, "frame": {"hop_zetas": 1.0}}
    assert known.of(1) == known.of(2) == few
