"""Checkpoints: what a seed goes on from after it was stopped.

A state of tensors and plain values as ``torch.save`` writes it, and behind it one line that names
the format and the state's SHA-256. Nothing else than such values is ever read
(``weights_only``), and nothing before its hash is right. The last two are kept: whatever happens
while the newest is written, there is one to go on from.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import torch

from musisep_cli.errors import CheckpointError
from musisep_cli.files import atomic_path

State: TypeAlias = dict[str, Any]
"""Names to tensors, numbers, texts, and lists and dicts of them."""

INTERVAL_S = 120.0
"""Time between two checkpoints. Each takes well below a second, for an hour's sound a few."""
NEWEST, PREVIOUS = "resume.pt", "resume-previous.pt"
_FORMAT = b"musisep-checkpoint-1"
_UNREADABLE = (EOFError, LookupError, RuntimeError, TypeError, ValueError, pickle.PickleError)
"""What torch raises at content that is none of its own, among others."""


class Checkpoints:
    """The checkpoints of one seed.

    Args:
        folder: where they lie.
        run: what the seed is made of, as a hash: a checkpoint of another run is not used.
        stopped: whether the user or the system wants the work to end.
    """

    def __init__(self, folder: Path, run: str, stopped: Callable[[], bool]) -> None:
        self.newest, self.previous = folder / NEWEST, folder / PREVIOUS
        self.run, self.stopped = run, stopped
        self.saved_s = time.monotonic()

    def load(self) -> tuple[State | None, list[str]]:
        """The newest state that can be used, and what is wrong with newer ones."""
        problems: list[str] = []
        for path in (self.newest, self.previous):
            if not path.exists():
                continue
            try:
                return read(path, self.run), problems
            except CheckpointError as error:
                problems.append(str(error))
        return None, problems

    def offer(self, state: Callable[[], State]) -> None:
        """To be called wherever the work can be taken up again: keeps the state if it is time.

        Raises:
            KeyboardInterrupt: the work is to end; the state is kept.
            OutputError: the file system refuses; the checkpoints are as they were.
        """
        stopped = self.stopped()
        if stopped or time.monotonic() - self.saved_s >= INTERVAL_S:
            self._save(state())
        if stopped:
            raise KeyboardInterrupt

    def _save(self, state: State) -> None:
        with atomic_path(self.newest) as temporary:
            temporary.write_bytes(encode({**state, "run": self.run}))
            if self.newest.exists():
                self.newest.replace(self.previous)
        self.saved_s = time.monotonic()

    def remove(self) -> None:
        """Remove both, when the seed is done."""
        for path in (self.newest, self.previous):
            path.unlink(missing_ok=True)


def encode(state: State) -> memoryview:
    """A state as the content of a checkpoint, in memory once: an hour's frames are large."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    digest = hashlib.sha256(buffer.getbuffer()).hexdigest().encode()
    buffer.seek(0, io.SEEK_END)
    buffer.write(b"\n%s %s" % (_FORMAT, digest))
    return buffer.getbuffer()


def read(path: Path, run: str) -> State:
    """The state in a checkpoint.

    Raises:
        CheckpointError: it is damaged, is none, or belongs to another run.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
    state = _decode(path, content)
    if state.get("run") != run:
        raise CheckpointError(
            f"{path}: is a checkpoint of another recording, other settings or another version"
        )
    return state


def _decode(path: Path, content: bytes) -> State:
    end = content.rfind(b"\n")
    payload, (name, _, digest) = memoryview(content)[:end], content[end + 1 :].partition(b" ")
    if name != _FORMAT or hashlib.sha256(payload).hexdigest().encode() != digest:
        raise CheckpointError(
            f"{path}: is damaged or cut off, or is not a checkpoint of this version of musisep"
        )
    try:
        state = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        raise CheckpointError(f"{path}: holds no state that can be read") from error
    if not isinstance(state, dict):
        raise CheckpointError(f"{path}: holds no state of a seed")
    return state
