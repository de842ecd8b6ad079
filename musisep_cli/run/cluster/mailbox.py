"""Mailbox: an actor that takes reports from the workers to the driver."""

from __future__ import annotations

import time
from typing import Any

from musisep_cli.methods.method import Progress

QUIET_S = 0.5
"""Time in s between two reports of one unit: more often nobody looks, and each is a message."""


class Mailbox:
    """Keeps reports until the driver takes them; Ray makes an actor of it."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Any, Progress]] = []

    def put(self, key: Any, progress: Progress) -> None:
        """Take in a report of a unit."""
        self.waiting.append((key, progress))

    def take(self) -> list[tuple[Any, Progress]]:
        """Return all reports since the last time, in the order in which they came."""
        taken, self.waiting = self.waiting, []
        return taken


class Post:
    """Sends the reports of one unit, of steps that follow each other quickly only some.

    Args:
        mailbox: the actor.
        key: names the unit.
    """

    def __init__(self, mailbox: Any, key: Any) -> None:
        self.mailbox, self.key = mailbox, key
        self.stage, self.sent_s = "", float("-inf")

    def __call__(self, progress: Progress) -> None:
        """Send a report if it has a note, begins or ends a stage, or the last one is old."""
        now_s = time.monotonic()
        if (
            progress.note
            or progress.stage != self.stage
            or progress.done == progress.total
            or now_s - self.sent_s >= QUIET_S
        ):
            self.stage, self.sent_s = progress.stage, now_s
            self.mailbox.put.remote(self.key, progress)
