"""Rollout: branches, what the network sees, and the tones against dense rendering."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from musisep_cli.frames.leaves import leaves
from musisep_cli.methods.policy.explanation import Explanation
from musisep_cli.methods.policy.parameters import Output, ParameterConfig
from musisep_cli.methods.policy.rollout import Policy, PolicyConfig, branches, network_input
from musisep_cli.methods.policy.sampling import Action, ToneDistribution
from musisep_cli.methods.policy.trainer import explanation_objective
from musisep_cli.tones.objective import ObjectiveConfig
from tests import dense
from tests.small import IDEAL_WIDTH_BINS, FreeOutputs, random_spectra, seeded, small_policy

EXPONENTS = (1.0, 0.1, 0.01)
QUIET = PolicyConfig(input_noise=0.0)
TREE = PolicyConfig(input_noise=0.0, sampling="tree")
N_BINS = 64


def dictionary(n_instruments: int, n_harmonics: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.rand(n_harmonics, n_instruments, dtype=torch.float64, generator=generator)


def plain_input(explanation: Explanation) -> Tensor:
    """What the paper's network sees."""
    return network_input(explanation, lifted=None, by_instrument=True)


class Recorder:
    """Counts what goes through the network."""

    def __init__(self, policy: Policy) -> None:
        self.inputs: list[Tensor] = []
        policy.unet.register_forward_pre_hook(lambda _, args: self.inputs.append(args[0]))


@pytest.mark.parametrize("n_tones", [1, 2, 3])
def test_independent_rollouts_part_at_the_first_tone(n_tones: int) -> None:
    plan = branches(PolicyConfig(), n_tones)
    assert [n for n, _ in plan] == [3**n_tones] + [1] * (n_tones - 1)
    combinations = list(zip(*(r for _, r in plan), strict=True))
    assert sorted(combinations) == sorted(itertools.product(EXPONENTS, repeat=n_tones))


@pytest.mark.parametrize("n_tones", [1, 2, 3])
def test_tree_rollouts_part_in_three_at_every_tone(n_tones: int) -> None:
    assert branches(PolicyConfig(sampling="tree"), n_tones) == [(3, EXPONENTS)] * n_tones


