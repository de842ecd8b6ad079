"""The small pool, made once for all tests of the training."""

from pathlib import Path

import pytest

from tests.unit.methods.identity.training import small_pool


@pytest.fixture(scope="session")
def small_music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a pool of two pieces for imaginary instruments."""
    return small_pool.made(tmp_path_factory.mktemp("music") / "imaginary")
