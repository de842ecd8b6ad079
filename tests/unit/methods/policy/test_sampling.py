"""The policy's distribution: frequencies, exclusion, probabilities, mode, and its extremes."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor
from torch.testing import assert_close

from musisep_cli.methods.policy.parameters import Output, ParameterConfig
from musisep_cli.methods.policy.sampling import Action, ToneDistribution, sample_index
from tests.small import seeded

CONFIG = ParameterConfig(on_bias=0.0)
N_INSTRUMENTS, N_BINS = 3, 5
EXTREMES = [0.0, 1e6, -1e6, 1e30, -1e30]


def outputs(n_passes: int = 1, *, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (n_passes, len(Output), N_INSTRUMENTS, N_BINS)
    return torch.randn(*shape, dtype=torch.float64, generator=generator).to(dtype)


def distribution(
    values: Tensor,
    n_rollouts: int,
    *,
    playing: tuple[int, ...] = (),
    config: ParameterConfig = CONFIG,
) -> ToneDistribution:
    """`n_rollouts` continuations of one network pass."""
    excluded = torch.zeros(n_rollouts, N_INSTRUMENTS, dtype=torch.bool)
    excluded[:, list(playing)] = True
    return ToneDistribution(values, excluded, torch.zeros(n_rollouts, dtype=torch.long), config)


def exponents(n_rollouts: int, r: float) -> Tensor:
    return torch.full((n_rollouts,), r, dtype=torch.float64)


def probabilities(values: Tensor, r: float, playing: tuple[int, ...] = ()) -> NDArray[np.float64]:
    """pi^r / norm over the instruments that are free, [i, f], from the definition."""
    logits = values[0, Output.LOGIT].numpy()
    pi = np.exp(logits)
    pi[list(playing)] = 0
    pi = pi / pi.sum()
    return np.asarray(pi**r * (pi > 0) / (pi**r * (pi > 0)).sum())


def every_tone(n_bins: int = N_BINS, n_instruments: int = N_INSTRUMENTS) -> Action:
    """One row per (instrument, bin), with b = 1e-3 and u = 1."""
    index = torch.arange(n_instruments * n_bins)
    ones = torch.ones(len(index), dtype=torch.float64)
    return Action(index // n_bins, index % n_bins, 1e-3 * ones, ones)


@pytest.mark.parametrize("r", [1.0, 0.1, 0.01])
@pytest.mark.parametrize("playing", [(), (1,), (0, 2)])
def test_tones_are_drawn_as_often_as_they_are_probable(r: float, playing: tuple[int, ...]) -> None:
    n = 20_000
    values = outputs()
    values[:, Output.LOGIT] *= 3
    with seeded(1):
        action = distribution(values, n, playing=playing).sample(exponents(n, r))
    counts = np.zeros((N_INSTRUMENTS, N_BINS))
    np.add.at(counts, (action.instrument.numpy(), action.bin.numpy()), 1)
    expected = n * probabilities(values, r, playing)
    assert counts[expected == 0].sum() == 0
    free = expected > 0
    assert stats.chisquare(counts[free], expected[free]).pvalue > 1e-4


def test_presence_is_drawn_flattened_and_inharmonicity_is_not() -> None:
    n, r = 20_000, 0.1
    values = outputs()
    values[:, Output.LOGIT] = 0.0
    values[:, Output.LOGIT, 1, 2] = 1e4  # always this tone, even flattened
    values[:, Output.ON_LOGIT, 1, 2] = 6.0
    values[:, Output.GAMMA_SHAPE, 1, 2] = math.log(3.0)
    values[:, Output.GAMMA_RATE, 1, 2] = math.log(0.5)
    with seeded(2):
        action = distribution(values, n).sample(exponents(n, r))
    p = 1 / (1 + math.exp(-0.6))
    assert float(action.on.mean()) == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / n))
    gamma = stats.gamma(3.0, scale=1 / (1000 * 0.5))
    assert stats.kstest(action.inharmonicity.numpy(), gamma.cdf).pvalue > 1e-4


def test_the_on_bias_makes_tones_start_on() -> None:
    config = ParameterConfig()
    values = outputs()
    values[:, Output.ON_LOGIT] = 0.0
    with seeded(0):
        action = distribution(values, 1000, config=config).sample(exponents(1000, 0.01))
    # Flattened at r = 0.01 the logit is 5: a probability of 0.993.
    assert 0.97 < float(action.on.mean()) < 1.0
    assert float(distribution(values, 1, config=config).mode().on) == 1.0


@given(
    st.integers(0, 10**6), st.sampled_from([1.0, 0.1, 0.01]), st.sampled_from([(), (0,), (1, 2)])
)
def test_log_prob_is_that_of_torch_s_distributions(
    seed: int, r: float, playing: tuple[int, ...]
) -> None:
    values = outputs(seed=seed)
    action = every_tone()
    free = [k for k in range(len(action.bin)) if int(action.instrument[k]) not in playing]
    rng = np.random.default_rng(seed)
    action = Action(
        action.instrument[free],
        action.bin[free],
        torch.from_numpy(rng.gamma(1.0, 1e-3, len(free)) + 1e-12),
        torch.from_numpy(rng.integers(0, 2, len(free)).astype(float)),
    )
    policy = distribution(values, len(free), playing=playing)
    actual = policy.log_prob(action, policy.read(action), exponents(len(free), r))

    allowed = [i for i in range(N_INSTRUMENTS) if i not in playing]
    categorical = torch.distributions.Categorical(
        logits=(r * values[0, Output.LOGIT][allowed]).flatten()
    )
    for k in range(len(free)):
        i, f = int(action.instrument[k]), int(action.bin[k])
        gamma = torch.distributions.Gamma(
            values[0, Output.GAMMA_SHAPE, i, f].exp(),
            1000 * values[0, Output.GAMMA_RATE, i, f].exp(),
        )
        bernoulli = torch.distributions.Bernoulli(logits=r * values[0, Output.ON_LOGIT, i, f])
        expected = (
            categorical.log_prob(torch.tensor(allowed.index(i) * N_BINS + f))
            + gamma.log_prob(action.inharmonicity[k])
            + bernoulli.log_prob(action.on[k])
        )
        assert float(actual[k]) == pytest.approx(float(expected), rel=1e-9, abs=1e-9)


@given(st.integers(0, 10**6), st.sampled_from([1.0, 0.1]), st.sampled_from([(), (0,), (1, 2)]))
def test_probabilities_sum_to_1(seed: int, r: float, playing: tuple[int, ...]) -> None:
    values = outputs(seed=seed)
    action = every_tone()
    n = len(action.bin)
    policy = distribution(values, n, playing=playing)
    raw = policy.read(action)
    without_b = policy._gamma(raw).log_prob(action.inharmonicity)
    total = 0.0
    for u in (0.0, 1.0):
        on = torch.full((n,), u, dtype=torch.float64)
        tone = Action(action.instrument, action.bin, action.inharmonicity, on)
        total += float((policy.log_prob(tone, raw, exponents(n, r)) - without_b).exp().sum())
    assert total == pytest.approx(1.0, rel=1e-12)


def test_each_rollout_continues_its_own_pass() -> None:
    values = outputs(2)
    values[:, Output.LOGIT] = -1e6
    values[0, Output.LOGIT, 0, 1] = values[1, Output.LOGIT, 2, 3] = 0.0
    passes = torch.tensor([0, 0, 1, 1, 0])
    policy = ToneDistribution(values, torch.zeros(5, 3, dtype=torch.bool), passes, CONFIG)
    for action in (policy.mode(), policy.sample(exponents(5, 1.0))):
        assert action.instrument.tolist() == [0, 0, 2, 2, 0]
        assert action.bin.tolist() == [1, 1, 3, 3, 1]
    raw = policy.read(action)
    spectrum = policy.artificial_spectrum(action)
    for k, p in enumerate(passes):
        i, f = int(action.instrument[k]), int(action.bin[k])
        assert_close(raw[k], values[p, :, i, f])
        assert_close(spectrum[k].real, values[p, Output.SPECTRUM_REAL, i])
        assert_close(spectrum[k].imag, values[p, Output.SPECTRUM_IMAG, i])


def test_mode_is_the_most_probable_tone() -> None:
    values = outputs()
    best = divmod(int(values[0, Output.LOGIT].argmax()), N_BINS)
    values[0, Output.GAMMA_SHAPE, best[0], best[1]] = math.log(4.0)
    values[0, Output.GAMMA_RATE, best[0], best[1]] = math.log(2.0)
    values[0, Output.ON_LOGIT, best[0], best[1]] = -0.1
    action = distribution(values, 1).mode()
    assert (int(action.instrument), int(action.bin)) == best
    assert float(action.inharmonicity) == pytest.approx(3.0 / 2000.0)  # (shape - 1) / rate
    assert float(action.on) == 0.0
    values[
        0, Output.GAMMA_SHAPE, best[0], best[1]
    ] = -1.0  # shape < 1: the density has its mode at 0
    assert float(distribution(values, 1).mode().inharmonicity) == 0.0
    other = distribution(values, 1, playing=(best[0],)).mode()
    assert int(other.instrument) != best[0]


def test_the_last_free_instrument_is_always_taken() -> None:
    values = outputs()
    values[:, Output.LOGIT, 2] = -1e6
    policy = distribution(values, 500, playing=(0, 1))
    with seeded(0):
        assert set(policy.sample(exponents(500, 0.01)).instrument.tolist()) == {2}
    assert set(policy.mode().instrument.tolist()) == {2}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "output", [Output.LOGIT, Output.GAMMA_SHAPE, Output.GAMMA_RATE, Output.ON_LOGIT]
)
@pytest.mark.parametrize("size", EXTREMES)
@pytest.mark.parametrize("r", [1.0, 0.01])
def test_extreme_outputs_stay_finite_in_value_and_gradient(
    dtype: torch.dtype, output: Output, size: float, r: float
) -> None:
    values = outputs(dtype=dtype)
    values[:, output, :, ::2] = size
    values.requires_grad_()
    n = 50
    policy = distribution(values, n, playing=(1,))
    r_each = exponents(n, r).to(dtype)
    with seeded(0):
        actions = [policy.sample(r_each), policy.mode()]
    for action in actions:
        assert bool(torch.isfinite(action.inharmonicity).all())
        raw = policy.read(action)
        value = policy.log_prob(action, raw, r_each)
        assert bool(torch.isfinite(value).all())
        (gradient,) = torch.autograd.grad(value.sum(), [values], retain_graph=True)
        assert bool(torch.isfinite(gradient).all())


@pytest.mark.parametrize("shape", [1e6, -1e6, 0.0])
@pytest.mark.parametrize("rate", [1e6, -1e6, 0.0])
def test_every_pair_of_gamma_extremes_is_finite(shape: float, rate: float) -> None:
    values = outputs(dtype=torch.float32)
    values[:, Output.GAMMA_SHAPE], values[:, Output.GAMMA_RATE] = shape, rate
    values.requires_grad_()
    policy = distribution(values, 200)
    ones = torch.ones(200)
    with seeded(0):
        action = policy.sample(ones)
    assert bool((action.inharmonicity > 0).all())
    value = policy.log_prob(action, policy.read(action), ones)
    (gradient,) = torch.autograd.grad(value.sum(), [values])
    assert bool(torch.isfinite(value).all())
    assert bool(torch.isfinite(gradient).all())
    # The score of a Gamma distribution's mean direction has mean 0 and variance `shape`:
    # no sample may give a score beyond a few of its standard deviations times the clip.
    assert float(gradient.abs().max()) < 1e9


def test_not_a_number_does_not_raise() -> None:
    values = torch.full((1, len(Output), N_INSTRUMENTS, N_BINS), math.nan)
    policy = distribution(values, 4)
    ones = torch.ones(4)
    with seeded(0):
        for action in (policy.sample(ones), policy.mode()):
            assert not bool(
                torch.isfinite(policy.log_prob(action, policy.read(action), ones)).any()
            )


def test_samples_carry_no_gradient() -> None:
    values = outputs().requires_grad_()
    with seeded(0):
        action = distribution(values, 3).sample(exponents(3, 1.0))
    assert not action.inharmonicity.requires_grad
    assert not action.on.requires_grad


def test_score_of_the_gamma_distribution_has_mean_0() -> None:
    # Wherever a sample is replaced or cut, the score's mean would be off.
    n = 20_000
    for raw_shape in (2.0, 0.0, -2.0):
        values = outputs()
        values[:, Output.GAMMA_SHAPE] = raw_shape
        values = values.expand(n, -1, -1, -1).clone().requires_grad_()
        playing = torch.zeros(n, N_INSTRUMENTS, dtype=torch.bool)
        policy = ToneDistribution(values, playing, torch.arange(n), CONFIG)
        with seeded(3):
            action = policy.sample(exponents(n, 1.0))
        value = policy.log_prob(action, policy.read(action), exponents(n, 1.0))
        (score,) = torch.autograd.grad(value.sum(), [values])
        for output in (Output.LOGIT, Output.GAMMA_SHAPE, Output.GAMMA_RATE, Output.ON_LOGIT):
            sums = score[:, output].reshape(n, -1)
            error = sums.std(0) / math.sqrt(n)
            assert bool((sums.mean(0).abs() <= 4.5 * error).all()), (raw_shape, output)


@given(st.integers(0, 10**6))
def test_an_index_of_probability_0_is_never_drawn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = rng.uniform(size=(200, 6)) * (rng.uniform(size=(200, 6)) > 0.5)
    p[:, 3] += 1e-3
    p[:, 0] = p[:, 5] = 0  # at both ends
    with seeded(seed):
        index = sample_index(torch.from_numpy(p))
    assert bool((torch.from_numpy(p)[torch.arange(200), index] > 0).all())


@pytest.mark.parametrize("draw", [0.0, 1 - 2.0**-53])
def test_the_ends_of_the_uniform_draw_are_in_range(
    draw: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fixed(*shape: int, dtype: torch.dtype, device: torch.device) -> Tensor:
        return torch.full(shape, draw, dtype=dtype, device=device)

    monkeypatch.setattr(torch, "rand", fixed)
    generator = torch.Generator().manual_seed(0)
    p = torch.empty(500, 7).uniform_(generator=generator)
    p[:, 0] = p[:, -1] = 0
    index = sample_index(p)
    assert set(index.tolist()) == ({1} if draw == 0.0 else {5})


def test_unnormalised_probabilities_count_in_proportion() -> None:
    n = 20_000
    with seeded(0):
        index = sample_index(torch.tensor([[1.0, 3.0]]).expand(n, -1))
    assert Counter(index.tolist())[1] / n == pytest.approx(0.75, abs=4 * math.sqrt(0.1875 / n))


def by_fixed_evidence(distribution: ToneDistribution, bins: Tensor) -> Tensor:
    """A timbre that likes instrument (bin mod 3)."""
    return 2.0 * torch.nn.functional.one_hot(bins % 3, 3).double()


@pytest.mark.parametrize("r", [1.0, 0.1])
def test_with_a_timbre_the_bin_comes_first_and_then_the_instrument(r: float) -> None:
    n, playing = 20_000, 2
    values = outputs()[:, :, :1]  # what the network says holds for every instrument
    excluded = torch.zeros(n, N_INSTRUMENTS, dtype=torch.bool)
    excluded[:, playing] = True
    policy = ToneDistribution(
        values, excluded, torch.zeros(n, dtype=torch.long), CONFIG, by_fixed_evidence
    )
    with seeded(4):
        action = policy.sample(exponents(n, r))
    pi = np.exp(r * values[0, Output.LOGIT, 0].numpy())
    evidence = np.exp(r * 2.0 * np.eye(3)[np.arange(N_BINS) % 3]).T  # i, f
    evidence[playing] = 0
    expected = pi / pi.sum() * evidence / evidence.sum(0)
    counts = np.zeros((N_INSTRUMENTS, N_BINS))
    np.add.at(counts, (action.instrument.numpy(), action.bin.numpy()), 1)
    assert counts[playing].sum() == 0
    assert stats.chisquare(counts[:2].ravel(), n * expected[:2].ravel()).pvalue > 1e-4
    # And the log-probability is that of what was drawn.
    raw = policy.read(action)
    no_b = policy._gamma(raw).log_prob(action.inharmonicity)
    logit = r * values[0, Output.ON_LOGIT, 0].numpy()[action.bin]
    presence = action.on.numpy() * logit - np.log1p(np.exp(logit))
    pitch = np.log(expected[action.instrument, action.bin])
    actual = (policy.log_prob(action, raw, exponents(n, r)) - no_b).numpy()
    np.testing.assert_allclose(actual, pitch + presence, rtol=1e-9)
