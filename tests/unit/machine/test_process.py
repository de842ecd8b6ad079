"""What is asked of the C libraries; in processes of their own, for nothing takes it back."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from musisep_cli.machine.process import SPINS

PAGES_OF = """
import resource, sys
import numpy as np
from musisep_cli.machine.process import keep_freed_memory
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


@pytest.mark.skipif(sys.platform != "linux", reason="PyTorch brings GNU OpenMP on Linux")
@pytest.mark.parametrize(
    ("given", "spins"),
    [
        ({}, SPINS),
        ({"GOMP_SPINCOUNT": "123"}, 123),
        ({"OMP_WAIT_POLICY": "passive"}, 0),
    ],
)
def test_threads_of_the_program_wait_briefly(given: dict[str, str], spins: int, tiny: Path) -> None:
    ours = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    usual = {name: value for name, value in os.environ.items() if name not in ours}
    told = subprocess.run(
        [sys.executable, "-m", "musisep_cli", "inspect", "--no-estimate", str(tiny / "mix.flac")],
        env=usual | given | {"OMP_DISPLAY_ENV": "verbose"},
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    assert f"GOMP_SPINCOUNT = '{spins}'" in told
