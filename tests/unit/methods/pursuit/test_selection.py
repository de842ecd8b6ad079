import numpy as np

from musisep_cli.methods.pursuit.log_axis import LINE_WIDTH, N_BINS
from musisep_cli.methods.pursuit.selection import BEFORE, correlate, patterns_of, select
from tests.unit.methods.pursuit.problems import plain_tone, some_atoms


def test_a_planted_tone_is_selected_as_it_is() -> None:
    columns = some_atoms(np.random.default_rng(0), 3)
    patterns, norms = patterns_of(columns)
    planted = np.array([0.37, 200.0, LINE_WIDTH, 0.0])
    rest = np.sqrt(plain_tone(planted, columns[1]))
    tones, atoms = np.zeros((1, 4)), np.zeros(1, np.int64)
    assert select(rest, patterns, norms, 1, tones, atoms) == 1
    assert atoms[0] == 1
    np.testing.assert_allclose(tones[0], planted, rtol=1e-9)


def test_the_direct_sum_is_that_of_the_fast_transform() -> None:
    generator = np.random.default_rng(1)
    patterns, _ = patterns_of(some_atoms(generator, 1))
    rest = generator.normal(size=N_BINS)
    n = 2 * N_BINS
    product = np.fft.rfft(rest, n) * np.conj(np.fft.rfft(patterns[0], n))
    expected = np.roll(np.fft.irfft(product, n), BEFORE)[:N_BINS]
    np.testing.assert_allclose(correlate(rest, patterns[0]), expected, atol=1e-10)


def test_the_correlation_tells_what_a_tone_would_explain() -> None:
    # |r - c P / |P|^2|^2 = |r|^2 - c^2, where the whole pattern lies on the axis
    generator = np.random.default_rng(2)
    patterns, norms = patterns_of(some_atoms(generator, 1))
    rest = generator.random(N_BINS)
    k = 300
    score = correlate(rest, patterns[0])[k] / norms[0]
    moved = np.zeros(N_BINS)
    inside = patterns[0][: N_BINS - k + BEFORE]
    moved[k - BEFORE : k - BEFORE + len(inside)] = inside
    left = rest - score / norms[0] * moved
    np.testing.assert_allclose(left @ left, rest @ rest - score**2, rtol=1e-9)


def test_nothing_is_selected_where_nothing_is_missing_or_an_atom_is_empty() -> None:
    tones, atoms = np.zeros((1, 4)), np.zeros(1, np.int64)
    patterns, norms = patterns_of(some_atoms(np.random.default_rng(3), 2))
    assert select(-np.ones(N_BINS), patterns, norms, 1, tones, atoms) == 0
    patterns, norms = patterns_of(np.zeros((2, 25)))
    assert select(np.ones(N_BINS), patterns, norms, 1, tones, atoms) == 0
