"""Rehearsal: what is known is learned, resumed to the bit, and never learned from nothing."""

import copy
import io
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.methods.decoding import rehearsal, stopping
from musisep_cli.methods.decoding.rehearsal import (
    MAX_GRADIENT_NORM,
    Labels,
    Rehearsal,
    RehearsalConfig,
)
from musisep_cli.methods.decoding.stopping import MOST_HELD
from musisep_cli.methods.policy.forced import ForcedConfig, forced_rollout
from musisep_cli.methods.policy.parameters import ParameterConfig
from musisep_cli.methods.policy.rollout import PolicyConfig
from musisep_cli.methods.policy.trainer import explanation_objective
from musisep_cli.tones.dictionary import DictionaryConfig, start_dictionary
from musisep_cli.tones.tones import Tones
from tests.signals import harmonic_tone
from tests.small import seeded, small_policy
from tests.unit.machine.test_portions import holds

RATE_HZ = 8_000
FRAME = GaborFrame(FrameConfig(zeta_s=128 / 12 / RATE_HZ), RATE_HZ, dtype=torch.float64)
NOTES_HZ = ((440.0, 710.0), (560.0, 800.0), (620.0, 930.0), (470.0, None))
"""Of two instruments, the second of which rests at last."""
NOTE_SAMPLES, MARGIN_SAMPLES = 800, 200


def signal() -> Tensor:
    """Two instruments, note after note, `[t]`."""
    notes = []
    for pitches in NOTES_HZ:
        tones = [
            harmonic_tone(
                f0_hz,
                amplitudes=(1.0, 0.5, 0.25),
                duration_s=NOTE_SAMPLES / RATE_HZ,
                sample_rate_hz=RATE_HZ,
            )
            for f0_hz in pitches
            if f0_hz is not None
        ]
        notes.append(torch.from_numpy(sum(tones)))
    return 0.05 * torch.cat(notes)


def labels(*notes: int, apart: bool = False) -> Labels:
    """Frames in the midst of some of the notes, which are passages of their own, or of one."""
    rows = []
    for note in notes:
        pitches = [f0_hz or 0.0 for f0_hz in NOTES_HZ[note]]
        start = note * NOTE_SAMPLES
        for centre in range(start + MARGIN_SAMPLES, start + NOTE_SAMPLES - MARGIN_SAMPLES, 16):
            rows.append((centre, note if apart else 0, pitches))
    f0_hz = torch.tensor([pitches for *_, pitches in rows], dtype=torch.float64)
    return Labels(
        centres=torch.tensor([centre for centre, *_ in rows]),
        tones=Tones(
            on=(f0_hz > 0).double(),
            f0_bins=f0_hz / FRAME.bin_hz,
            inharmonicity=torch.full_like(f0_hz, 1e-5),
        ),
        passage=torch.tensor([note for _, note, _ in rows]),
    )


def learner(
    of: Labels | None = None, *, heard: Tensor | None = None, seed: int = 0, **config: Any
) -> Rehearsal:
    parameters = ParameterConfig(residual=True, scale_logit=10.0, on_bias=0.0)
    policy_config = PolicyConfig(input_noise=0.0, instrument_by="timbre", lifted_input=True)
    defaults: dict[str, Any] = {"iterations": 8, "batch_size": 3, "network_lr": 1e-3}
    defaults |= {"beta_2": 0.999, "eps": 1e-7, "final_rate": 1.0}
    return Rehearsal(
        RehearsalConfig(**{**defaults, **config}),
        policy=small_policy(2, policy_config, parameters, seed=seed),
        dictionary=start_dictionary(DictionaryConfig(n_harmonics=5), 2).double(),
        frame=FRAME,
        signal=signal() if heard is None else heard,
        labels=labels(0, 1) if of is None else of,
    )


def surprise(r: Rehearsal, of: Labels) -> float:
    """Minus the logarithm of the probability of the labels, in nats per tone."""
    spectra = r.frame.analyse(r.signal, of.centres)[:, : r.frame.n_network_bins]
    with seeded(0), torch.no_grad():
        return float(forced_rollout(r.policy, spectra, of.tones, r.dictionary, 1).pitch)


