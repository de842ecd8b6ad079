"""Signals: the files of a take side by side, shifted and masked as asked."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from musisep_cli.errors import InputError
from musisep_cli.evaluation.delay import Delay
from musisep_cli.evaluation.metrics import Block
from musisep_cli.evaluation.signals import open_signals
from tests.unit.evaluation.made import RATE_HZ, noise, signals_of, take_of

REFERENCES = {"a": noise(seed=1), "b": noise(seed=2)}
STEMS = [noise(seed=3), noise(seed=4)]


def whole(blocks: Iterable[Block]) -> tuple[np.ndarray, np.ndarray]:
    """References and estimates, ``[i, t]`` and ``[j, t]``."""
    listed = list(blocks)
    return (
        np.concatenate([block.reference for block in listed], axis=-1)[:, 0],
        np.concatenate([block.estimate for block in listed], axis=-1)[:, 0],
    )


def test_the_files_stand_side_by_side(tmp_path: Path) -> None:
    signals = signals_of(tmp_path, references=REFERENCES, stems=STEMS, mix=noise(seed=5))
    assert signals.duration_s == 1.0
    references, estimates = whole(signals.stem_blocks())
    assert_array_equal(references, np.stack(list(REFERENCES.values())))
    assert_array_equal(estimates, np.stack(STEMS))
    _, estimates = whole(signals.blocks(ceiling=False))
    assert_array_equal(estimates, np.stack([*STEMS, noise(seed=5)]))


def test_only_the_stems_are_shifted(tmp_path: Path) -> None:
    signals = signals_of(tmp_path, references=REFERENCES, stems=STEMS, mix=noise(seed=5))
    shifted = replace(signals, delays=(Delay(lag_samples=100), Delay(lag_samples=-100)))
    references, estimates = whole(shifted.blocks(ceiling=False))
    assert_array_equal(references, np.stack(list(REFERENCES.values())))
    assert_array_equal(estimates[0], np.append(STEMS[0][100:], np.zeros(100)))
    assert_array_equal(estimates[1], np.append(np.zeros(100), STEMS[1][:-100]))
    assert_array_equal(estimates[2], noise(seed=5))


@pytest.mark.parametrize("with_mix", [True, False])
def test_masks_share_out_the_mixture_or_the_sum_of_the_references(
    tmp_path: Path, with_mix: bool
) -> None:
    mix = 0.5 * sum(REFERENCES.values()) if with_mix else None
    signals = signals_of(tmp_path, references=REFERENCES, stems=STEMS, mix=mix)
    _, estimates = whole(signals.blocks(ceiling=True))
    assert len(estimates) == 4 + with_mix
    gain = 0.5 if with_mix else 1.0
    assert_allclose(estimates[-2:].sum(0), gain * sum(REFERENCES.values()), atol=1e-9)


def test_changes_of_files_are_told_or_refused(tmp_path: Path) -> None:
    take = take_of(tmp_path, references=REFERENCES, stems=[noise(7_000), noise()])
    _, notices = open_signals(take, strict=False)
    assert len(notices) == 1
    assert "padded with 1000 samples" in notices[0]
    with pytest.raises(InputError, match="--strict"):
        open_signals(take, strict=True)


@pytest.mark.parametrize("start", [0, 1500])
def test_of_a_part_the_references_are_read_there(tmp_path: Path, start: int) -> None:
    """Only where they go on as far as the stems do: else they were cut already."""
    n = 2400
    stems = [stem[:n] for stem in STEMS]
    take = take_of(tmp_path, references=REFERENCES, stems=stems, mix=noise(seed=5))
    take = replace(take, part_start_s=start / RATE_HZ)
    signals, notices = open_signals(take, strict=True)  # nothing is padded or cut
    assert notices == [
        f"scored from {start / RATE_HZ:.3f} to {(start + n) / RATE_HZ:.3f} s of the references: "
        "only that part was separated."
    ]
    references, estimates = whole(signals.blocks(ceiling=False))
    wanted = slice(start, start + n)
    assert_array_equal(references, np.stack([x[wanted] for x in REFERENCES.values()]))
    assert_array_equal(estimates, np.stack([*stems, noise(seed=5)[wanted]]))
    assert signals.part_start_s == start / RATE_HZ


def test_references_of_a_part_alone_are_taken_as_they_are(tmp_path: Path) -> None:
    take = replace(take_of(tmp_path, references=REFERENCES, stems=STEMS), part_start_s=0.5)
    signals, notices = open_signals(take, strict=True)
    assert (signals.part_start_s, notices) == (None, [])
    references, _ = whole(signals.stem_blocks())
    assert_array_equal(references, np.stack(list(REFERENCES.values())))
