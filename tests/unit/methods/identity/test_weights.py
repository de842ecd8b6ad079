"""Weights: what is written is read back."""

from pathlib import Path

import pytest
import torch

from musisep_cli.errors import ConfigError
from musisep_cli.methods.identity import weights
from musisep_cli.methods.identity.network import Network
from tests.unit.methods.identity.test_network import SMALL


def test_weights_return_in_half_precision(tmp_path: Path) -> None:
    network = Network(SMALL, 5)
    weights.save(network, tmp_path / "network.safetensors")
    again = weights.load(tmp_path / "network.safetensors")
    assert again.config == SMALL
    for name, value in network.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, atol=1e-3, rtol=1e-3)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "wrong.safetensors"
    path.write_bytes(b"no weights")
    with pytest.raises(ConfigError, match="not the weights of an extraction network"):
        weights.load(path)
    with pytest.raises(ConfigError, match="not the weights of an extraction network"):
        weights.load(tmp_path / "absent.safetensors")
