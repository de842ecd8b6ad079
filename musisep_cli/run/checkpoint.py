"""Checkpoints: what a seed goes on from after it was stopped.

A state of tensors and plain values as ``torch.save`` writes it, and behind it one line that names
the format and the state's SHA-256. Nothing else than such values is ever read
(``weights_only``), and nothing before its hash is right. The last two are kept: whatever happens
while the newest is written, there is one to go on from.

What was found in the frames lies beside them in files that are only added to (``spool``): a
checkpoint says how much of it there was, and the hash of that.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import re
import time
from collections.abc import Callable
from pathlib import Path

import torch

from musisep_cli.errors import CheckpointError, OtherVersionError
from musisep_cli.frames.spool import Spool
from musisep_cli.machine.files import atomic_path, sync
from musisep_cli.methods.method import State

INTERVAL_S = 120.0
"""Time between two checkpoints. Each takes well below a second."""
NEWEST, PREVIOUS = "resume.pt", "resume-previous.pt"
FRAMES = re.compile(r"resume-[a-z][a-z-]*(?<!-)\.frames")
"""Names of the files of what was found in the frames, one for each stage in which they are worked
through: while a later one is young, a checkpoint of the first may be the last that is whole."""
_ANY_FORMAT = b"musisep-checkpoint-"
_FORMAT = _ANY_FORMAT + b"3"
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
        self.folder, self.run, self.stopped = folder, run, stopped
        self.newest, self.previous = folder / NEWEST, folder / PREVIOUS
        self.saved_s = time.monotonic()

    def load(self) -> tuple[State | None, list[str]]:
        """Return the newest state that can be used, and what is wrong with newer ones.

        It takes the place of one that cannot be used, which the next save would move over it.

        Raises:
            OtherVersionError: there is none but of another version, which is not to be lost.
        """
        problems: list[str] = []
        other: OtherVersionError | None = None
        for path in (self.newest, self.previous):
            if not path.exists():
                continue
            try:
                state = read(path, self.run)
                if state.get("frames"):
                    self.reopen(state).close()
                if problems:
                    path.replace(self.newest)
                return state, problems
            except OtherVersionError as error:
                other = other or error
            except CheckpointError as error:
                problems.append(str(error))
        if other is not None:
            raise other
        return None, problems

    def spool(self, stage: str) -> Spool:
        """An empty file for what is found in the frames, to be closed.

        Raises:
            OutputError: the file system refuses.
        """
        return Spool.create(self._frames(stage))

    def reopen(self, state: State) -> Spool:
        """The file of what was found in the frames, as it was at a state, to be closed.

        Raises:
            CheckpointError: it is damaged, or the state tells of none.
        """
        return Spool.reopen(self._frames(str(state.get("stage"))), state["frames"])

    def scratch(self) -> Spool:
        """A file that nobody goes on from, on the same disk, to be closed."""
        return Spool.temporary(self.folder)

    def _frames(self, stage: str) -> Path:
        path = self.folder / f"resume-{stage}.frames"
        if not FRAMES.fullmatch(path.name):
            raise CheckpointError(f"{self.folder}: a checkpoint is of no known stage")
        return path

    def offer(self, state: Callable[[], State]) -> None:
        """To be called wherever the work can be taken up again: keeps the state if it is time.

        Raises:
            KeyboardInterrupt: the work is to end; the state is kept.
            OutputError: the file system refuses; the checkpoints are as they were.
        """
        self.pause(state)
        if time.monotonic() - self.saved_s >= INTERVAL_S:
            self._save(state())

    def pause(self, state: Callable[[], State]) -> None:
        """To be called where the work can be put down, but has not come further.

        Raises:
            KeyboardInterrupt: the work is to end; the state is kept.
            OutputError: the file system refuses; the checkpoints are as they were.
        """
        if self.stopped():
            self._save(state())
            raise KeyboardInterrupt

    def _save(self, state: State) -> None:
        with atomic_path(self.newest) as temporary:
            temporary.write_bytes(encode({**state, "run": self.run}))
            sync(temporary)  # until it is safe the other two stay where they are
            if self.newest.exists():
                self.newest.replace(self.previous)
        self.saved_s = time.monotonic()

    def remove(self) -> None:
        """Remove them all, when the seed is done."""
        for path in (self.newest, self.previous):
            path.unlink(missing_ok=True)
        self.remove_unused()

    def remove_unused(self) -> None:
        """Remove frames that no checkpoint can tell of."""
        if not (self.newest.exists() or self.previous.exists()):
            for path in list(self.folder.iterdir()):
                if FRAMES.fullmatch(path.name):
                    path.unlink()


def encode(state: State) -> memoryview:
    """A state as the content of a checkpoint."""
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
    if name.startswith(_ANY_FORMAT) and name != _FORMAT:
        raise OtherVersionError(
            f"{path}: was kept by another version of musisep, and this one cannot go on from it. "
            "Finish it with that version, start over without --resume, or choose another --out."
        )
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
