"""Weights: what is shipped fits, and what does not is told in a line."""

from importlib import resources
from pathlib import Path

import pytest
import torch

from musisep_cli.errors import ConfigError
from musisep_cli.methods.source_filter import weights
from musisep_cli.methods.source_filter.network import Network, NetworkConfig
from tests.unit.methods.source_filter.made import SMALL


def test_the_shipped_weights_fit_and_are_small() -> None:
    network = Network(NetworkConfig(), 3)
    weights.load(network, weights.BUILTIN)
    assert all(bool(torch.isfinite(x).all()) for x in network.parameters())
    folder = resources.files("musisep_cli.methods.source_filter") / "weights"
    assert len((folder / "voices.safetensors").read_bytes()) < 4_000_000
    assert "Model card" in (folder / "README.md").read_text("utf-8")


def test_weights_come_back_in_half_precision_without_the_voices_own(tmp_path: Path) -> None:
    saved, network = Network(SMALL, 2), Network(SMALL, 3)
    assert saved.voices is not None
    assert network.voices is not None
    with torch.no_grad():
        saved.voices[:] = 1.0
    weights.save(saved.state_dict(), tmp_path / "w.safetensors")
    weights.load(network, str(tmp_path / "w.safetensors"))
    assert float(network.voices.detach().abs().max()) == 0
    for name, value in network.state_dict().items():
        if name != weights.OF_VOICES:
            torch.testing.assert_close(value, saved.state_dict()[name].half().float())


def test_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    weights.save(Network(SMALL).state_dict(), tmp_path / "small.safetensors")
    (tmp_path / "text.safetensors").write_text("no weights")
    with pytest.raises(ConfigError, match="of another size"):
        weights.load(Network(NetworkConfig()), str(tmp_path / "small.safetensors"))
    for name in ("text.safetensors", "none.safetensors"):
        with pytest.raises(ConfigError, match="cannot be read as weights"):
            weights.load(Network(NetworkConfig()), str(tmp_path / name))
