"""Trainer: one golden step, steps that are not finite, epochs, state, and the same bytes."""

import copy
import io
import math
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from musisep_cli.methods.policy.estimator import dictionary_surrogate, network_surrogate
from musisep_cli.methods.policy.explanation import Explanation
from musisep_cli.methods.policy.parameters import ParameterConfig
from musisep_cli.methods.policy.rollout import PolicyConfig
from musisep_cli.methods.policy.trainer import Trainer, TrainingConfig, explanation_objective
from musisep_cli.tones.dictionary import upper_bound_loss
from musisep_cli.tones.peaks import Peaks
from tests import dense
from tests.golden.steps import CASES, TOLERANCES, load, measure, small_trainer
from tests.graphs import pretend_graphs
from tests.small import seeded

WAITING = {
    "_local_scalar_dense",
    "lift_fresh",
    "nonzero",
    "masked_select",
    "_unique2",
    "unique_dim",
    "equal",
    "is_nonzero",
}
TREE = PolicyConfig(sampling="tree")


def trainer(
    *, config: PolicyConfig = TREE, training: TrainingConfig | None = None, n_instruments: int = 2
) -> Trainer:
    return small_trainer(config, ParameterConfig(), training=training, n_instruments=n_instruments)


def frames(t: Trainer, *centres: int) -> Tensor:
    return t.frame.analyse(t.signal, torch.tensor(centres))[:, : t.frame.n_network_bins]


def state_of(t: Trainer) -> dict[str, Any]:
    return copy.deepcopy(t.state_dict())


def assert_same_state(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert_close(one, other, atol=0, rtol=0)


@pytest.mark.parametrize("case", CASES)
def test_one_step_gives_the_golden_numbers(case: str) -> None:
    golden, actual = load(case), measure(case)
    assert set(golden) == set(actual) == set(TOLERANCES)
    for name, tolerance in TOLERANCES.items():
        relative = name == "gradient_norms"
        np.testing.assert_allclose(
            actual[name],
            golden[name],
            atol=0 if relative else tolerance,
            rtol=tolerance if relative else 0,
            err_msg=name,
        )


def test_a_step_is_the_algorithm_written_out() -> None:
    t = trainer(config=PolicyConfig())
    before = [w.detach().clone() for w in t.weights]
    d_before = t.dictionary.detach().clone()
    spectra = frames(t, 100, 300)
    with seeded(3):
        e = t.policy.explore(spectra, t.dictionary)
    losses = explanation_objective(e, t.policy).total.view(2, 9)
    log_probs, plain = e.log_prob.view(2, 9), e.plain_log_prob.view(2, 9)
    surrogate = network_surrogate(losses, log_probs, t.estimator)
    gradients = torch.autograd.grad(surrogate, t.weights, retain_graph=True)
    # One upper-bound term per frame of the batch (a sum over the batch).
    in_d = 2 * upper_bound_loss(t.dictionary) + dictionary_surrogate(losses, log_probs, plain)
    (d_gradient,) = torch.autograd.grad(in_d, [t.dictionary])
    with seeded(3):
        report = t.step(spectra)
    adamax = partial(dense.adamax, beta_1=t.config.beta_1, beta_2=t.config.beta_2, eps=t.config.eps)
    for weight, start, gradient in zip(t.weights, before, gradients, strict=True):
        expected = adamax(start.numpy(), [gradient.numpy()], lr=t.config.network_lr)
        np.testing.assert_allclose(weight.detach().numpy(), expected, atol=1e-9)
    expected = adamax(
        d_before.numpy(), [d_gradient.numpy()], lr=t.config.dictionary_lr, shared=True
    )
    np.testing.assert_allclose(t.dictionary.detach().numpy(), expected, atol=1e-9)
    assert (report.iteration, report.n_skipped) == (1, 0)
    assert report.terms["objective"] == pytest.approx(losses.mean().item())
    weighted = (
        10 * report.terms["dictionary"] + 10 * report.terms["direct"] + report.terms["agreement"]
    )
    assert report.terms["objective"] == pytest.approx(weighted)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["one bin", "everywhere"])
@pytest.mark.parametrize("case", CASES)
def test_a_step_that_is_not_finite_is_counted_and_not_applied(
    value: float, where: str, case: str
) -> None:
    t = small_trainer(*CASES[case])
    good = frames(t, 100, 200)
    bad = good.clone()
    bad[0, 5 if where == "one bin" else slice(None)] = value
    with seeded(0):
        t.step(good)
        before = state_of(t)
        report = t.step(bad)
        assert (report.iteration, report.n_skipped) == (2, 1)
        after = state_of(t)
        assert (after.pop("iteration"), after.pop("n_skipped")) == (2, 1)
        del before["iteration"], before["n_skipped"]
        assert_same_state(after, before)
        report = t.step(good)
    assert (report.iteration, report.n_skipped) == (3, 1)
    assert math.isfinite(report.terms["objective"])
    assert t.network_steps.n_steps == t.dictionary_steps.n_steps == 2


