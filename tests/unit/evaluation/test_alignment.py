"""Alignment: real delays are found, chance is not."""

from pathlib import Path

import numpy as np
import pytest

from musisep_cli.evaluation.alignment import delay_notices, stem_delays
from musisep_cli.evaluation.delay import Delay
from tests.unit.evaluation.made import RATE_HZ, noise, signals_of


def late(signal: np.ndarray, lag_samples: int) -> np.ndarray:
    shifted = np.roll(signal, lag_samples)
    shifted[slice(0, lag_samples) if lag_samples > 0 else slice(lag_samples, None)] = 0
    return shifted


@pytest.mark.parametrize("lag", [1, -30, 2_000])
def test_a_delayed_stem_is_found_behind_its_own_reference(tmp_path: Path, lag: int) -> None:
    first, second = noise(seed=1), noise(seed=2)
    signals = signals_of(
        tmp_path, references={"a": first, "b": second}, stems=[late(second, lag), first]
    )
    delays = stem_delays(signals)
    assert delays == (Delay(lag_samples=lag), Delay())
    [notice] = delay_notices(signals, delays, aligned=False)
    assert "instrument-1.wav: " in notice
    assert f"{abs(lag)} samples ({abs(lag) / RATE_HZ * 1000:.2f} ms)" in notice
    assert ("late" in notice) == (lag > 0)
    assert "--align corrects it" in notice
    assert "shifted" in delay_notices(signals, delays, aligned=True)[0]


def test_a_stem_unlike_every_reference_has_no_lag(tmp_path: Path) -> None:
    signals = signals_of(tmp_path, references={"a": noise(seed=1)}, stems=[noise(seed=9)])
    assert stem_delays(signals) == (Delay(),)


def test_a_lag_that_gains_nothing_is_not_believed(tmp_path: Path) -> None:
    # A slow tone is nearly as like itself one sample later: noise could make that the maximum.
    time_s = np.arange(RATE_HZ) / RATE_HZ
    tone = np.sin(2 * np.pi * 20 * time_s)
    signals = signals_of(tmp_path, references={"a": tone}, stems=[late(tone, 1) + noise()])
    assert stem_delays(signals) == (Delay(),)


def test_silence_has_no_lag(tmp_path: Path) -> None:
    signals = signals_of(tmp_path, references={"a": noise()}, stems=[np.zeros(8_000)])
    assert stem_delays(signals) == (Delay(),)
