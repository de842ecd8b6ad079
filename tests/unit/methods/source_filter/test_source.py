"""Source: amplitudes of the harmonics, tilt, and what lies beyond the Nyquist frequency."""

import math

import pytest
import torch
from torch.testing import assert_close

from musisep_cli.methods.source_filter.source import (
    MOST_HARMONICS,
    N_NOISE_BANDS,
    bands_at,
    line_amplitudes,
    n_harmonics,
    tilt,
)
from tests.unit.methods.source_filter.made import resonant, voices


def test_the_tilt_is_six_decibels_an_octave_above_200_hz() -> None:
    found_db = 20 * torch.log10(tilt(torch.tensor([20.0, 200.0, 400.0, 1600.0])))
    assert_close(found_db, torch.tensor([0.0, 0.0, -6.0, -18.0]), rtol=1e-5, atol=1e-4)


def test_all_harmonics_share_the_amplitude_and_are_tilted() -> None:
    f0_hz = torch.tensor([300.0], dtype=torch.float64)
    lines = line_amplitudes(voices((1,), amplitude=2.0), f0_hz)[0]
    count = int(n_harmonics(f0_hz))
    assert count == 26  # 27 x 300 Hz is above 8 kHz
    k = torch.arange(1, count + 1)
    assert_close(lines, 2.0 / count * tilt(k * f0_hz), rtol=1e-9, atol=0)


@pytest.mark.parametrize(("f0_hz", "count"), [(8000.0, 1), (4000.0, 1), (3999.0, 2), (20.0, 101)])
def test_nothing_sounds_at_the_nyquist_frequency_or_above(f0_hz: float, count: int) -> None:
    assert int(n_harmonics(torch.tensor(f0_hz))) == count
    lines = line_amplitudes(voices((1,)), torch.tensor([f0_hz], dtype=torch.float64), 101)[0]
    above = torch.arange(1, MOST_HARMONICS + 1) > count
    assert float(lines[above].sum()) == 0
    assert int(count) == 1 or float(lines[~above].min()) > 0


def test_a_rest_has_no_harmonics_and_a_resonance_raises_those_near_it() -> None:
    f0_hz = torch.tensor([200.0, 0.0], dtype=torch.float64)
    plain = line_amplitudes(voices((2,)), f0_hz)
    formed = line_amplitudes(
        voices((2,), frequencies=resonant(2 * math.pi * 1000 / 16_000, 0.04)), f0_hz
    )
    assert float(plain[1].sum()) == 0
    assert int((formed[0] / plain[0].clamp_min(1e-12)).argmax()) + 1 == 5


def test_bands_are_linear_between_their_magnitudes() -> None:
    bands = torch.arange(N_NOISE_BANDS, dtype=torch.float64)
    step_hz = 8000 / (N_NOISE_BANDS - 1)
    at_hz = torch.tensor([0.0, 1.5 * step_hz, 8000.0], dtype=torch.float64)
    assert_close(bands_at(bands, at_hz), torch.tensor([0.0, 1.5, 39.0], dtype=torch.float64))