def test_a_skipped_step_does_not_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    t = trainer(training=TrainingConfig(iterations=6, batch_size=2))
    plain = t.frame.analyse
    calls: list[int] = []

    def analyse(signal: Tensor, centres: Tensor) -> Tensor:
        calls.append(1)
        return plain(signal, centres) * (math.nan if len(calls) == 3 else 1.0)

    monkeypatch.setattr(t.frame, "analyse", analyse)
    with seeded(0):
        reports = list(t.run())
    assert [r.n_skipped for r in reports] == [0, 0, 1, 1, 1, 1]
    assert [r.iteration for r in reports] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("gain", [0.0, 1e-30, 1e-8, 1e4, 1e15])
@pytest.mark.parametrize("case", CASES)
def test_no_level_of_the_recording_makes_a_step_fail(gain: float, case: str) -> None:
    t = small_trainer(*CASES[case])
    with seeded(0):
        for _ in range(3):
            report = t.step(gain * frames(t, 100, 200))
    assert report.n_skipped == 0
    assert all(bool(torch.isfinite(w).all()) for w in [*t.weights, t.dictionary])


@pytest.mark.parametrize("case", CASES)
def test_float32_steps_stay_finite_with_large_rates(case: str) -> None:
    # A network driven wild: scales and logits at their ends.
    t = small_trainer(
        *CASES[case], training=TrainingConfig(iterations=15, network_lr=0.3, batch_size=2)
    )
    t = Trainer(
        t.config,
        estimator=t.estimator,
        policy=t.policy.float(),
        dictionary=t.dictionary.detach().float(),
        dictionary_frozen=False,
        frame=type(t.frame)(t.frame.config, t.frame.sample_rate_hz),
        signal=t.signal.float(),
    )
    with seeded(0):
        reports = list(t.run())
    assert all(bool(torch.isfinite(w).all()) for w in [*t.weights, t.dictionary])
    assert reports[-1].n_skipped == 0


