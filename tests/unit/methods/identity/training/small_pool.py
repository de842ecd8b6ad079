"""A pool that needs no synthesiser: a few pieces for imaginary instruments."""

from pathlib import Path

from musisep_cli.methods.identity.training import pool, soundfont

IMAGINARY = pool.Kind(
    name="imaginary", programs=(), font=soundfont.FLUID, imaginary=1.0, first_seed=5, drums=0.0
)
N_PIECES = 2


def made(folder: Path) -> Path:
    """Make the pool's pieces in a folder."""
    assert list(pool.fill(folder, IMAGINARY, range(N_PIECES))) == list(range(N_PIECES))
    return folder
