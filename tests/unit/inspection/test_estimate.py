"""Estimate: how long a separation takes, and whether it fits into memory."""

from dataclasses import replace

import pytest
import torch

from musisep_cli.inspection import estimate
from musisep_cli.inspection.estimate import Estimate, Measured
from musisep_cli.methods.method import Progress, StepReport
from musisep_cli.run.settings.compose import compose, resolved

CPU = torch.device("cpu")

FITS = Estimate(
    preset="quick",
    device="cpu",
    n_instruments=2,
    n_iterations=10,
    may_stop=False,
    step_s=0.1,
    n_frames=100,
    frame_s=0.01,
    total_s=2.0,
    memory_bytes=1_000_000_000,
    gpu_memory_bytes=None,
    machine_memory_bytes=2_000_000_000,
)


def test_what_fits_or_is_not_known_is_no_warning() -> None:
    assert FITS.warnings() == []
    assert replace(FITS, memory_bytes=None).warnings() == []
    assert replace(FITS, machine_memory_bytes=None).warnings() == []


def test_what_does_not_fit_is_told_in_gigabytes() -> None:
    [told] = replace(FITS, memory_bytes=3_000_000_000).warnings()
    assert "needs about 3.0 GB of memory, and this machine has 2.0 GB" in told


def measured(
    monkeypatch: pytest.MonkeyPatch, preset: str, reports: list[tuple[int, float]], rest_s: float
) -> Measured:
    """What a trial took that reports so many steps after so many seconds, by a clock of its own."""
    clock = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])

    def trained(*args: object) -> None:
        mark = args[-1]
        assert callable(mark)
        for n_done, taken_s in reports:
            clock[0] += taken_s
            mark(Progress(0, "training", n_done, 10_000, StepReport(n_done, {}, 0)))
        clock[0] += rest_s
        mark(Progress(0, "resynthesis", 100, 100, None))

    monkeypatch.setattr(estimate, "run_seed", trained)
    config = compose(preset, {"run": {"instruments": 2}})
    return Measured.of(44_100, 1, resolved(config, CPU), CPU)


def test_reports_of_several_steps_count_as_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    # Sparse pursuit reports every 500 steps: once a report was taken for a step, and an estimate
    # said 3 hours where half a minute was needed.
    reports = [(500, 2.0), (1000, 2.0), (1500, 2.0)]
    found = measured(monkeypatch, "pursuit", reports, rest_s=3.0)
    assert found.step_s == 2.0 / 500
    assert found.frame_s == 3.0 / found.trial.n_frames


def test_a_slow_first_step_does_not_end_the_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    reports = [(1, estimate.LONGEST_S + 1), (2, 0.5)]
    found = measured(monkeypatch, "source-filter", reports, rest_s=0.0)
    assert found.step_s == 0.5
    assert found.frame_s is None
