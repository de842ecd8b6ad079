"""Loss: closed forms."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from musisep_cli.methods.identity.loss import error_db, extraction_loss, si_sdr_db

REFERENCE = torch.randn(1, 4_096, generator=torch.Generator().manual_seed(0))
MIXTURE = torch.randn(1, 4_096, generator=torch.Generator().manual_seed(1))


def loss(*, reference: torch.Tensor, estimate: torch.Tensor) -> float:
    return float(extraction_loss(reference=reference, estimate=estimate, mixture=MIXTURE))


def test_the_right_target_costs_minus_30_db_and_none_about_0() -> None:
    assert loss(reference=REFERENCE, estimate=REFERENCE) == pytest.approx(-30, abs=0.01)
    # 10 log10(1 + eps), and half of a magnitude error of 1.
    nothing = loss(reference=REFERENCE, estimate=0 * REFERENCE)
    assert nothing == pytest.approx(10 * math.log10(1.001) + 0.5, abs=1e-4)


def test_an_absent_instrument_costs_minus_30_db_where_nothing_comes_out() -> None:
    silence = torch.zeros_like(REFERENCE)
    assert loss(reference=silence, estimate=silence) == pytest.approx(-30, abs=0.01)
    everything = loss(reference=silence, estimate=MIXTURE)
    assert everything == pytest.approx(10 * math.log10(1.001) + 0.5, abs=1e-4)


@given(db=st.floats(-25, 10))
def test_an_error_of_some_level_costs_its_decibels(db: float) -> None:
    error = REFERENCE.flip(1)
    estimate = REFERENCE + 10 ** (db / 20) * error
    found = error_db(reference=REFERENCE, estimate=estimate, mixture=MIXTURE)
    assert float(found) == pytest.approx(10 * math.log10(10 ** (db / 10) + 1e-3), abs=1e-3)


@pytest.mark.parametrize("reference", [REFERENCE, torch.zeros_like(REFERENCE)])
def test_the_gradient_is_finite_where_nothing_comes_out(reference: torch.Tensor) -> None:
    estimate = torch.zeros_like(REFERENCE, requires_grad=True)
    extraction_loss(reference=reference, estimate=estimate, mixture=MIXTURE).sum().backward()
    assert estimate.grad is not None
    assert bool(torch.isfinite(estimate.grad).all())


@given(gain=st.floats(1e-3, 1e3), db=st.floats(-20, 20))
def test_si_sdr_is_the_level_of_what_is_orthogonal_at_any_gain(gain: float, db: float) -> None:
    reference = REFERENCE.double()
    other = REFERENCE.double().roll(1, 1)
    other = other - (other * reference).sum() / reference.square().sum() * reference
    noise = other * reference.norm() / other.norm() * 10 ** (-db / 20)
    found = si_sdr_db(reference=reference, estimate=gain * (reference + noise))
    assert float(found) == pytest.approx(db, abs=1e-6)
