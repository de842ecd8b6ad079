"""Estimator: the Monte-Carlo mean of its gradients against exact enumeration.

The problem is so small that the expected objective can be summed over all choices: two
instruments, four bins each, on or off; inharmonicity is held by a Gamma distribution without
width. The rollouts are those of the real policy, whose network is replaced by free outputs; the
exact sum is built from the dense float64 model alone.
"""

import itertools
import math
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.testing import assert_close

from musisep_cli.methods.policy.estimator import (
    EstimatorConfig,
    dictionary_surrogate,
    network_surrogate,
)
from musisep_cli.methods.policy.explanation import Explanation
from musisep_cli.methods.policy.parameters import Output, ParameterConfig
from musisep_cli.methods.policy.rollout import Policy, PolicyConfig
from musisep_cli.methods.policy.trainer import explanation_objective
from tests import dense
from tests.small import IDEAL_WIDTH_BINS, FreeOutputs, seeded, small_policy

EXPONENTS = (1.0, 0.1, 0.01)
N_ROLLOUTS = 9
N_BINS = 64
BINS = (16, 18, 20, 22)
"""The four bins that a tone may have; two harmonics end well inside the spectrum."""
INHARMONICITY = 1e-3
TIKHONOV = 1e-3
WEIGHT = EstimatorConfig().policy_weight
PARAMETERS = ParameterConfig(
    scale_logit=1.0,
    scale_width=1.0,
    scale_gamma_shape=1.0,
    scale_gamma_rate=1.0,
    scale_on=1.0,
    on_bias=0.0,
)
Outputs = dict[Output, NDArray[np.float64]]


@dataclass(frozen=True)
class Problem:
    """Free outputs at the four bins, [i, 4] each; spectra of the instruments, [i, f]; Y; D."""

    outputs: Outputs
    artificial: NDArray[np.complex128]
    reference: NDArray[np.complex128]
    dictionary: NDArray[np.float64]

    def table(self) -> NDArray[np.float64]:
        """L of every explanation, [bin of 0, u of 0, bin of 1, u of 1]."""
        tones = [[self._tone(i, place) for place in range(4)] for i in range(2)]
        losses = np.zeros((4, 2, 4, 2))
        for f_0, u_0, f_1, u_1 in np.ndindex(losses.shape):
            pair = (tones[0][f_0], tones[1][f_1])
            losses[f_0, u_0, f_1, u_1] = dense.objective(
                self.reference, [t.dictionary for t in pair], [t.direct for t in pair], (u_0, u_1)
            )
        return losses

    def _tone(self, i: int, place: int) -> dense.DenseTone:
        return dense.tone(
            self.artificial[i],
            self.dictionary[:, i],
            f0_bins=BINS[place] + 5 * math.tanh(self.outputs[Output.OFFSET][i, place]),
            inharmonicity=INHARMONICITY,
            width=math.log1p(math.exp(self.outputs[Output.WIDTH][i, place]))
            / math.log(2)
            * IDEAL_WIDTH_BINS,
            amplitude=abs(self.outputs[Output.AMPLITUDE][i, place]),
            tikhonov=TIKHONOV,
        )


@cache
def problem() -> Problem:
    rng = np.random.default_rng(0)
    outputs = {
        Output.LOGIT: rng.normal(0, 1.0, (2, 4)),
        Output.ON_LOGIT: rng.normal(0, 1.0, (2, 4)),
        Output.AMPLITUDE: rng.uniform(0.02, 0.08, (2, 4)),
        Output.OFFSET: rng.normal(0, 0.1, (2, 4)),
        Output.WIDTH: rng.normal(0, 0.2, (2, 4)),
    }
    d = np.array([[1.0, 0.4], [0.3, 1.0]])
    truth = [
        dense.tone(
            0.05 * np.exp(2j * np.pi * rng.uniform(size=N_BINS)),
            d[:, i],
            f0_bins=f0,
            inharmonicity=0.0,
            width=IDEAL_WIDTH_BINS,
            amplitude=0.05,
            tikhonov=TIKHONOV,
        )
        for i, f0 in enumerate((16.2, 21.7))
    ]
    reference = truth[0].dictionary + truth[1].dictionary
    noise = rng.normal(0, 0.01, (2, N_BINS, 2)) @ (1, 1j)
    return Problem(outputs, reference + noise, reference, d)


