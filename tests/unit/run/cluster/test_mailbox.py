"""The mailbox: reports come in order, and of quick steps only some."""

from collections.abc import Callable
from typing import Any

import pytest

from musisep_cli.methods.method import Progress
from musisep_cli.run.cluster import mailbox
from musisep_cli.run.cluster.mailbox import QUIET_S, Mailbox, Post


class Remote:
    """Calls at once what Ray would call in another process."""

    def __init__(self, function: Callable[..., None]) -> None:
        self.remote = function


class Actor:
    def __init__(self) -> None:
        self.box = Mailbox()
        self.put = Remote(self.box.put)


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(mailbox, "time", clock)
    return clock


def sent(actor: Actor) -> list[int]:
    return [progress.done for _, progress in actor.box.take()]


def test_what_was_taken_is_gone() -> None:
    box = Mailbox()
    box.put("a", Progress(0, "listening", 1, 2))
    box.put("b", Progress(1, "listening", 2, 2))
    assert [key for key, _ in box.take()] == ["a", "b"]
    assert box.take() == []


def test_quick_steps_are_sent_now_and_then_and_the_last_in_any_case(clock: Clock) -> None:
    actor: Any = Actor()
    post = Post(actor, "key")
    for done in range(1, 101):
        post(Progress(0, "training", done, 100))
        clock.now_s += QUIET_S / 8
    assert sent(actor) == [*range(1, 100, 8), 100]


def test_a_new_stage_and_a_note_are_sent_at_once(clock: Clock) -> None:
    actor: Any = Actor()
    post = Post(actor, "key")
    for progress in (
        Progress(0, "training", 1, 100),
        Progress(0, "training", 2, 100),
        Progress(0, "training", 3, 100, note="the batch was halved"),
        Progress(0, "listening", 1, 9),
        Progress(0, "listening", 2, 9),
    ):
        post(progress)
    assert sent(actor) == [1, 3, 1]
