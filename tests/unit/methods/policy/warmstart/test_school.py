"""School: what a step does, that it goes on where it stopped, and that something is learned."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from musisep_cli.frames.gabor import FrameConfig
from musisep_cli.methods.policy.parameters import ParameterConfig
from musisep_cli.methods.policy.rollout import Policy, PolicyConfig
from musisep_cli.methods.policy.warmstart import school
from musisep_cli.methods.policy.warmstart.school import School, SchoolConfig
from musisep_cli.methods.policy.warmstart.simulator import (
    SimulatedFrames,
    Simulator,
    SimulatorConfig,
)
from musisep_cli.methods.policy.warmstart.teacher import Lesson, TeacherConfig
from tests.small import seeded, small_policy

# A frame an eighth as long as the real one: 384 bins.
FRAME = FrameConfig(max_frequency_hz=12_000.0, zeta_s=FrameConfig().zeta_s / 8)
EASY = SimulatorConfig(lowest_midi=70.0, highest_midi=95.0, silent=0.0, changing=0.0)
PARAMETERS = ParameterConfig(residual=True, scale_logit=100.0, scale_on=10.0, on_bias=0.0)
NO_FRAMES = SimulatedFrames(*[torch.zeros(0)] * 6)
SHORT = SchoolConfig(steps=6, batch_size=2, warmup_steps=2, lines=(1, 2))


def learner(seed: int = 0) -> Policy:
    config = PolicyConfig(instrument_by="timbre", lifted_input=True)
    return small_policy(1, config, PARAMETERS, strides=(4, 4, 4, 3, 2), seed=seed).float()


def pupil(config: SchoolConfig = SHORT, *, seed: int = 0) -> School:
    return School(config, TeacherConfig(), Simulator(EASY, FRAME), learner(seed))


def weights(policy: Policy) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in policy.state_dict().items()}


def lesson_of(total: Tensor) -> Lesson:
    return Lesson(total, *(torch.zeros(()) for _ in range(6)))


def teach_by(loss: Callable[[Policy], Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    """Another objective instead of the teacher's, and no frames."""

    def teach(policy: Policy, _: SimulatedFrames, __: TeacherConfig) -> Lesson:
        return lesson_of(loss(policy))

    monkeypatch.setattr(school, "teach", teach)
    monkeypatch.setattr(Simulator, "draw", lambda *_: NO_FRAMES)


def sum_of_squares(policy: Policy) -> Tensor:
    return torch.stack([(p - 1).square().sum() for p in policy.parameters()]).sum()


def test_a_tiny_network_learns() -> None:
    n = 60
    config = SchoolConfig(steps=n, batch_size=8, learning_rate=3e-3, warmup_steps=5, lines=(1,))
    with seeded(0):
        totals = [float(lesson.total.detach()) for _, lesson in pupil(config).run()]
    first, last = (sum(part) / 15 for part in (totals[:15], totals[-15:]))
    assert last < first - 1


def test_steps_are_counted_to_the_end() -> None:
    with seeded(0):
        numbers = [step for step, _ in pupil().run()]
    assert numbers == [1, 2, 3, 4, 5, 6]