@pytest.mark.parametrize(
    ("config", "n_tones", "passes_per_frame"),
    # The costs of the design: 1 + 9 against 1 + 3, 1 + 27 + 27 against 1 + 3 + 9.
    [
        (QUIET, 1, [1]),
        (QUIET, 2, [1, 9]),
        (QUIET, 3, [1, 27, 27]),
        (TREE, 1, [1]),
        (TREE, 2, [1, 3]),
        (TREE, 3, [1, 3, 9]),
    ],
)
def test_every_combination_of_exponents_occurs_once_per_frame(
    config: PolicyConfig, n_tones: int, passes_per_frame: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    n_frames = 2
    policy = small_policy(n_tones, config)
    recorder = Recorder(policy)
    used: list[Tensor] = []

    class Spy(ToneDistribution):
        def sample(self, exponent: Tensor) -> Action:
            used.append(exponent)
            return super().sample(exponent)

    monkeypatch.setattr("musisep_cli.methods.policy.rollout.ToneDistribution", Spy)
    with seeded(0):
        explanation = policy.explore(random_spectra(n_frames, N_BINS), dictionary(n_tones))
    n_rollouts = 3**n_tones
    assert [len(x) for x in recorder.inputs] == [n_frames * n for n in passes_per_frame]
    assert explanation.direct_tones.shape == (n_frames * n_rollouts, n_tones, N_BINS)
    # A rollout's exponent at tone j, where later tones may split each rollout further.
    each = [r.repeat_interleave(n_frames * n_rollouts // len(r)) for r in used]
    for frame in torch.stack(each, 1).view(n_frames, n_rollouts, n_tones):
        found = sorted(tuple(row.tolist()) for row in frame)
        assert found == sorted(itertools.product(EXPONENTS, repeat=n_tones))


def test_rollouts_of_one_frame_lie_in_a_row() -> None:
    spectra = random_spectra(3, N_BINS)
    for config in (QUIET, TREE):
        with seeded(0):
            explanation = small_policy(2, config).explore(spectra, dictionary(2))
        assert_close(explanation.reference, spectra.repeat_interleave(9, 0), atol=0, rtol=0)


def test_tree_siblings_share_their_first_tone() -> None:
    # Logits of size 1 and a bin per child: siblings have the same first instrument and pitch.
    policy = small_policy(2, TREE, ParameterConfig(scale_logit=1.0))
    with seeded(1):
        explanation = policy.explore(random_spectra(4, N_BINS), dictionary(2))
    f0 = explanation.tones.f0_bins.view(4, 3, 3, 2)
    shared = (f0 == f0[:, :, :1]).all(2)  # b, branch, i: the same pitch in all three siblings
    assert bool(shared.any(-1).all())
    assert len(explanation.tones.f0_bins.unique()) > 12


@pytest.mark.parametrize("n_instruments", [1, 2, 3])
@pytest.mark.parametrize("config", [QUIET, TREE, replace(QUIET, instrument_by="timbre")])
def test_every_instrument_plays_exactly_once(n_instruments: int, config: PolicyConfig) -> None:
    policy = small_policy(n_instruments, config, ParameterConfig(scale_logit=1.0))
    with seeded(0):
        explored = policy.explore(random_spectra(5, N_BINS), dictionary(n_instruments))
        predicted, actions = policy.predict(random_spectra(5, N_BINS), dictionary(n_instruments))
    for explanation in (explored, predicted):
        assert bool(explanation.playing.all())
        assert bool((explanation.width > 0).all())
    chosen = torch.stack([a.instrument for a in actions], 1).sort(1).values
    assert_close(chosen, torch.arange(n_instruments).expand(5, -1), atol=0, rtol=0)


def test_the_network_sees_both_residuals_and_the_tones_found() -> None:
    n_frames, m = 2, 3
    tones, direct = (random_spectra(n_frames * m, 8, seed=s).view(n_frames, m, 8) for s in (1, 2))
    blank = Explanation.blank(random_spectra(n_frames, 8), torch.ones(3, m))
    seen = plain_input(replace(blank, dictionary_tones=tones, direct_tones=direct))
    assert seen.shape == (n_frames, 2 * (3 + 2 * m), 8)
    for b in range(n_frames):
        y = blank.reference[b]
        residuals = [y - sum(tones[b]), y - sum(direct[b])]
        spectra = [*residuals, *tones[b], *direct[b]]
        expected = [
            *(z.real for z in spectra),
            *(z.imag for z in spectra),
            *(z.abs() for z in residuals),
        ]
        assert_close(seen[b], torch.stack(expected))


def test_without_instruments_the_network_sees_the_direct_residual_and_the_sum_of_its_tones() -> (
    None
):
    direct = random_spectra(6, 8, seed=2).view(2, 3, 8)
    blank = Explanation.blank(random_spectra(2, 8), torch.ones(3, 3))
    tones = random_spectra(6, 8, seed=1).view(2, 3, 8)
    explanation = replace(blank, dictionary_tones=tones, direct_tones=direct)
    seen = network_input(explanation, lifted=None, by_instrument=False)
    left, found = blank.reference - direct.sum(1), direct.sum(1)
    expected = [left.real, found.real, left.imag, found.imag, left.abs()]
    assert_close(seen, torch.stack(expected, 1))


def test_before_the_first_tone_the_network_sees_the_spectrum_twice_and_nothing_else() -> None:
    y = random_spectra(2, 8)
    seen = plain_input(Explanation.blank(y, torch.ones(3, 2)))
    zero = torch.zeros(2, 4, 8, dtype=torch.float64)
    expected = [y.real[:, None]] * 2 + [zero] + [y.imag[:, None]] * 2 + [zero]
    assert_close(seen, torch.cat([*expected, *[y.abs()[:, None]] * 2], 1))


def test_the_lifted_input_is_the_lift_of_the_plain_one() -> None:
    y = random_spectra(1, 8)
    y[0, 3] = 0
    seen = network_input(
        Explanation.blank(y, torch.ones(3, 1)), lifted=ObjectiveConfig(), by_instrument=True
    )[0]
    lifted = dense.lift(y[0].numpy(), 0.5, 1e-7)
    np.testing.assert_allclose(seen[0].numpy(), lifted.real, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(seen[4].numpy(), lifted.imag, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(seen[8].numpy(), abs(lifted), rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(seen[8].numpy(), np.sqrt(abs(y[0].numpy())), atol=4e-4)


N_WIDE = 128
"""Bins of the spectra where a test keeps every peak away from the borders."""
LOWEST, HIGHEST = 24, 30
"""The bins that a controlled policy chooses from."""


def free_outputs(policy: Policy) -> FreeOutputs:
    """What stands in for a controlled policy's network."""
    assert isinstance(policy.unet, FreeOutputs)
    return policy.unet


def controlled(
    n_instruments: int, config: PolicyConfig, parameters: ParameterConfig, seed: int = 0
) -> Policy:
    """A policy whose network gives fixed outputs, with pitches well inside the spectrum."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(9, n_instruments, N_WIDE, dtype=torch.float64, generator=generator)
    values[Output.LOGIT] = -1e5
    values[Output.LOGIT, :, LOWEST:HIGHEST] = values[Output.AMPLITUDE, :, LOWEST:HIGHEST]
    values[Output.OFFSET] *= 0.1
    values[Output.WIDTH] *= 0.3
    values[Output.GAMMA_SHAPE] = 2.0
    values[Output.SPECTRUM_REAL : Output.SPECTRUM_IMAG + 1] *= 0.05
    policy = small_policy(n_instruments, config, parameters)
    policy.unet = FreeOutputs(values.flatten(0, 1), 3)  # type: ignore[assignment]
    return policy


PLAIN = ParameterConfig(
    scale_logit=1.0,
    scale_width=1.0,
    scale_gamma_shape=1.0,
    scale_gamma_rate=1.0,
    scale_on=1.0,
    on_bias=0.0,
)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("config", [QUIET, TREE])
def test_tones_equal_the_dense_rendering_of_their_parameters(
    residual: bool, config: PolicyConfig
) -> None:
    m = 2
    policy = controlled(m, config, replace(PLAIN, residual=residual))
    d = dictionary(m, 3)
    spectra = random_spectra(3, N_WIDE)
    with seeded(0):
        e = policy.explore(spectra, d)
    outputs = free_outputs(policy).values.detach()[0].view(9, m, N_WIDE)
    artificial = torch.complex(outputs[Output.SPECTRUM_REAL], outputs[Output.SPECTRUM_IMAG])
    assert len(e.tones.f0_bins.unique()) > 8
    for k in range(len(e.reference)):
        y = e.reference[k].numpy()
        # In the residual parametrisation the order matters: try both, one has to fit.
        errors = []
        for order in itertools.permutations(range(m)):
            left, error = y.copy(), 0.0
            for i in order:
                v = artificial[i].numpy()
                v = left * (1 + v / (1 + abs(v) ** 2 / 9) ** 0.5) if residual else v
                tone = dense.tone(
                    v,
                    d[:, i].numpy(),
                    f0_bins=e.tones.f0_bins[k, i].item(),
                    inharmonicity=e.tones.inharmonicity[k, i].item(),
                    width=e.width[k, i].item(),
                    amplitude=e.amplitude[k, i].item(),
                    tikhonov=policy.config.tikhonov,
                )
                left = left - tone.direct
                for actual, expected in (
                    (e.dictionary_tones[k, i], tone.dictionary),
                    (e.direct_tones[k, i], tone.direct),
                ):
                    error = max(error, float(abs(actual.detach().numpy() - expected).max()))
            errors.append(error)
        # The Gram matrix ignores the borders and peaks end at 6 widths: 1e-8 of their height.
        assert min(errors) < 1e-6


def test_parameters_are_read_at_the_sampled_place() -> None:
    policy = controlled(2, QUIET, PLAIN)
    with seeded(0):
        e = policy.explore(random_spectra(3, N_WIDE), dictionary(2, 3))
    outputs = free_outputs(policy).values.detach()[0].view(9, 2, N_WIDE)
    offset = 5 * torch.tanh(outputs[Output.OFFSET])  # i, f
    place = torch.arange(N_WIDE) + offset
    width = torch.log1p(outputs[Output.WIDTH].exp()) / math.log(2) * IDEAL_WIDTH_BINS
    for k, i in itertools.product(range(len(e.reference)), range(2)):
        f = int((place[i] - e.tones.f0_bins[k, i].item()).abs().argmin())
        assert LOWEST <= f < HIGHEST
        assert e.tones.f0_bins[k, i].item() == pytest.approx(place[i, f].item())
        assert e.amplitude[k, i].item() == pytest.approx(
            outputs[Output.AMPLITUDE, i, f].abs().item()
        )
        assert e.width[k, i].item() == pytest.approx(width[i, f].item())


def test_log_probabilities_add_up_over_the_tones() -> None:
    policy = controlled(2, replace(QUIET, exponents=(1.0,)), PLAIN)
    with seeded(0):
        e = policy.explore(random_spectra(3, N_WIDE), dictionary(2, 3))
    assert not e.plain_log_prob.requires_grad
    assert_close(e.log_prob.detach(), e.plain_log_prob)  # r = 1 is no flattening
    with seeded(0):
        flat = controlled(2, QUIET, PLAIN).explore(random_spectra(3, N_WIDE), dictionary(2, 3))
    assert (
        float((flat.log_prob.detach() - flat.plain_log_prob).view(3, 9)[:, 1:].abs().min()) > 1e-3
    )
    assert_close(flat.log_prob.detach()[::9], flat.plain_log_prob[::9])


@pytest.mark.parametrize(
    "config", [QUIET, replace(QUIET, lifted_input=True), replace(QUIET, instrument_by="timbre")]
)
@pytest.mark.parametrize("residual", [False, True])
def test_replay_of_the_choices_on_the_same_spectrum_is_the_prediction(
    config: PolicyConfig, residual: bool
) -> None:
    policy = small_policy(2, config, ParameterConfig(residual=residual))
    spectra, d = random_spectra(4, N_BINS), dictionary(2)
    predicted, actions = policy.predict(spectra, d)
    replayed = policy.replay(spectra, d, actions)
    for name in set(leaves(predicted)) - {"log_prob", "plain_log_prob", "reference"}:
        assert_close(leaves(replayed)[name], leaves(predicted)[name], atol=0, rtol=0)
    other = policy.replay(random_spectra(4, N_BINS, seed=9), d, actions)
    for action in actions:  # the same bins on another channel, to the offset's 5 bins
        rows = torch.arange(4)
        moved = other.tones.f0_bins[rows, action.instrument] - action.bin
        assert bool((moved.abs() <= 5).all())


def test_prediction_is_the_likeliest_choice_and_deterministic() -> None:
    policy = small_policy(2, QUIET)
    spectra, d = random_spectra(4, N_BINS), dictionary(2)
    first, _ = policy.predict(spectra, d)
    with seeded(99):
        second, actions = policy.predict(spectra, d)
    assert_close(first.direct_tones, second.direct_tones, atol=0, rtol=0)
    assert not first.direct_tones.requires_grad
    outputs = policy.scales(policy.unet(plain_input(Explanation.blank(spectra, torch.ones(3, 2)))))
    best = outputs[:, Output.LOGIT].flatten(1).argmax(1)
    assert_close(actions[0].instrument * N_BINS + actions[0].bin, best, atol=0, rtol=0)


@pytest.mark.parametrize("size", [0.0, 1e-40, 1e-8, 1.0, 1e4])
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
@pytest.mark.parametrize("config", [PolicyConfig(), replace(TREE, lifted_input=True)])
def test_silence_and_noise_give_finite_numbers_and_gradients(
    size: float, residual: bool, dtype: torch.dtype, config: PolicyConfig
) -> None:
    policy = small_policy(2, config, ParameterConfig(residual=residual)).to(dtype.to_real())
    spectra = random_spectra(2, N_BINS, size=size).to(dtype)
    d = dictionary(2).to(dtype.to_real()).requires_grad_()
    with seeded(0):
        predicted, _ = policy.predict(spectra, d)
        explored = policy.explore(spectra, d)
    for e in (predicted, explored):
        for z in (e.dictionary_tones, e.direct_tones):
            assert bool(torch.isfinite(torch.view_as_real(z)).all())
    loss = (explanation_objective(explored, policy).total + explored.log_prob).sum()
    for gradient in torch.autograd.grad(loss, [d, *policy.parameters()]):
        assert bool(torch.isfinite(gradient).all())


def test_the_second_pass_sees_what_the_first_tone_left() -> None:
    policy = small_policy(2, QUIET)
    recorder = Recorder(policy)
    spectra, d = random_spectra(3, N_BINS), dictionary(2)
    explanation, actions = policy.predict(spectra, d)
    first, second = recorder.inputs
    assert_close(first, plain_input(Explanation.blank(spectra, torch.ones(3, 2))))
    for b in range(3):
        i = int(actions[0].instrument[b])
        y, direct = explanation.dictionary_tones[b, i], explanation.direct_tones[b, i]
        assert_close(second[b, 0], (spectra[b] - y).real)
        assert_close(second[b, 1], (spectra[b] - direct).real)
        assert_close(second[b, 2 + i], y.real)
        assert_close(second[b, 4 + i], direct.real)
        assert float(second[b, [3 - i, 5 - i]].abs().max()) == 0  # the other has not played yet


def test_gradients_flow_through_the_residual_into_the_earlier_tone() -> None:
    policy = controlled(2, replace(QUIET, exponents=(1.0,)), PLAIN)
    free = free_outputs(policy)
    seen: list[Tensor] = []

    def forward(spectra: Tensor) -> Tensor:
        seen.append(spectra)
        return FreeOutputs.forward(free, spectra)

    free.forward = forward  # type: ignore[method-assign]
    d = dictionary(2, 3).requires_grad_()
    with seeded(0):
        e = policy.explore(random_spectra(3, N_WIDE), d)
    loss = seen[1].square().sum()  # depends on the outputs only through the first tone
    values, in_d = torch.autograd.grad(loss, [free.values, d])
    values = values.view(3, 9, 2, N_WIDE)
    for output in (Output.AMPLITUDE, Output.WIDTH, Output.OFFSET, Output.SPECTRUM_REAL):
        assert bool((values[:, output].flatten(1).abs().sum(1) > 0).all()), output
    assert float(values[:, Output.LOGIT].abs().max()) == 0  # a sample carries no gradient
    assert float(in_d.abs().max()) > 0
    assert e.log_prob.requires_grad


def test_the_noise_is_drawn_anew_and_as_small_as_said() -> None:
    policy = small_policy(1, PolicyConfig(input_noise=1e-10))
    spectra = torch.zeros(200, N_BINS, dtype=torch.complex128)
    with seeded(0):
        one = policy.predict(spectra, dictionary(1))[0].reference
        two = policy.predict(spectra, dictionary(1))[0].reference
    assert float((one - two).abs().min()) > 0
    assert float(one.abs().square().mean().sqrt()) == pytest.approx(1e-10, rel=0.05)


def test_with_a_timbre_the_dictionary_decides_who_plays() -> None:
    # Two instruments, tones exactly of their timbre, residual parametrisation: what the network
    # says (all alike) leaves the instrument open.
    config = replace(QUIET, instrument_by="timbre", timbre_scale=0.05)
    policy = small_policy(2, config, ParameterConfig(residual=True, scale_spectrum=1e-9))
    d = torch.tensor([[1.0, 0.3], [0.05, 1.0], [0.7, 0.1]], dtype=torch.float64)
    bins = torch.full((2,), 15)
    spectra = torch.stack(
        [
            torch.from_numpy(
                (0.1 * d[:, i].numpy() + 0j)
                @ dense.peaks(dense.positions(15.0, 0.0, 3), IDEAL_WIDTH_BINS, N_BINS)
            )
            for i in range(2)
        ]
    )
    outputs = torch.zeros(2, 9, N_BINS, dtype=torch.float64)
    outputs[:, Output.LOGIT, 15] = 50.0

    class Fixed(torch.nn.Module):
        def forward(self, _: Tensor) -> Tensor:
            return outputs

    policy.unet = Fixed()  # type: ignore[assignment]
    explanation, actions = policy.predict(spectra, d)
    assert actions[0].bin.tolist() == bins.tolist()
    assert actions[0].instrument.tolist() == [0, 1]
    assert actions[0].timbre is not None
    odds = torch.softmax(actions[0].timbre, 1)
    assert bool((odds.diagonal() > 0.99).all())
    for i in range(2):
        assert_close(explanation.direct_tones[i, i], spectra[i], atol=1e-3, rtol=0)
