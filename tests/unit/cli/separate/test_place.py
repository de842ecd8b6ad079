"""Place: on a cluster with GPUs a seed gets one if its preset trains, or if it is asked for."""

import pytest
import torch

from musisep_cli.cli.separate.configure import configure
from musisep_cli.cli.separate.place import Configured, Place, cluster, settle
from musisep_cli.errors import ConfigError
from musisep_cli.run.cluster.connection import Connection, Node


def placed(device: str, preset: str, monkeypatch: pytest.MonkeyPatch, *, n_gpus: int) -> Place:
    node = Node(id="a", host="one", n_cpus=8, n_gpus=n_gpus)
    monkeypatch.setattr(Connection, "nodes", lambda self: [node, node])

    def configured(device: torch.device) -> Configured:
        return configure({"instruments": 2}, {}, preset=preset, file=None, device=device)

    found, (config, _) = settle(Connection(address="auto"), device, configured)
    assert config.preset == preset
    return found


@pytest.mark.parametrize(
    ("device", "preset", "n_gpus", "expected"),
    [
        ("auto", "standard", 0, "cpu"),
        ("auto", "standard", 1, "cuda"),  # on a GPU it trains
        ("auto", "lasso", 1, "cpu"),
        ("cuda", "lasso", 1, "cuda"),
        ("cpu", "standard", 1, "cpu"),
        ("cuda", "standard", 0, "cuda"),  # and the crew says that there is none
    ],
)
def test_the_device_of_every_seed(
    device: str, preset: str, n_gpus: int, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = placed(device, preset, monkeypatch, n_gpus=n_gpus)
    assert place.device.type == expected
    on = "a GPU and cpu, 2 threads" if expected == "cuda" else "cpu, 2 threads"
    assert f"each seed on {on}" in place.words
    assert "cluster auto (2 nodes, 16 CPUs" in place.words


def test_one_gpu_of_a_cluster_cannot_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="on a cluster Ray chooses the GPU"):
        placed("cuda:1", "standard", monkeypatch, n_gpus=1)


def test_without_a_cluster_or_work_for_it_none_is_asked() -> None:
    for address, dry_run in ((None, False), ("nowhere:1", True)):
        with cluster(address, None, dry_run=dry_run) as connection:
            assert connection is None
