"""Journal: what a seed did so far is told, kept, and gone on from."""

import math
from collections.abc import Callable
from contextlib import ExitStack

import numpy as np
import pytest
import torch

from musisep_cli.errors import CheckpointError
from musisep_cli.methods.method import Progress, State, StepReport
from musisep_cli.run.journal import CURVE_POINTS, Desk, Journal
from musisep_cli.sound.recording import Recording
from musisep_cli.tones.tracks import PitchTracks
from tests.small import seeded


def found_tracks(
    recording: Recording, n_instruments: int, reached: Callable[[int, str], None]
) -> PitchTracks:
    """As many silent tracks as there are instruments."""
    reached(50, "half of it")
    nothing = np.zeros((n_instruments, 2))
    return PitchTracks(times_s=np.arange(2.0), f0_hz=nothing, amplitude=nothing, on=nothing > 0)


class Told(list[Progress]):
    """What was told, and a journal that tells it."""

    def journal(self, state: State | None = None) -> Journal:
        desk = Desk(
            device=torch.device("cpu"),
            n_threads=1,
            precision="float32",
            shelf=lambda stretches, shape: np.concatenate(list(stretches), 1),
            checkpoints=None,
            on_progress=self.append,
            find_tracks=found_tracks,
        )
        return Journal(5, desk, state, ExitStack())


def step(iteration: int, loss: float, n_skipped: int = 0) -> StepReport:
    return StepReport(iteration, {"loss": loss}, n_skipped)


def test_a_seed_from_the_start_has_no_state() -> None:
    told = Told()
    assert told.journal().take_up() == {}
    assert told == []


def test_tracks_are_found_for_a_method_and_how_far_they_are_is_told() -> None:
    told = Told()
    recording = Recording(samples=np.ones((9, 1), np.float32), sample_rate_hz=8000)
    assert told.journal().blind_tracks("tracking", recording, 3).on.shape == (3, 2)
    assert told == [Progress(5, "tracking", 50, 100, note="half of it")]


def test_a_state_gives_back_curve_time_random_numbers_and_what_the_method_kept() -> None:
    told = Told()
    with seeded(3):
        first = told.journal()
        first.keep = lambda: {"weights": 7}
        first.stepped("training", step(1, 4.0), 10)
        first.started_s -= 100
        state = first.state("training", 1, 10)
        expected = torch.rand(3)
        second = told.journal(state)
        torch.rand(5)
        assert second.take_up() == {"weights": 7}
        torch.testing.assert_close(torch.rand(3), expected, rtol=0, atol=0)
    assert second.curve == first.curve
    assert 100 <= second.wall_s < 160
    assert told[-1].note == "going on with training from 1 of 10"


def test_a_long_curve_is_kept_as_means_of_what_is_finite() -> None:
    journal = Told().journal()
    total = 2 * CURVE_POINTS
    losses = [1.0, 3.0, math.inf, 5.0, math.nan, math.nan, 9.0]
    for number, loss in enumerate(losses, 1):
        journal.stepped("training", step(number, loss, number), total)
    assert [(row.iteration, row.n_skipped) for row in journal.curve] == [(2, 2), (4, 4), (6, 6)]
    assert [row.terms["loss"] for row in journal.curve[:2]] == [2.0, 5.0]
    assert math.isnan(journal.curve[2].terms["loss"])
    assert [row.terms["loss"] for row in journal.stretch] == [9.0]


@pytest.mark.parametrize("damage", ["method", "curve", "wall_s"])
def test_a_state_that_lacks_something_is_an_error_of_the_checkpoint(damage: str) -> None:
    state = Told().journal().state("training", 1, 10)
    del state[damage]
    with pytest.raises(CheckpointError, match=r"seed 5: .*does not fit.*without --resume"):
        Told().journal(state).take_up()


def test_stems_go_where_the_desk_wants_them() -> None:
    stretches = [np.full((1, 2, 1), value, np.float32) for value in (1, 2)]
    stems = Told().journal().shelve(iter(stretches), (1, 4, 1))
    np.testing.assert_array_equal(np.asarray(stems)[0, :, 0], [1, 1, 2, 2])
