"""The connection: what is no address, where nobody answers, and what to do without Ray."""

import re
import socket
import sys
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest

from musisep_cli.errors import ClusterError
from musisep_cli.run.cluster import connection
from musisep_cli.run.cluster.connection import Connection, Node, connected, ray


class Ray(SimpleNamespace):
    """Stands for the module, with two nodes of which one has left."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__(started=[], n_ended=0, is_initialized=lambda: False)
        self.error = error

    def init(self, **options: Any) -> None:
        if self.error is not None:
            raise self.error
        self.started.append(options)

    def shutdown(self) -> None:
        self.n_ended += 1

    def nodes(self) -> list[dict[str, Any]]:
        left = {"Alive": False, "NodeID": "b", "NodeManagerHostname": "two", "Resources": {}}
        here = {"CPU": 4.0, "GPU": 1.0}
        return [{**left, "Alive": True, "NodeID": "a", "Resources": here}, left]


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Ray:
    stand_in = Ray()
    monkeypatch.setitem(sys.modules, "ray", stand_in)
    return stand_in


def test_without_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ClusterError, match=r"pip install 'musisep\[cluster\]'") as error:
        ray()
    assert "\n" not in str(error.value)


def test_a_local_ray_has_no_dashboard_and_is_ended(
    module: Ray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    monkeypatch.delenv("RAY_DEDUP_LOGS_SKIP_REGEX", raising=False)
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "1")
    with connected("local", least_cpus=1000) as found:
        [options] = module.started
        assert options["address"] == "local"
        assert options["include_dashboard"] is False
        assert options["num_cpus"] == 1000
        assert connection.os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
        assert connection.os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "0"
        assert re.search(connection.os.environ["RAY_DEDUP_LOGS_SKIP_REGEX"], "any line\nof Ray's")
        assert module.n_ended == 0
        assert found.address == "local"
    assert module.n_ended == 1


def test_statistics_that_are_asked_for_stay_on(
    module: Ray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    ray()
    assert connection.os.environ["RAY_USAGE_STATS_ENABLED"] == "1"


@pytest.mark.parametrize("address", ["somewhere", "ray://head:10001", "head:port", ":6379"])
def test_what_is_no_address_is_told(module: Ray, address: str) -> None:
    with pytest.raises(ClusterError, match="is no address"), connected(address, least_cpus=1):
        pass


def test_an_address_where_nobody_answers_is_told_at_once(module: Ray) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ClusterError, match="nobody answers"), connected(address, least_cpus=1):
            pass
    assert not module.started


def test_what_ray_refuses_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = ConnectionError("Could not find any running Ray instance.\nSee the manual.")
    monkeypatch.setitem(sys.modules, "ray", Ray(refusal))
    with (
        pytest.raises(
            ClusterError, match=r"\(Could not find any running Ray instance\.\)"
        ) as error,
        connected("auto", least_cpus=1),
    ):
        pass
    assert "ray start --head" in str(error.value)
    assert "manual" not in str(error.value)


def test_a_ray_that_does_not_start_is_no_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    module = Ray(Exception("The current node timed out during startup."))
    monkeypatch.setitem(sys.modules, "ray", module)
    with (
        pytest.raises(ClusterError, match="or use -j without --cluster"),
        connected("local", least_cpus=1),
    ):
        pass
    assert module.n_ended == 1


def test_who_is_connected_already_stays_so(module: Ray) -> None:
    module.is_initialized = lambda: True
    with connected("auto", least_cpus=1) as found:
        assert found.address == "auto"
    assert not module.started
    assert module.n_ended == 0


def test_nodes_that_left_do_not_count(module: Ray) -> None:
    found = Connection(address="head:6379")
    assert found.nodes() == [Node(id="a", host="two", n_cpus=4, n_gpus=1)]
    assert found.words() == "cluster head:6379 (1 node, 4 CPUs, 1 GPU)"
