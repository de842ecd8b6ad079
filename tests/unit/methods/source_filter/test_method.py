"""The method as the house sees it: what does not go together, and what it says of itself."""

from pathlib import Path
from typing import Any

import pytest

from musisep_cli.errors import ConfigError, MusisepError
from musisep_cli.methods.given_pitch import MAX_PARTS
from musisep_cli.methods.source_filter.method import METHOD, TRIAL_STEPS
from musisep_cli.run.settings.compose import compose


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"run": {"instruments": 7}}, r"instruments = 7: .* up to 6; give them as --pitch"),
        ({"dictionary": {"n_harmonics": 1}}, "n_harmonics = 1: must be 2 to 256"),
        ({"dictionary": {"init_file": "d.json"}}, "learn the timbres from the recording"),
        ({"training": {"model": "wave"}}, "'spectral'"),
    ],
)
def test_what_does_not_go_together_is_told(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        compose("source-filter", settings)


def test_given_parts_may_be_many_and_their_number_must_fit(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    rows = [f"part{number},0,1,{60 + number}" for number in range(6)]
    path.write_text("\n".join(["stem,onset_s,offset_s,midi", *rows]))
    given = {"run": {"instruments": 6}, "pitch": {"files": [str(path)]}}
    settings = compose("source-filter", given).settings
    assert list(METHOD.parts(settings)) == [f"part{number}" for number in range(6)]
    assert METHOD.most(settings) == MAX_PARTS
    assert "the pitch that is given" in METHOD.start(settings)
    with pytest.raises(ConfigError, match="--pitch holds 6 parts"):
        METHOD.check_files(settings, 5)
    assert not METHOD.trial(settings, 16_000, 1).settings.pitch.align


def test_it_says_how_long_is_trained_and_what_from() -> None:
    settings = compose("source-filter").settings
    assert METHOD.training(settings) == "300 steps of adaptation"
    assert METHOD.training(settings, 7) == "7 steps of adaptation"
    assert METHOD.start(settings) == (
        "from the pitch found by default and the weights that come with it"
    )
    trial = METHOD.trial(settings, 16_000, 1)
    assert (trial.settings.training.iterations, trial.n_steps) == (TRIAL_STEPS, 300)
    paper = compose("source-filter-paper").settings
    assert "random weights" in METHOD.start(paper)
    assert METHOD.warnings(settings, 3) == []
    still = {"training": {"iterations": 0}, "pitch": {"files": ["notes.csv"]}}
    none = METHOD.settings(
        training=type(settings.training)(iterations=0),
        pitch=type(settings.pitch)(files=tuple(still["pitch"]["files"])),
    )
    assert "for the same" in METHOD.warnings(none, 3)[0]
    assert "--batch-size" in METHOD.without_effect(none)


def test_weights_of_another_size_are_refused_before_any_work() -> None:
    settings = compose("source-filter", {"network": {"latent": 7}}).settings
    with pytest.raises(MusisepError, match="of another size"):
        METHOD.check_files(settings, 2)
