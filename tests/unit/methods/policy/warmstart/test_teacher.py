"""Teacher: the terms of a lesson against explicit loops, and what a perfect network scores."""

import math
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from torch.testing import assert_close

from musisep_cli.methods.policy import forced
from musisep_cli.methods.policy.explanation import Explanation, Tone
from musisep_cli.methods.policy.parameters import Output, ParameterConfig, gamma_parameters
from musisep_cli.methods.policy.rollout import Policy, PolicyConfig
from musisep_cli.methods.policy.sampling import Action, ToneDistribution
from musisep_cli.methods.policy.warmstart.simulator import SimulatedFrames
from musisep_cli.methods.policy.warmstart.teacher import LEAST_LEVEL, Lesson, TeacherConfig, teach
from musisep_cli.tones.objective import ObjectiveConfig
from musisep_cli.tones.peaks import Peaks, harmonic_positions
from tests import dense
from tests.small import IDEAL_WIDTH_BINS, random_spectra, seeded, small_policy

BLIND_TO_INSTRUMENTS = PolicyConfig(input_noise=0.0, instrument_by="timbre", lifted_input=True)
PLAIN = ParameterConfig(
    residual=True,
    scale_logit=1.0,
    scale_width=1.0,
    scale_gamma_shape=1.0,
    scale_gamma_rate=1.0,
    scale_on=1.0,
    on_bias=0.0,
)
N_BINS = 64
CONFIG = TeacherConfig()
LIFT = ObjectiveConfig()
Q, DELTA = LIFT.lift_exponent, LIFT.lift_offset


def frames_of(
    f0_bins: list[list[float]], *, audible: list[list[bool]] | None = None, size: float = 0.05
) -> SimulatedFrames:
    """Frames of tones with one partial every f0, noise added; what is not audible is silent."""
    f0 = torch.tensor(f0_bins, dtype=torch.float64)
    sounds = torch.ones_like(f0).bool() if audible is None else torch.tensor(audible)
    positions = harmonic_positions(f0, torch.zeros_like(f0), 3)
    peaks = Peaks.of(positions, torch.full_like(f0, IDEAL_WIDTH_BINS), N_BINS)
    relative = torch.tensor([1.0, 0.5, 0.3], dtype=torch.float64).expand(*f0.shape, 3)
    phases = torch.arange(f0.numel() * 3, dtype=torch.float64).view(*f0.shape, 3)
    lines = peaks.render(torch.polar(size * relative, phases)) * sounds[..., None]
    mixture = lines.sum(1) + 0.01 * size * random_spectra(len(f0), N_BINS, size=1.0)
    return SimulatedFrames(
        mixture=mixture,
        lines=lines,
        f0_bins=f0,
        inharmonicity=torch.zeros_like(f0) + 1e-4,
        audible=sounds,
        relative=relative,
    )


def mixed_frames() -> SimulatedFrames:
    """Three lines, all, two, one and none of them audible."""
    return frames_of(
        [[10.2, 17.4, 29.0], [12.0, 20.0, 9.0], [25.3, 11.0, 40.0], [8.0, 15.0, 22.0]],
        audible=[[True] * 3, [True, False, True], [False, True, False], [False] * 3],
    )


def learner(
    n_instruments: int = 3, parameters: ParameterConfig = PLAIN, *, seed: int = 0
) -> Policy:
    return small_policy(n_instruments, BLIND_TO_INSTRUMENTS, parameters, seed=seed)


# The lesson


@dataclass
class Record:
    """What went on in a lesson, step by step."""

    logits: list[Tensor] = field(default_factory=list)
    lines: list[Tensor] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    raw: list[Tensor] = field(default_factory=list)
    direct: list[Tensor] = field(default_factory=list)


