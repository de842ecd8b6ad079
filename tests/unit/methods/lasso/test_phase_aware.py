import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from musisep_cli.evaluation.metrics import array_blocks, best_assignment, bss_eval_v2
from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.methods.lasso.phase_aware import (
    PitchedAtoms,
    explain,
    separate_faithfully,
    within_weighted_ball,
)
from musisep_cli.methods.lasso.proximal import ProximalConfig, duality_gap
from tests.signals import CLARINET, FLUTE, harmonic_tone

RATE = 8_000
FRAME = GaborFrame(FrameConfig(), RATE)
DICTIONARY = torch.zeros(9, 2)
DICTIONARY[:4, 0] = torch.tensor(FLUTE)
DICTIONARY[:, 1] = torch.tensor(CLARINET) / max(CLARINET)
SCALE_BINS = 220 * 2 ** (torch.arange(0, 25, 2) / 12) / FRAME.bin_hz


def duet(*pairs_hz: tuple[float, float]) -> np.ndarray:
    """Both instruments [i, t], a note of 0.2 s of each for every pair."""
    notes = [
        [
            harmonic_tone(f0_hz, amplitudes=amplitudes, duration_s=0.2, sample_rate_hz=RATE)
            for f0_hz, amplitudes in zip(pair, (FLUTE, CLARINET), strict=True)
        ]
        for pair in pairs_hz
    ]
    return 0.3 * np.concatenate(notes, 1)


UP = 2 ** (1 / 12)
PAIRS = ((440 * UP**2, 220 * UP**4), (440, 220 * UP**6))


@pytest.mark.parametrize(
    ("n_pairs", "max_steps"), [(1, 80), pytest.param(2, 150, marks=pytest.mark.slow)]
)
def test_a_short_signal_is_separated_faithfully(n_pairs: int, max_steps: int) -> None:
    reference = duet(*PAIRS[:n_pairs])
    mixture = torch.from_numpy(reference.sum(0)).float()
    stems, residual = separate_faithfully(
        mixture,
        FRAME,
        DICTIONARY,
        [SCALE_BINS, SCALE_BINS],
        config=ProximalConfig(max_steps=max_steps),
    )
    torch.testing.assert_close(stems.sum(0) + residual, mixture)
    pairs = bss_eval_v2(array_blocks(reference=reference, estimate=stems.numpy().astype(float)))
    best = best_assignment(pairs)
    assert [i for i, _ in best] == [j for _, j in best]
    assert min(float(pairs.sdr_db[i, j]) for i, j in best) > 15
    assert float(residual.norm() / mixture.norm()) < 0.2


def test_a_tone_loses_alpha_whatever_its_phases() -> None:
    instrument = PitchedAtoms.of(
        SCALE_BINS[:6], DICTIONARY[:, 1], width_bins=FRAME.ideal_width_bins, n_bins=500
    )
    generator = np.random.default_rng(0)
    phases = torch.from_numpy(np.exp(2j * np.pi * generator.uniform(size=9))).to(torch.complex64)
    measure = torch.zeros(6, 9, dtype=torch.complex64)
    measure[2] = 2.0 * DICTIONARY[:, 1] * phases
    data = instrument.atoms.spread(measure.flatten())[None]
    found = explain(data, [instrument], 0.25, ProximalConfig(max_steps=800))
    torch.testing.assert_close(found.sources[0], 0.75 * data, atol=5e-3, rtol=0)
    torch.testing.assert_close(instrument.mass(measure.flatten()), torch.tensor(2.0))


def test_the_gap_closes_and_the_certificate_is_kept() -> None:
    instruments = [
        PitchedAtoms.of(SCALE_BINS[::3], column, width_bins=FRAME.ideal_width_bins, n_bins=500)
        for column in DICTIONARY.T
    ]
    generator = torch.Generator().manual_seed(0)
    data = torch.randn(1, 500, generator=generator, dtype=torch.complex64)
    highest = max(float(each.certificate(data).max()) for each in instruments)
    gaps = []
    for n_steps in (3, 30, 300):
        found = explain(data, instruments, 0.3, ProximalConfig(max_steps=n_steps, tolerance=0))
        exact = torch.stack(
            [each.atoms.spread(mu) for each, mu in zip(instruments, found.measures, strict=True)]
        )
        mass = torch.stack(
            [each.mass(mu) for each, mu in zip(instruments, found.measures, strict=True)]
        ).sum(0)
        rest = data - exact.sum(0)
        above = torch.stack([each.certificate(rest).amax(-1) for each in instruments]).amax(0)
        gaps.append(float(duality_gap(data, exact, mass, above, 0.3 * highest)))
    assert gaps == sorted(gaps, reverse=True)
    assert -1e-3 < gaps[-1] < 0.01 * gaps[0]
    assert float(above) < 1.01 * 0.3 * highest


@given(st.lists(st.floats(0, 10), min_size=4, max_size=4), st.floats(0.01, 5), st.integers(0, 99))
def test_the_projection_onto_a_weighted_ball_is_the_nearest_point(
    magnitudes: list[float], radius: float, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    weights = torch.from_numpy(generator.uniform(0.1, 1, 4))
    phases = torch.from_numpy(np.exp(2j * np.pi * generator.uniform(size=4)))
    values = torch.tensor(magnitudes, dtype=torch.float64) * phases
    found = within_weighted_ball(values, weights, radius)
    assert float(weights @ found.abs()) <= radius + 1e-9
    # Of a convex set the nearest point is the one from which no other lies towards the values.
    for _ in range(20):
        other = torch.from_numpy(generator.normal(size=(4, 2))).view(4, 2)
        inside = torch.view_as_complex(other.contiguous())
        inside = inside * (radius * generator.uniform() / float(weights @ inside.abs()))
        towards = ((values - found).conj() * (inside - found)).real.sum()
        assert float(towards) <= 1e-6 * (1 + float(values.abs().sum()))


def test_values_inside_the_ball_stay() -> None:
    values = torch.tensor([0.1 + 0.2j, 0.0 + 0j])
    torch.testing.assert_close(within_weighted_ball(values, torch.ones(2), 1.0), values)


@pytest.mark.parametrize("radius", [0.5, 2.0])
def test_the_ball_of_one_harmonic_is_a_disc(radius: float) -> None:
    values = torch.tensor([[3.0 + 4.0j]])
    found = within_weighted_ball(values, torch.ones(1), radius)
    torch.testing.assert_close(found, values * radius / 5)