@pytest.mark.parametrize("seed", range(3))
def test_the_labels_become_more_probable_in_other_frames_too(seed: int) -> None:
    learned, held = labels(0, 1)[::2], labels(0, 1)[1::2]
    with seeded(seed):
        r = learner(learned, seed=seed, iterations=40, batch_size=6, network_lr=3e-3)
        before, dictionary = surprise(r, held), r.dictionary.clone()
        reports = list(r.run())
    assert surprise(r, held) < before - 0.5
    assert [report.iteration for report in reports] == list(range(1, 41))
    assert all(math.isfinite(report.terms["objective"]) for report in reports)
    assert_close(r.dictionary, dictionary, atol=0, rtol=0)


def test_a_step_is_adam_along_the_cut_gradient() -> None:
    r = learner(iterations=100)
    before = [w.detach().clone() for w in r.weights]
    rows = torch.tensor([0, 3, 30])
    of = r.labels[rows]
    with seeded(3):
        forced = forced_rollout(
            r.policy,
            r.frame.analyse(r.signal, of.centres)[:, :64],
            of.tones,
            r.dictionary,
            1,
        )
    loss = forced.pitch + 0.3 * forced.on + 0.02 * forced.inharmonicity
    gradients = torch.autograd.grad(loss, r.weights, allow_unused=True, materialize_grads=True)
    norm = torch.stack([g.norm() for g in gradients]).norm()
    cut = min(1.0, MAX_GRADIENT_NORM / float(norm))
    with seeded(3):
        report = r.step(rows)
    # The first step of Adam: m / sqrt(v) = g / |g|; a tenth of the step size, to warm up.
    for weight, start, gradient in zip(r.weights, before, gradients, strict=True):
        g = cut * gradient
        expected = start - 0.1 * r.config.network_lr * g / (g.abs() + r.config.eps)
        assert_close(weight.detach(), expected, atol=1e-8, rtol=0)
    terms = explanation_objective(forced.explanation, r.policy)
    assert report.terms["objective"] == pytest.approx(float(terms.total.detach().mean()))
    assert report.terms["direct"] == pytest.approx(float(terms.direct.detach().mean()))


def test_the_step_size_rises_and_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    r = learner(iterations=21, network_lr=1.0, final_rate=0.5, batch_size=1)
    rates: list[float] = []
    step = lambda: rates.append(r.optimiser.param_groups[0]["lr"])  # noqa: E731
    monkeypatch.setattr(r.optimiser, "step", step)
    with seeded(0):
        list(r.run())
    falling = [1 - 0.5 * k / 20 for k in range(21)]
    assert rates == pytest.approx([min(1, (k + 1) / 10) * x for k, x in enumerate(falling)])


def test_no_more_labels_are_kept_than_there_is_time_for_and_each_comes_once_per_epoch() -> None:
    with seeded(0):
        r = learner(iterations=4, batch_size=3)
        assert len(r.labels) == 12
        first = [row for _ in range(4) for row in r.next_batch().tolist()]
        second = [row for _ in range(4) for row in r.next_batch().tolist()]
        few = learner(labels(0)[:2], iterations=4, batch_size=3)
        assert len(few.labels) == len(few.next_batch()) == 2
    assert len(set(r.labels.centres.tolist())) == 12
    assert sorted(first) == sorted(second) == list(range(12))
    assert first != second


def test_without_labels_nothing_is_learned() -> None:
    with seeded(0):
        r = learner(Labels.none(2))
        before = copy.deepcopy(r.policy.state_dict())
        state = torch.get_rng_state()
        assert list(r.run()) == []
        assert_close(torch.get_rng_state(), state, atol=0, rtol=0)
    assert_close(r.policy.state_dict(), before, atol=0, rtol=0)
    again = learner(Labels.none(2))
    again.load_state_dict(through_a_file(r))
    assert (again.iteration, len(again.labels)) == (0, 0)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_step_that_is_not_finite_is_counted_and_not_applied(value: float) -> None:
    r = learner()
    good = r.signal
    with seeded(0):
        r.step(torch.tensor([0, 1]))
        before = copy.deepcopy([r.policy.state_dict(), r.optimiser.state_dict()["state"]])
        r.signal = torch.full_like(good, value)
        report = r.step(torch.tensor([0, 1]))
        assert (report.iteration, report.n_skipped) == (2, 1)
        after = [r.policy.state_dict(), r.optimiser.state_dict()["state"]]
        assert_close(after, before, atol=0, rtol=0)
        r.signal = good
        report = r.step(torch.tensor([0, 1]))
    assert (report.iteration, report.n_skipped) == (3, 1)
    assert math.isfinite(report.terms["objective"])