def policy_of(problem: Problem, config: PolicyConfig, n_frames: int) -> tuple[Policy, FreeOutputs]:
    """A policy whose network says what the problem says, separately for every frame."""
    values = torch.zeros(9, 2, N_BINS, dtype=torch.float64)
    values[Output.LOGIT] = -1e8
    for output, at_bins in problem.outputs.items():
        values[output][:, list(BINS)] = torch.from_numpy(at_bins)
    # exp(30): a relative standard deviation of 3e-7 around shape / (1000 rate) = 1e-3.
    values[Output.GAMMA_SHAPE] = values[Output.GAMMA_RATE] = 30.0
    artificial = torch.from_numpy(problem.artificial)
    values[Output.SPECTRUM_REAL], values[Output.SPECTRUM_IMAG] = artificial.real, artificial.imag
    policy = small_policy(2, replace(config, input_noise=0.0, tikhonov=TIKHONOV), PARAMETERS)
    free = FreeOutputs(values.flatten(0, 1), n_frames)
    policy.unet = free  # type: ignore[assignment]
    return policy, free


@dataclass(frozen=True)
class Sampled:
    """Rollouts of many copies of one frame, [b, 9], and what their gradients are taken in."""

    losses: Tensor
    log_probs: Tensor
    plain_log_probs: Tensor
    values: Tensor
    dictionary: Tensor
    explanation: Explanation

    def choices(self) -> tuple[NDArray[np.intp], ...]:
        """Index into the problem's table, [b, 9] each: bin of 0, u of 0, bin of 1, u of 1."""
        offset = 5 * np.tanh(problem().outputs[Output.OFFSET])
        f0 = self.explanation.tones.f0_bins.detach().numpy()
        on = self.explanation.tones.on.numpy().astype(int)
        place = [abs(np.array(BINS) + offset[i] - f0[:, i, None]).argmin(1) for i in range(2)]
        index = (place[0], on[:, 0], place[1], on[:, 1])
        return tuple(x.reshape(len(self.losses), -1) for x in index)

    def per_frame(self, surrogate: Tensor) -> dict[Output, NDArray[np.float64]]:
        """Gradient of every frame in its own outputs, [b, i, 4]."""
        (gradient,) = torch.autograd.grad(surrogate, [self.values], retain_graph=True)
        at_bins = gradient.view(-1, 9, 2, N_BINS)[..., list(BINS)].numpy()
        return {output: at_bins[:, output] for output in Output}


@cache
def sampled(config: PolicyConfig, n_frames: int = 2500) -> Sampled:
    policy, free = policy_of(problem(), config, n_frames)
    d = torch.from_numpy(problem().dictionary).clone().requires_grad_()
    spectra = torch.from_numpy(problem().reference).expand(n_frames, -1)
    with seeded(0):
        e = policy.explore(spectra, d)
    losses = explanation_objective(e, policy).total.view(n_frames, -1)
    return Sampled(
        losses,
        e.log_prob.view(n_frames, -1),
        e.plain_log_prob.view(n_frames, -1),
        free.values,
        d,
        e,
    )


INDEPENDENT = PolicyConfig()
TREE = PolicyConfig(sampling="tree")


def expected_loss(
    table: Tensor,
    logits: Tensor,
    on_logits: Tensor,
    exponents: tuple[float, ...] = EXPONENTS,
) -> Tensor:
    """1/S sum_R E_{pi^R}[L] by a sum over all choices; logits [tone, i, 4]."""
    total = torch.zeros((), dtype=torch.float64)
    for r_1, r_2 in itertools.product(exponents, repeat=2):
        first = torch.softmax((r_1 * logits[0]).flatten(), 0).view(2, 4)
        second = torch.softmax(r_2 * logits[1], 1)  # of the instrument that is left
        on_1, on_2 = torch.sigmoid(r_1 * on_logits[0]), torch.sigmoid(r_2 * on_logits[1])
        joint_1 = torch.stack([first * (1 - on_1), first * on_1], -1)  # i, 4, u
        joint_2 = torch.stack([second * (1 - on_2), second * on_2], -1)
        total = total + torch.einsum("au,fv,aufv->", joint_1[0], joint_2[1], table)
        total = total + torch.einsum("fv,au,aufv->", joint_1[1], joint_2[0], table)
    return total / len(exponents) ** 2


