"""Result of a seed: what the training curve says of it."""

from musisep_cli.methods.method import StepReport
from tests.unit.run.made import result


def test_without_training_no_step_was_skipped() -> None:
    assert result().n_skipped == 0


def test_the_last_point_of_the_curve_counts_the_skipped_steps() -> None:
    curve = tuple(StepReport(n, {"loss": 1.0}, n_skipped) for n, n_skipped in ((1, 0), (2, 3)))
    assert result(curve=curve).n_skipped == 3