def record(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> Record:
    """Listens to a lesson without changing it."""
    kept = Record()
    propose, tone, drawn = policy.propose, policy.tone, forced.draw_line

    def keep_proposal(
        explanation: Explanation, dictionary: Tensor
    ) -> tuple[ToneDistribution, Explanation]:
        result = propose(explanation, dictionary)
        kept.logits.append(result[0].logits.detach())
        return result

    def keep_tone(
        distribution: ToneDistribution,
        action: Action,
        raw: Tensor,
        explanation: Explanation,
        dictionary: Tensor,
    ) -> Tone:
        result = tone(distribution, action, raw, explanation, dictionary)
        kept.actions.append(action)
        kept.raw.append(raw.detach())
        kept.direct.append(result.direct_spectrum.detach())
        return result

    def keep_line(log_probs: Tensor, playing: Tensor) -> Tensor:
        kept.lines.append(drawn(log_probs, playing))
        return kept.lines[-1]

    monkeypatch.setattr(policy, "propose", keep_proposal)
    monkeypatch.setattr(policy, "tone", keep_tone)
    monkeypatch.setattr(forced, "draw_line", keep_line)
    return kept


def left_before(frames: SimulatedFrames, kept: Record, step: int, frame: int) -> list[int]:
    """Lines of a frame that are audible and have not gone before a step."""
    gone = {int(lines[frame]) for lines in kept.lines[:step]}
    return [m for m in range(3) if bool(frames.audible[frame, m]) and m not in gone]


def test_the_pitch_term_is_minus_the_log_probability_of_any_line_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frames, policy = mixed_frames(), learner()
    kept = record(policy, monkeypatch)
    with seeded(1):
        lesson = teach(policy, frames, CONFIG)
    surprise, n_found, n_tones = 0.0, 0, 0
    for step, logits in enumerate(kept.logits):
        for b in range(4):
            left = left_before(frames, kept, step, b)
            if not left:
                continue
            n_tones += 1
            right = {round(float(frames.f0_bins[b, m])) + d for m in left for d in (-1, 0, 1)}
            probabilities = torch.softmax(logits[b], 0)
            surprise -= math.log(sum(float(probabilities[f]) for f in right))
            n_found += int(logits[b].argmax()) in right
    assert n_tones == int(frames.audible.sum()) == 6
    assert float(lesson.pitch) == pytest.approx(surprise / n_tones, rel=1e-9)
    assert float(lesson.found) == pytest.approx(n_found / n_tones)


def test_the_truth_goes_on_and_every_line_once(monkeypatch: pytest.MonkeyPatch) -> None:
    frames, policy = mixed_frames(), learner()
    kept = record(policy, monkeypatch)
    with seeded(2):
        teach(policy, frames, CONFIG)
    for b in range(4):
        order = [int(lines[b]) for lines in kept.lines]
        assert sorted(order) == [0, 1, 2]
        n_audible = int(frames.audible[b].sum())
        assert set(order[:n_audible]) == set(left_before(frames, Record(), 0, b))
        for step, (line, action) in enumerate(zip(order, kept.actions, strict=True)):
            assert float(action.on[b]) == (step < n_audible)
            expected = (
                round(float(frames.f0_bins[b, line]))
                if step < n_audible
                else int(kept.logits[step][b].argmax())
            )
            assert int(action.bin[b]) == expected
            if step < n_audible:
                assert float(action.inharmonicity[b]) == pytest.approx(1e-4)


def test_the_other_terms_equal_explicit_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    frames, policy = mixed_frames(), learner()
    kept = record(policy, monkeypatch)
    with seeded(3):
        lesson = teach(policy, frames, CONFIG)
    levels = [
        float(np.mean(abs(dense.lift(y, Q, DELTA)) ** 2)) + LEAST_LEVEL
        for y in frames.mixture.numpy()
    ]
    tone, on, inharmonicity = [], [], []
    for step in range(3):
        distances, crossed, surprises = [], [], []
        for b in range(4):
            sounds = bool(left_before(frames, kept, step, b))
            raw = kept.raw[step][b]
            probability = 1 / (1 + math.exp(-float(raw[Output.ON_LOGIT])))
            crossed.append(-math.log(probability if sounds else 1 - probability))
            if sounds:
                truth = frames.lines[b, int(kept.lines[step][b])].numpy()
                found = kept.direct[step][b].numpy()
                distances.append(dense.d_rad(truth, found, Q, DELTA) / levels[b])
                shape, rate = (float(x) for x in gamma_parameters(raw[4], raw[5], PLAIN))
                log_density = stats.gamma.logpdf(1e-4, shape, scale=1 / rate)
                surprises.append(-log_density - math.log(1e-4))
        tone.append(np.mean(distances))
        on.append(np.mean(crossed))
        inharmonicity.append(np.mean(surprises))
    mixture = [
        dense.d_rad(
            frames.mixture[b].numpy(), torch.stack(kept.direct)[:, b].sum(0).numpy(), Q, DELTA
        )
        / levels[b]
        for b in range(4)
    ]
    expected = {
        "tone": np.mean(tone),
        "mixture": np.mean(mixture),
        "on": np.mean(on),
        "inharmonicity": np.mean(inharmonicity),
    }
    for name, value in expected.items():
        assert float(getattr(lesson, name)) == pytest.approx(value, rel=1e-5), name
    total = float(lesson.pitch) + sum(
        getattr(CONFIG, f"weight_{name}") * value for name, value in expected.items()
    )
    assert float(lesson.total.detach()) == pytest.approx(total, rel=1e-5)


class Perfect(nn.Module):
    """Stands in for the network: knows the tones, and names them in the order of the lines."""

    def __init__(self, frames: SimulatedFrames) -> None:
        super().__init__()
        self.frames, self.step = frames, 0

    def forward(self, spectra: Tensor) -> Tensor:
        outputs = spectra.new_zeros(len(spectra), len(Output), spectra.shape[-1])
        for b, audible in enumerate(self.frames.audible):
            left = audible.nonzero().flatten()[self.step :]
            outputs[b, Output.ON_LOGIT] = 50.0 if len(left) else -50.0
            if len(left):
                f0 = self.frames.f0_bins[b, left[0]]
                outputs[b, Output.LOGIT, f0.round().long()] = 100.0
                outputs[b, Output.OFFSET] = torch.atanh((f0 - f0.round()) / 5)
        self.step += 1
        return outputs


def perfect_lesson(frames: SimulatedFrames) -> Lesson:
    policy = learner(frames.lines.shape[1])
    policy.unet = Perfect(frames)  # type: ignore[assignment]
    with seeded(0):
        return teach(policy, frames, CONFIG)


def test_a_perfect_network_has_no_pitch_term_and_finds_everything() -> None:
    lesson = perfect_lesson(mixed_frames())
    assert float(lesson.pitch) == pytest.approx(0.0, abs=1e-9)
    assert float(lesson.found) == 1.0
    assert float(lesson.on) == pytest.approx(0.0, abs=1e-9)


def test_true_pitches_far_apart_leave_little_of_the_distances() -> None:
    # A single line is nearly all of its frame; with nothing said about widths, noise is what stays.
    frames = frames_of([[10.2], [13.0], [19.6]])
    frames = replace(frames, inharmonicity=torch.zeros(3, 1, dtype=torch.float64))
    right = perfect_lesson(frames)
    wrong = perfect_lesson(replace(frames, f0_bins=frames.f0_bins + 4))
    assert float(right.tone) < 0.05
    assert float(right.mixture) < 0.1
    assert float(wrong.tone) > 5 * float(right.tone)


def test_the_order_of_the_tones_is_free() -> None:
    # All lines equally probable: whichever goes first, the term is the same, log of the number of
    # bins over that of right ones.
    frames = frames_of([[10.0, 17.0, 29.0]])
    policy = learner()

    class Undecided(nn.Module):
        def forward(self, spectra: Tensor) -> Tensor:
            return spectra.new_zeros(len(spectra), len(Output), spectra.shape[-1])

    policy.unet = Undecided()  # type: ignore[assignment]
    expected = -np.mean([math.log(3 * n / N_BINS) for n in (3, 2, 1)])
    for seed in range(3):
        with seeded(seed):
            assert float(teach(policy, frames, CONFIG).pitch) == pytest.approx(expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [0.0, 1e-8, 0.05])
def test_silence_and_frames_without_lines_give_finite_numbers_and_gradients(
    size: float, dtype: torch.dtype
) -> None:
    frames = frames_of([[10.0, 20.0], [12.0, 25.0]], audible=[[False] * 2] * 2, size=size)
    if size == 0:
        frames = replace(frames, mixture=torch.zeros_like(frames.mixture))
    lesson, gradients = lesson_and_gradients(converted(frames, dtype), dtype)
    assert bool(torch.isfinite(lesson.total))
    assert float(lesson.found) == float(lesson.pitch) == float(lesson.tone) == 0
    assert all(bool(torch.isfinite(g).all()) for g in gradients)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_kind_of_frame_gives_finite_gradients_to_all_weights(dtype: torch.dtype) -> None:
    lesson, gradients = lesson_and_gradients(converted(mixed_frames(), dtype), dtype)
    assert bool(torch.isfinite(lesson.total))
    assert all(bool(torch.isfinite(g).all()) for g in gradients)
    assert max(float(g.abs().max()) for g in gradients) > 0


def converted(frames: SimulatedFrames, dtype: torch.dtype) -> SimulatedFrames:
    return replace(
        frames,
        mixture=frames.mixture.to(dtype.to_complex()),
        lines=frames.lines.to(dtype.to_complex()),
        f0_bins=frames.f0_bins.to(dtype),
        inharmonicity=frames.inharmonicity.to(dtype),
    )


def lesson_and_gradients(
    frames: SimulatedFrames, dtype: torch.dtype
) -> tuple[Lesson, tuple[Tensor, ...]]:
    policy = learner(frames.lines.shape[1]).to(dtype)
    with seeded(0):
        lesson = teach(policy, frames, CONFIG)
    gradients = torch.autograd.grad(
        lesson.total, list(policy.parameters()), allow_unused=True, materialize_grads=True
    )
    return lesson, gradients


def test_the_distances_do_not_depend_on_the_level() -> None:
    frames = frames_of([[10.2, 17.4, 29.0], [12.0, 20.0, 9.0]])
    quieter = replace(frames, mixture=0.1 * frames.mixture, lines=0.1 * frames.lines)
    loud, quiet = (perfect_lesson(f) for f in (frames, quieter))
    for name in ("pitch", "found", "on", "inharmonicity"):
        assert float(getattr(loud, name)) == pytest.approx(float(getattr(quiet, name)), abs=1e-12)
    for name in ("tone", "mixture"):  # up to the offset of the lift
        assert float(getattr(loud, name)) == pytest.approx(float(getattr(quiet, name)), rel=0.02)


def test_only_the_total_carries_a_gradient() -> None:
    with seeded(0):
        lesson = teach(learner(), mixed_frames(), CONFIG)
    assert lesson.total.requires_grad
    for name in ("pitch", "tone", "mixture", "on", "inharmonicity", "found"):
        assert not getattr(lesson, name).requires_grad


def test_the_same_seed_gives_the_same_lesson() -> None:
    def lesson(seed: int) -> Lesson:
        with seeded(seed):
            return teach(learner(), mixed_frames(), CONFIG)

    assert_close(lesson(5).total, lesson(5).total, atol=0, rtol=0)
