"""Separation by the policy: where the dictionary and the weights come from."""

from pathlib import Path

import pytest
import torch

from musisep_cli.errors import DictionaryError
from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.machine.files import write_json_atomic
from musisep_cli.methods.policy.separate import first_dictionary, new_policy
from musisep_cli.run.settings.compose import compose
from musisep_cli.tones import dictionary
from musisep_cli.tones.dictionary import DictionaryConfig, start_dictionary
from tests.small import seeded


def test_without_a_file_the_dictionary_is_the_untrained_one() -> None:
    config = DictionaryConfig(n_harmonics=5)
    torch.testing.assert_close(first_dictionary(config, 3), start_dictionary(config, 3))


def test_a_file_gives_its_dictionary_and_must_fit(tmp_path: Path) -> None:
    given = torch.tensor([[1.0, 0.5], [0.25, 1.0], [0.1, 0.2]])
    path = tmp_path / "d.json"
    write_json_atomic(path, dictionary.to_json(given))
    config = DictionaryConfig(n_harmonics=3, init_file=str(path))
    torch.testing.assert_close(first_dictionary(config, 2), given)
    with pytest.raises(DictionaryError, match=r"d\.json"):
        first_dictionary(config, 3)


def test_the_network_s_weights_follow_from_the_generator() -> None:
    small = {"network": {"base_channels": 4, "strides": [4, 4, 4, 4, 4, 3]}}
    settings = compose("quick", small).settings
    made = []
    for seed in (0, 0, 1):
        with seeded(seed):
            policy = new_policy(settings, 2, GaborFrame(FrameConfig(), 8_000))
        made.append(torch.cat([weights.flatten() for weights in policy.parameters()]))
    assert made[0].equal(made[1])
    assert not made[0].equal(made[2])