@pytest.mark.parametrize("batch_size", [1, 6, 7])
def test_every_frame_comes_once_per_epoch(batch_size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    t = trainer(training=TrainingConfig(batch_size=batch_size))
    t.centres = t.centres[:40]
    seen: list[int] = []

    def analyse(signal: Tensor, centres: Tensor) -> Tensor:
        seen.extend(centres.tolist())
        return torch.zeros(1, 65)

    monkeypatch.setattr(t.frame, "analyse", analyse)
    with seeded(0):
        while len(seen) < 3 * 40:
            t.next_batch()
    epochs = [seen[n : n + 40] for n in (0, 40, 80)]
    for epoch in epochs:
        assert sorted(epoch) == t.centres.tolist()
    assert epochs[0] != epochs[1] != epochs[2]


def test_a_recording_with_fewer_frames_than_a_batch_is_trained() -> None:
    t = small_trainer(TREE, ParameterConfig(), training=TrainingConfig(batch_size=6), n_samples=3)
    with seeded(0):
        assert t.next_batch().shape == (3, t.frame.n_network_bins)


def test_batches_are_spectra_of_the_network_s_bins() -> None:
    t = trainer()
    with seeded(0):
        batch = t.next_batch()
    assert batch.shape == (6, 64)
    assert batch.is_complex()


def test_the_state_taken_up_again_continues_to_the_bit() -> None:
    t = trainer(training=TrainingConfig(iterations=8, batch_size=3))
    with seeded(0):
        steps = t.run()
        for _ in range(5):
            next(steps)
        file = io.BytesIO()
        torch.save({"trainer": t.state_dict(), "random": torch.get_rng_state()}, file)
        through = list(steps)
        end = state_of(t)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    again = trainer(training=TrainingConfig(iterations=8, batch_size=3))
    with seeded(1):
        again.load_state_dict(saved["trainer"])
        torch.set_rng_state(saved["random"])
        resumed = list(again.run())
    assert resumed == through
    assert_same_state(state_of(again), end)


@pytest.mark.parametrize("case", CASES)
def test_the_same_seed_gives_the_same_bytes_and_another_does_not(case: str) -> None:
    def run(seed: int) -> dict[str, Any]:
        with seeded(seed):
            t = small_trainer(*CASES[case], training=TrainingConfig(iterations=4, batch_size=2))
            for _ in t.run():
                pass
            return state_of(t)

    first = run(5)
    assert_same_state(run(5), first)
    with pytest.raises(AssertionError):
        assert_same_state(run(6), first)


def test_a_frozen_dictionary_stays() -> None:
    t = trainer()
    frozen = Trainer(
        t.config,
        estimator=t.estimator,
        policy=t.policy,
        dictionary=t.dictionary.detach(),
        dictionary_frozen=True,
        frame=t.frame,
        signal=t.signal,
    )
    before = [w.detach().clone() for w in frozen.weights]
    with seeded(0):
        frozen.step(frames(t, 100))
    assert_close(frozen.dictionary, t.dictionary.detach(), atol=0, rtol=0)
    assert any(
        float((w.detach() - b).abs().max()) > 0 for w, b in zip(t.weights, before, strict=True)
    )


def test_the_caller_s_dictionary_is_left_alone() -> None:
    t = trainer()
    given = torch.full_like(t.dictionary, 0.5).detach()
    one, other = (
        Trainer(
            t.config,
            estimator=t.estimator,
            policy=t.policy,
            dictionary=given,
            dictionary_frozen=False,
            frame=t.frame,
            signal=t.signal,
        )
        for _ in range(2)
    )
    with seeded(0):
        one.step(frames(t, 100))
    assert not given.requires_grad
    assert_close(given, torch.full_like(given, 0.5), atol=0, rtol=0)
    assert_close(other.dictionary.detach(), given, atol=0, rtol=0)


@pytest.mark.parametrize(
    ("final_rate", "expected"), [(1.0, [1, 1, 1, 1, 1]), (0.2, [1, 0.8, 0.6, 0.4, 0.2])]
)
def test_the_step_size_falls_linearly(
    final_rate: float, expected: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    t = trainer(training=TrainingConfig(iterations=5, batch_size=1, final_rate=final_rate))
    rates: dict[str, list[float]] = {"network": [], "dictionary": []}
    for name, steps in (("network", t.network_steps), ("dictionary", t.dictionary_steps)):
        monkeypatch.setattr(steps, "step", lambda _, rate, name=name: rates[name].append(rate))
    with seeded(0):
        list(t.run())
    assert rates["network"] == rates["dictionary"] == pytest.approx(expected)


@pytest.mark.parametrize("n_instruments", [1, 3])
def test_any_number_of_instruments_can_be_trained(n_instruments: int) -> None:
    t = trainer(n_instruments=n_instruments)
    with seeded(0):
        report = t.step(frames(t, 100, 200))
    assert report.n_skipped == 0
    assert math.isfinite(report.terms["objective"])


@pytest.mark.parametrize("sampling", ["independent", "tree"])
@pytest.mark.parametrize("instrument_by", ["network", "timbre"])
def test_a_step_waits_for_the_device_only_to_report(
    sampling: Any, instrument_by: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = PolicyConfig(sampling=sampling, instrument_by=instrument_by)
    t = trainer(config=config)
    spectra = frames(t, 100, 300)
    assert waits(lambda: torch.tensor([2.0]) + float(torch.ones(1)))  # it does see them
    assert waits(lambda: torch.ones(3)[torch.ones(3) > 0])
    assert waits(lambda: torch.ones(3).tolist()) == ["tolist"]
    monkeypatch.setattr(Peaks, "of", Peaks.everywhere)  # as on a GPU
    assert waits(lambda: t.step(spectra)) == ["tolist"]


@pytest.mark.parametrize("case", CASES)
def test_a_recorded_step_gives_the_same_bytes(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Peaks, "of", Peaks.everywhere)  # as on a GPU
    pretend_graphs(monkeypatch)
    ends = []
    for recorded in (False, True):
        training = TrainingConfig(iterations=5, batch_size=2)
        with seeded(5):
            t = small_trainer(*CASES[case], training=training, recorded=recorded)
            reports = list(t.run())
        ends.append((state_of(t), [asdict(report) for report in reports]))
    assert_same_state(ends[1][0], ends[0][0])
    assert ends[1][1] == ends[0][1]


def test_where_memory_is_short_nothing_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_graphs(monkeypatch)
    training = TrainingConfig(iterations=3, batch_size=4)
    t = small_trainer(*CASES["paper"], training=training, recorded=True)
    explore = t.policy.explore

    def short(spectra: Tensor, dictionary: Tensor) -> Explanation:
        if len(spectra) > 1:
            raise torch.OutOfMemoryError
        return explore(spectra, dictionary)

    monkeypatch.setattr(t.policy, "explore", short)
    one_by_one = small_trainer(*CASES["paper"], training=training)
    one_by_one.portions.size = 1
    states = []
    for given in (t, one_by_one):
        with seeded(0):
            list(given.run())
        states.append(state_of(given))
    assert_same_state(*states)


def waits(work: Callable[[], object]) -> list[str]:
    """Operations for which the host would wait for a GPU: those that read numbers, that cannot know
    the size of their result before, and that copy numbers there.
    """
    seen: list[str] = []

    def watched(name: str) -> Callable[..., Any]:
        # These read a CPU's memory without an operation.
        read = getattr(Tensor, name)

        def reading(*args: Any, **kwargs: Any) -> Any:
            seen.append(name)
            return read(*args, **kwargs)

        return reading

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            name = func.overloadpacket.__name__
            by_mask = name.startswith("index") and any(
                index is not None and index.dtype == torch.bool for index in args[1]
            )
            if name in WAITING or by_mask:
                seen.append(name)
            return func(*args, **(kwargs or {}))

    with pytest.MonkeyPatch.context() as patch, Watch():
        for name in ("tolist", "numpy", "cpu"):
            patch.setattr(Tensor, name, watched(name))
        work()
    return seen