@cache
def exact_gradients() -> dict[Output, NDArray[np.float64]]:
    """Gradient of the expected loss in the (on-)logits, [tone, i, 4]."""
    table = torch.from_numpy(problem().table())
    logits, on_logits = (
        torch.from_numpy(np.stack([problem().outputs[output]] * 2)).requires_grad_()
        for output in (Output.LOGIT, Output.ON_LOGIT)
    )
    loss = expected_loss(table, logits, on_logits)
    gradients = torch.autograd.grad(loss, [logits, on_logits])
    return {Output.LOGIT: gradients[0].numpy(), Output.ON_LOGIT: gradients[1].numpy()}


def exact_expected_loss(changed: Problem, exponents: tuple[float, ...] = EXPONENTS) -> float:
    logits, on = (
        torch.from_numpy(np.stack([changed.outputs[o]] * 2))
        for o in (Output.LOGIT, Output.ON_LOGIT)
    )
    return float(expected_loss(torch.from_numpy(changed.table()), logits, on, exponents))


def in_standard_errors(samples: NDArray[np.float64], expected: NDArray[np.float64]) -> float:
    """Largest deviation of the mean over axis 0, in its standard errors."""
    error = samples.std(0, ddof=1) / math.sqrt(len(samples))
    return float((abs(samples.mean(0) - expected) / error).max())


def test_the_problem_is_the_one_that_is_enumerated() -> None:
    # Every rollout's objective is the table's entry at its choices.
    s = sampled(INDEPENDENT)
    table = problem().table()
    choices = s.choices()
    np.testing.assert_allclose(s.losses.detach().numpy(), table[choices], rtol=1e-5)
    seen = np.zeros(table.shape, bool)
    seen[choices] = True
    assert seen.all()
    assert table.std() > 0.1 * table.mean()


@cache
def estimated(config: PolicyConfig, baseline: str) -> dict[Output, NDArray[np.float64]]:
    """The policy gradient of every frame; the objective's own has no part in the logits."""
    s = sampled(config)
    estimator = EstimatorConfig(baseline=baseline)  # type: ignore[arg-type]
    return s.per_frame(network_surrogate(s.losses.detach(), s.log_probs, estimator))


@pytest.mark.parametrize("output", [Output.LOGIT, Output.ON_LOGIT])
@pytest.mark.parametrize(
    ("config", "baseline", "factors"),
    # What the baseline leaves of the policy gradient through the first and the second tone. The
    # mean holds L_i with weight 1/9. In a tree three rollouts share their first tone, so there the
    # mean holds losses that depend on it with weight 1/3, and leave-one-out multiplies by 9/8.
    [
        (INDEPENDENT, "mean", (8 / 9, 8 / 9)),
        (INDEPENDENT, "leave-one-out", (1.0, 1.0)),
        (TREE, "mean", (2 / 3, 8 / 9)),
        (TREE, "leave-one-out", (3 / 4, 1.0)),
    ],
)
def test_policy_gradient_is_the_exact_one_times_the_documented_factor(
    config: PolicyConfig, baseline: str, factors: tuple[float, float], output: Output
) -> None:
    estimates = estimated(config, baseline)[output]
    through = exact_gradients()[output]
    expected = WEIGHT * (factors[0] * through[0] + factors[1] * through[1])
    assert in_standard_errors(estimates, expected) < 4
    # Along the exact direction the estimate is sharp enough to tell the factors from each other.
    along = (estimates * expected).sum((1, 2)) / (expected**2).sum()
    error = float(along.std() / math.sqrt(len(along)))
    assert abs(float(along.mean()) - 1) < 4 * error
    assert error < 0.04


def test_the_objective_s_own_gradient_is_exact() -> None:
    # Amplitudes are deterministic: their gradient is that of the expected objective itself.
    s = sampled(INDEPENDENT)
    surrogate = network_surrogate(s.losses, s.log_probs, EstimatorConfig())
    estimates = s.per_frame(surrogate)[Output.AMPLITUDE]
    exact = np.zeros((2, 4))
    step = 1e-6
    for i, place in np.ndindex(2, 4):
        ends = []
        for sign in (1, -1):
            amplitudes = problem().outputs[Output.AMPLITUDE].copy()
            amplitudes[i, place] += sign * step
            outputs = {**problem().outputs, Output.AMPLITUDE: amplitudes}
            ends.append(exact_expected_loss(replace(problem(), outputs=outputs)))
        exact[i, place] = (ends[0] - ends[1]) / (2 * step)
    assert in_standard_errors(estimates, exact) < 4