def test_resumed_training_is_the_uninterrupted_one_to_the_last_bit(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    with seeded(0):
        whole = pupil()
        expected = [float(lesson.total.detach()) for _, lesson in whole.run()]
    with seeded(0):
        stopped = pupil()
        lessons = stopped.run()
        found = [float(next(lessons)[1].total.detach()) for _ in range(3)]
        stopped.save(path)
    with seeded(7):
        resumed = pupil(seed=5)
        resumed.resume(path)
        assert resumed.step == 3
        found += [float(lesson.total.detach()) for _, lesson in resumed.run()]
    assert found == expected
    for name, value in whole.policy.state_dict().items():
        assert_close(resumed.policy.state_dict()[name], value, atol=0, rtol=0)
        assert_close(resumed.average[name], whole.average[name], atol=0, rtol=0)


def test_saving_changes_nothing(tmp_path: Path) -> None:
    with seeded(0):
        expected = [float(lesson.total.detach()) for _, lesson in pupil().run()]
    with seeded(0):
        saving, found = pupil(), []
        for _, lesson in saving.run():
            saving.save(tmp_path / "checkpoint.pt")
            found.append(float(lesson.total.detach()))
    assert found == expected
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_finished_training_has_nothing_to_resume(tmp_path: Path) -> None:
    with seeded(0):
        done = pupil()
        list(done.run())
        done.save(tmp_path / "checkpoint.pt")
        again = pupil(seed=1)
        again.resume(tmp_path / "checkpoint.pt")
        assert list(again.run()) == []


def test_the_learning_rate_rises_stays_and_falls_over_the_last_quarter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    teach_by(sum_of_squares, monkeypatch)
    config = SchoolConfig(steps=40, warmup_steps=8, learning_rate=0.01, final_rate=0.1)
    trained = pupil(config)
    rates = []
    with seeded(0):
        for _ in trained.run():
            rates.append(trained.optimiser.param_groups[0]["lr"])
    expected = [
        0.01 * min(1.0, step / 8) * (0.1 + 0.9 * min(1.0, (40 - step) / 10))
        for step in range(1, 41)
    ]
    assert rates == pytest.approx(expected)
    assert rates[7] == rates[29] == 0.01
    assert rates[-1] == pytest.approx(0.001)


def test_the_average_is_the_moving_mean_of_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    teach_by(sum_of_squares, monkeypatch)
    trained = pupil(SchoolConfig(steps=30, warmup_steps=1, learning_rate=0.05, average=0.6))
    expected = {name: value.double() for name, value in weights(trained.policy).items()}
    with seeded(0):
        for step, _ in trained.run():
            decay = min(0.6, step / (step + 10))
            for name, value in weights(trained.policy).items():
                expected[name] = decay * expected[name] + (1 - decay) * value.double()
    for name, value in expected.items():
        assert_close(trained.average[name].double(), value, atol=1e-6, rtol=1e-5)
        assert not torch.equal(trained.average[name], trained.policy.state_dict()[name])


def test_the_average_forgets_the_random_start(monkeypatch: pytest.MonkeyPatch) -> None:
    # All steps are skipped but the first moves far away: the start's share after n steps is
    # prod k / (k + 10), 10^-6 after 100, where a decay of 0.999 would leave 90 %.
    teach_by(sum_of_squares, monkeypatch)
    trained = pupil(SchoolConfig(steps=100, learning_rate=1e-12))
    with torch.no_grad():
        for parameter in trained.policy.parameters():
            parameter.fill_(3.0)
    list(trained.run())
    for value in trained.average.values():
        assert_close(value, torch.full_like(value, 3.0), atol=1e-4, rtol=0)


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_a_lesson_that_is_not_finite_is_not_applied(
    wrong: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def loss(policy: Policy) -> Tensor:
        calls.append(1)
        return sum_of_squares(policy) * (wrong if len(calls) == 2 else 1.0)

    teach_by(loss, monkeypatch)
    trained = pupil(SchoolConfig(steps=3, warmup_steps=1, learning_rate=0.05))
    lessons = trained.run()
    next(lessons)
    before = weights(trained.policy)
    assert not math.isfinite(float(next(lessons)[1].total.detach()))
    for name, value in weights(trained.policy).items():
        assert_close(value, before[name], atol=0, rtol=0)
    next(lessons)
    after = weights(trained.policy)
    assert all(bool(torch.isfinite(value).all()) for value in after.values())
    assert all(bool(torch.isfinite(value).all()) for value in trained.average.values())
    assert any(not torch.equal(value, before[name]) for name, value in after.items())


def test_long_gradients_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    teach_by(lambda policy: 1e4 * sum_of_squares(policy), monkeypatch)
    trained = pupil(replace(SHORT, max_gradient_norm=0.5))
    next(trained.run())
    gradients = [p.grad for p in trained.policy.parameters() if p.grad is not None]
    norm = torch.stack([g.square().sum() for g in gradients]).sum().sqrt()
    assert float(norm) == pytest.approx(0.5, rel=1e-4)


def test_batches_have_the_listed_numbers_of_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[int, int]] = []

    def draw(_: Simulator, n_frames: int, n_lines: int) -> SimulatedFrames:
        drawn.append((n_frames, n_lines))
        return NO_FRAMES

    teach_by(sum_of_squares, monkeypatch)
    monkeypatch.setattr(Simulator, "draw", draw)
    with seeded(0):
        list(pupil(SchoolConfig(steps=200, batch_size=5, lines=(1, 3, 3, 3))).run())
    assert {n_frames for n_frames, _ in drawn} == {5}
    numbers = [n_lines for _, n_lines in drawn]
    assert set(numbers) == {1, 3}
    assert abs(numbers.count(3) / 200 - 0.75) < 4 * math.sqrt(0.75 * 0.25 / 200)


def test_nothing_is_learned_from_an_examination() -> None:
    with seeded(0):
        examined = pupil()
        before = weights(examined.policy)
        with torch.no_grad():
            lesson = examined.examine(3, 2)
    assert bool(torch.isfinite(lesson.total))
    assert examined.step == 0
    for name, value in weights(examined.policy).items():
        assert_close(value, before[name], atol=0, rtol=0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU on this machine")
def test_a_gpu_learns_from_the_frames_of_a_cpu_and_goes_on_to_the_bit(tmp_path: Path) -> None:
    def on_gpu(seed: int = 0) -> School:
        return School(SHORT, TeacherConfig(), Simulator(EASY, FRAME), learner(seed).cuda())

    with seeded(0):
        whole = on_gpu()
        lessons = whole.run()
        found = [float(next(lessons)[1].total.detach()) for _ in range(3)]
        whole.save(tmp_path / "checkpoint.pt")
        expected = [float(lesson.total.detach()) for _, lesson in lessons]
    with seeded(7):
        resumed = on_gpu(5)
        resumed.resume(tmp_path / "checkpoint.pt")
        assert [float(lesson.total.detach()) for _, lesson in resumed.run()] == expected
    assert all(math.isfinite(total) for total in (*found, *expected))
    assert {value.device.type for value in resumed.average.values()} == {"cuda"}
