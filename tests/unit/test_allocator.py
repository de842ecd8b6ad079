"""Memory that was freed is used again; in processes of their own, for nothing takes it back."""

import platform
import subprocess
import sys

import pytest

PAGES_OF = """
import resource, sys
import numpy as np
from musisep_cli.allocator import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
np.ones(2**23, np.uint8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    blocks = [np.ones(2**23, np.uint8), np.ones(2**23, np.uint8)]
    del blocks
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
PAGES_PER_BLOCK = 2**23 // 4096


def fresh_pages(setting: str) -> int:
    """Pages that the system had to give for fifty times two blocks of 8 MiB."""
    command = [sys.executable, "-c", PAGES_OF, setting]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_freed_memory_is_used_again() -> None:
    assert fresh_pages("kept") < 4 * PAGES_PER_BLOCK
    assert fresh_pages("usual") > 20 * PAGES_PER_BLOCK
