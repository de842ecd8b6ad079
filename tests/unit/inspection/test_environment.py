"""Environment: what a bug report lists is there, and true."""

import os
import sys
from importlib import metadata

import pytest
import torch

from musisep_cli.inspection import environment as environments
from musisep_cli.inspection.environment import PACKAGES, environment


def test_versions_are_those_that_are_installed() -> None:
    found = environment("1.2.3")
    assert found["musisep"] == "1.2.3"
    assert sys.executable in found["python"]
    assert {name: found[name] for name in PACKAGES} == {
        name: metadata.version(name) for name in PACKAGES
    }


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "PACKAGES", ("no-such-package",))
    assert environment("1")["no-such-package"] == "not installed"


def test_only_variables_that_are_set_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    found = environment("1")
    assert found["OMP_NUM_THREADS"] == "3"
    assert "CUDA_VISIBLE_DEVICES" not in found


def test_cores_and_devices() -> None:
    found = environment("1")
    assert 1 <= found["cores_usable"] <= (os.cpu_count() or 1)
    assert (found["default_device"] == "cuda") == torch.cuda.is_available() == bool(found["gpus"])