def test_the_baseline_lowers_the_variance() -> None:
    s = sampled(INDEPENDENT)
    none = (WEIGHT * s.log_probs * s.losses.detach()).mean(1).sum()

    def spread(estimates: dict[Output, NDArray[np.float64]]) -> float:
        return float(estimates[Output.LOGIT].var(0).sum())

    leave_one_out = spread(estimated(INDEPENDENT, "leave-one-out"))
    assert leave_one_out < 0.5 * spread(s.per_frame(none))
    assert spread(estimated(INDEPENDENT, "mean")) < leave_one_out


@pytest.mark.parametrize("baseline", ["mean", "leave-one-out"])
def test_a_constant_added_to_the_objective_changes_nothing(baseline: str) -> None:
    rng = np.random.default_rng(0)
    losses, log_probs = (
        torch.from_numpy(rng.normal(size=(3, 9))).requires_grad_() for _ in range(2)
    )
    estimator = EstimatorConfig(baseline=baseline)  # type: ignore[arg-type]
    plain, raised = (
        torch.autograd.grad(network_surrogate(losses + c, log_probs, estimator), [log_probs])[0]
        for c in (0.0, 100.0)
    )
    assert_close(raised, plain, atol=1e-12, rtol=0)


def test_the_surrogate_is_the_formula_written_out() -> None:
    rng = np.random.default_rng(0)
    losses, log_probs = (
        torch.from_numpy(rng.normal(size=(3, 4))).requires_grad_() for _ in range(2)
    )
    for baseline in ("mean", "leave-one-out"):
        estimator = EstimatorConfig(policy_weight=0.7, baseline=baseline)
        in_losses, in_log_probs = torch.autograd.grad(
            network_surrogate(losses, log_probs, estimator), [losses, log_probs]
        )
        assert_close(in_losses, torch.full_like(losses, 1 / 4))
        for b, i in np.ndindex(3, 4):
            row = losses[b].detach().numpy()
            others = np.delete(row, i) if baseline == "leave-one-out" else row
            expected = 0.7 / 4 * (row[i] - others.mean())
            assert float(in_log_probs[b, i]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("baseline", ["mean", "leave-one-out"])
def test_a_single_rollout_has_no_policy_gradient_and_no_division_by_0(baseline: str) -> None:
    losses, log_probs = (torch.ones(2, 1, requires_grad=True) for _ in range(2))
    estimator = EstimatorConfig(baseline=baseline)  # type: ignore[arg-type]
    (gradient,) = torch.autograd.grad(network_surrogate(losses, log_probs, estimator), [log_probs])
    assert_close(gradient, torch.zeros(2, 1))


@cache
def exact_dictionary_gradient() -> NDArray[np.float64]:
    """grad_D of the expected objective under the policy itself (r = 1), [h, i]."""
    exact = np.zeros((2, 2))
    for h, i in np.ndindex(2, 2):
        ends = []
        for sign in (1, -1):
            d = problem().dictionary.copy()
            d[h, i] += sign * 1e-6
            ends.append(exact_expected_loss(replace(problem(), dictionary=d), (1.0,)))
        exact[h, i] = (ends[0] - ends[1]) / 2e-6
    return exact


@cache
def table_of_dictionary_gradients() -> NDArray[np.float64]:
    """grad_D L of every explanation, [bin of 0, u of 0, bin of 1, u of 1, h, i]."""
    gradients = np.zeros((4, 2, 4, 2, 2, 2))
    for h, i in np.ndindex(2, 2):
        ends = []
        for sign in (1, -1):
            d = problem().dictionary.copy()
            d[h, i] += sign * 1e-6
            ends.append(replace(problem(), dictionary=d).table())
        gradients[..., h, i] = (ends[0] - ends[1]) / 2e-6
    return gradients


def dictionary_gradients(s: Sampled, n_groups: int) -> NDArray[np.float64]:
    """The estimate from each of `n_groups` groups of rollouts, as if each were one frame's."""
    losses, log_probs, plain = (
        x.detach().reshape(n_groups, -1) for x in (s.losses, s.log_probs, s.plain_log_probs)
    )
    losses.requires_grad_()
    (weights,) = torch.autograd.grad(dictionary_surrogate(losses, log_probs, plain), [losses])
    in_d = table_of_dictionary_gradients()[s.choices()].reshape(n_groups, -1, 2, 2)
    return np.asarray(np.einsum("gk,gkhi->ghi", weights.numpy(), in_d))


def test_the_dictionary_gradient_of_one_group_is_that_of_autograd() -> None:
    s = sampled(INDEPENDENT)
    rows = (x.reshape(1, -1) for x in (s.losses, s.log_probs, s.plain_log_probs))
    (actual,) = torch.autograd.grad(dictionary_surrogate(*rows), [s.dictionary], retain_graph=True)
    expected = dictionary_gradients(s, 1)[0]
    np.testing.assert_allclose(actual.numpy(), expected, atol=1e-5 * abs(expected).max())


def test_the_dictionary_gradient_is_unbiased_up_to_self_normalisation() -> None:
    exact = exact_dictionary_gradient()
    s = sampled(INDEPENDENT)
    # 20 groups of 1125 rollouts: the bias of order 1/S is far below the standard error.
    many = dictionary_gradients(s, 20)
    assert in_standard_errors(many, exact) < 4
    # And the estimate approaches the exact gradient as S grows.
    errors = [
        float(np.sqrt(np.mean((dictionary_gradients(s, n_groups) - exact) ** 2)))
        for n_groups in (2500, 500, 100)
    ]
    assert errors[0] > 1.5 * errors[1] > 1.5**2 * errors[2]
    # Without the weights it would be another gradient: that of the flattened policies.
    unweighted = table_of_dictionary_gradients()[s.choices()].mean((0, 1))
    assert abs(unweighted - exact).max() > 3 * abs(many.mean(0) - exact).max()


def test_importance_weights_are_exact_in_the_sum_over_all_choices() -> None:
    # sum_s pi^R(s) rho(s) = 1 and sum_s pi^R(s) rho(s) g(s) = sum_s pi(s) g(s), for one tone.
    logits = torch.from_numpy(problem().outputs[Output.LOGIT]).flatten()
    g = torch.from_numpy(np.random.default_rng(1).normal(size=8))
    plain = torch.log_softmax(logits, 0)
    for r in EXPONENTS:
        flat = torch.log_softmax(r * logits, 0)
        rho = (plain - flat).exp()
        assert float((flat.exp() * rho).sum()) == pytest.approx(1.0)
        # As many copies of every choice as the flattened policy gives it: no chance is left.
        copies = torch.round(flat.exp() * 20_000).long()
        losses = g.repeat_interleave(copies).requires_grad_()
        value = dictionary_surrogate(
            losses[None],
            flat.repeat_interleave(copies)[None],
            plain.repeat_interleave(copies)[None],
        )
        assert value.item() == pytest.approx(float((plain.exp() * g).sum()), abs=1e-3)


def test_without_flattening_every_rollout_counts_the_same() -> None:
    losses = torch.rand(2, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    log_probs = torch.linspace(-50, 3, 10).view(2, 5)
    (gradient,) = torch.autograd.grad(dictionary_surrogate(losses, log_probs, log_probs), [losses])
    assert_close(gradient, torch.full((2, 5), 1 / 5))


@pytest.mark.parametrize("gap", [1e3, 1e6, 1e30])
def test_weights_sum_to_1_however_far_the_policies_are_apart(gap: float) -> None:
    losses = torch.ones(1, 3, requires_grad=True)
    plain = torch.tensor([[0.0, -gap, -gap]])
    flat = torch.tensor([[-3.0, -1.0, -2.0]]).requires_grad_()
    value = dictionary_surrogate(losses, flat, plain)
    in_losses, in_flat = torch.autograd.grad(value, [losses, flat], allow_unused=True)
    assert_close(in_losses, torch.tensor([[1.0, 0.0, 0.0]]))
    assert in_flat is None  # the policy gradient on D is ignored
