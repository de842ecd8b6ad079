"""What all tests of the training share: a small pool, and denormal numbers kept."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.unit.methods.identity.training import small_pool


@pytest.fixture(scope="session")
def small_music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a pool of two pieces for imaginary instruments."""
    return small_pool.made(tmp_path_factory.mktemp("music") / "imaginary")


@pytest.fixture(autouse=True)
def keep_denormals() -> Iterator[None]:
    """Undo the flushing of denormal numbers that the training program turns on.

    The setting belongs to the whole process, and hypothesis refuses to draw
    floats in a process that flushes them.
    """
    yield
    torch.set_flush_denormal(False)
