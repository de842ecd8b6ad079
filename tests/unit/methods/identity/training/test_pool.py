"""Pool: pieces are the same wherever they are made, and made once."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from musisep_cli.methods.identity.instruments import HELD_OUT_PROGRAMS, INSTRUMENTS
from musisep_cli.methods.identity.training import pool, soundfont
from musisep_cli.methods.identity.training.phrases import PIECE_S
from tests.unit.methods.identity.training.small_pool import IMAGINARY, N_PIECES

MELODIC = tuple(program for instrument in INSTRUMENTS for program in instrument.programs)


def test_a_piece_has_samples_for_every_part(small_music: Path) -> None:
    assert pool.n_made(small_music) == N_PIECES
    piece = pool.read(small_music, 0)
    assert piece.samples.shape == (len(piece.parts), round(PIECE_S * 16_000))
    peaks = np.abs(piece.samples.astype(int)).max(1)
    np.testing.assert_allclose(peaks, pool.PEAK * 32_767, atol=1)
    assert all(part.row is None for part in piece.parts)


def test_what_is_there_is_left_alone_and_what_is_missing_is_made_alike(
    small_music: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "pool"
    shutil.copytree(small_music, copy)
    (copy / "000001.json").unlink()
    before = (copy / "000000.npy").stat().st_mtime_ns
    assert list(pool.fill(copy, IMAGINARY, range(N_PIECES))) == [1]
    assert (copy / "000000.npy").stat().st_mtime_ns == before
    np.testing.assert_array_equal(pool.read(copy, 1).samples, pool.read(small_music, 1).samples)


def test_training_and_exams_share_no_program_and_no_font() -> None:
    training, held_out, other = pool.KINDS
    assert set(training.programs).isdisjoint(held_out.programs)
    assert set(held_out.programs) == set(HELD_OUT_PROGRAMS)
    assert other.font != training.font


@pytest.mark.skipif(
    shutil.which("fluidsynth") is None or not soundfont.FLUID.exists(),
    reason="FluidSynth and fluid-soundfont-gm are not installed",
)
@pytest.mark.slow
def test_sampled_instruments_play(tmp_path: Path) -> None:
    kind = pool.Kind(
        name="all", programs=MELODIC, font=soundfont.FLUID, imaginary=0, first_seed=0, drums=1
    )
    list(pool.fill(tmp_path, kind, [0]))
    parts = pool.read(tmp_path, 0).parts
    assert parts[-1].instrument == "drums"
    assert len({part.instrument for part in parts}) == len(parts) > 2
