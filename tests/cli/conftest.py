"""What tests of the command line share."""

import os
import signal
from collections.abc import Callable

import pytest

from musisep_cli.run.checkpoint import Checkpoints, State

Strike = Callable[..., None]


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def strike(monkeypatch: pytest.MonkeyPatch) -> Strike:
    """Makes something happen at the given point from which a run can go on, counted from 1."""

    def at(number: int, action: Callable[[], None] = interrupt) -> None:
        genuine, count = Checkpoints.offer, 0

        def offer(self: Checkpoints, state: Callable[[], State]) -> None:
            nonlocal count
            count += 1
            if count == number:
                action()
            genuine(self, state)

        monkeypatch.setattr(Checkpoints, "offer", offer)

    return at