@pytest.mark.parametrize("gain", [0.0, 1e-30, 1e-8, 1e4])
def test_no_level_of_the_recording_makes_a_step_fail(gain: float) -> None:
    r = learner(labels(1, 3), heard=gain * signal())
    with seeded(0):
        reports = list(r.run())
    assert reports[-1].n_skipped == 0
    assert all(bool(torch.isfinite(w).all()) for w in r.weights)


def test_frames_of_rests_alone_can_be_learned() -> None:
    rests = labels(0)
    r = learner(replace(rests, tones=replace(rests.tones, on=0 * rests.tones.on)))
    with seeded(0):
        reports = list(r.run())
    assert reports[-1].n_skipped == 0


def through_a_file(r: Rehearsal) -> Any:
    file = io.BytesIO()
    torch.save(r.state_dict(), file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("n_done", [0, 4, 5, 8])
def test_the_state_taken_up_again_continues_to_the_bit(
    n_done: int, apart: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal, "CHECK_STEPS", 2)
    monkeypatch.setattr(stopping, "PATIENCE", 4)
    with seeded(0):
        r = learner(labels(0, 1, 3, apart=apart))
        steps = r.run()
        for _ in range(n_done):
            next(steps)
        saved, state = through_a_file(r), torch.get_rng_state()
        through = list(steps)
    again = learner(Labels.none(2))
    with seeded(1):
        again.load_state_dict(saved)
        torch.set_rng_state(state)
        resumed = list(again.run())
    assert resumed == through
    assert len(resumed) == 8 - n_done
    assert len(r.stopping.losses) == (5 if apart else 0)
    assert_close(again.state_dict(), r.state_dict(), atol=0, rtol=0)


def test_what_is_held_out_is_never_learned() -> None:
    with seeded(0):
        r = learner(labels(0, 1, 2, 3, apart=True), iterations=1000)
    learned, held = ({*of.passage.tolist()} for of in (r.labels, r.held))
    assert len(learned) == 3
    assert len(held) == 1
    assert not learned & held
    assert 0 < len(r.held) <= MOST_HELD
    assert len(r.labels) == 3 * len(r.held)


@pytest.mark.parametrize("seed", range(3))
def test_training_ends_when_the_notes_held_out_gain_nothing_and_the_best_weights_stay(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Far too long steps: sooner or later it becomes worse.
    monkeypatch.setattr(rehearsal, "CHECK_STEPS", 3)
    with seeded(seed):
        r = learner(
            labels(0, 1, 2, 3, apart=True), seed=seed, iterations=300, batch_size=6, network_lr=0.02
        )
        n_done = len(list(r.run()))
        held_now = r.loss_held_out()
    assert 6 <= n_done == r.iteration < 300
    assert list(r.stopping.losses) == [*range(0, n_done + 1, 3)]
    assert held_now == min(r.stopping.losses.values()) == r.stopping.losses[r.kept]


def test_a_check_draws_the_same_every_time_and_leaves_the_generator(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    r = learner(labels(0, 1, apart=True))
    with seeded(5):
        state = torch.get_rng_state()
        found = r.loss_held_out()
        assert_close(torch.get_rng_state(), state, atol=0, rtol=0)
    held = r.held
    spectra = r.frame.analyse(r.signal, held.centres)[:, : r.frame.n_network_bins]
    with seeded(0), torch.no_grad():
        expected = forced_rollout(r.policy, spectra, held.tones, r.dictionary, 1).loss(
            ForcedConfig()
        )
    assert found == pytest.approx(float(expected))
    # With as many tones in every frame; and only one, so that no order is drawn.
    alone = learner(labels(3))
    alone.held = alone.labels[:7]
    whole = alone.loss_held_out()
    monkeypatch.setattr(rehearsal, "Portions", holds(2, []))
    in_parts = learner(labels(3))
    in_parts.held = alone.held
    assert in_parts.loss_held_out() == pytest.approx(whole)


def test_gradients_add_up_over_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    # With as many tones in every frame; and only one, so that no order is drawn.
    found = []
    for most in (8, 1):
        monkeypatch.setattr(rehearsal, "Portions", holds(most, []))
        monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda *_: torch.tensor(math.nan))
        with seeded(0):
            r = learner(labels(3))
            report = r.step(torch.arange(4))
        found.append(([w.grad for w in r.weights], report.terms["objective"]))
    for whole, in_parts in zip(found[0][0], found[1][0], strict=True):
        assert_close(in_parts, whole, atol=1e-9, rtol=1e-6)
    assert found[0][1] == pytest.approx(found[1][1])
