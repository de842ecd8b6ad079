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
"""Time between two checkpoints in s: a kill costs no more, and writing one takes far less."""
NEWEST, PREVIOUS = "resume.pt", "resume-previous.pt"
"""Names of the files of the last two checkpoints."""
FRAMES = re.compile(r"resume-[a-z][a-z-]*(?<!-)\.frames")
"""Names of the files of what was found in the frames, one for each stage in which they are worked
through: while a later one is young, a checkpoint of the first may be the last that is whole."""
_ANY_FORMAT = b"musisep-checkpoint-"
"""Begin of the name of a checkpoint's format, in all versions of musisep."""
_FORMAT = _ANY_FORMAT + b"3"
"""Name of the format that this version writes, and the only one that it reads."""
_UNREADABLE = (EOFError, LookupError, RuntimeError, TypeError, ValueError, pickle.PickleError)
"""What torch raises at content that is none of its own, among others."""


class Checkpoints:
    """The checkpoints of one seed.

    Args:
        folder: folder of the seed.
        run: fingerprint of the run; a checkpoint of another run is not used.
        stopped: called to ask whether the user or the system wants the work to end.
    """

    def __init__(self, folder: Path, run: str, stopped: Callable[[], bool]) -> None:
        self.folder, self.run, self.stopped = folder, run, stopped
        self.newest, self.previous = folder / NEWEST, folder / PREVIOUS
        self.saved_s = time.monotonic()

    def load(self) -> tuple[State | None, list[str]]:
        """Return the newest state that can be used, and what is wrong with newer ones.

        A damaged newest checkpoint is replaced by the previous one: else the next save would put
        the damaged one in the place of the good one.

        Returns:
            The state, None if there is none, and a sentence for each checkpoint that is damaged.

        Raises:
            OtherVersionError: the only checkpoints are of another version of musisep, and would be
                lost if the seed started over.
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
        """Make an empty file for what a stage finds in the frames; the caller closes it.

        Raises:
            OutputError: the file system refuses.
        """
        return Spool.create(self._frames(stage))

    def reopen(self, state: State) -> Spool:
        """Open the file of what was found in the frames, cut to what there was at a state.

        The caller closes it.

        Raises:
            CheckpointError: the file is damaged, or the state names none.
        """
        return Spool.reopen(self._frames(str(state.get("stage"))), state["frames"])

    def scratch(self) -> Spool:
        """Make a temporary file on the same disk, for no checkpoint; the caller closes it."""
        return Spool.temporary(self.folder)

    def _frames(self, stage: str) -> Path:
        """Return the path of the file of what a stage finds in the frames.

        Raises:
            CheckpointError: the stage's name, which may come from a file, makes no such path.
        """
        path = self.folder / f"resume-{stage}.frames"
        if not FRAMES.fullmatch(path.name):
            raise CheckpointError(f"{self.folder}: a checkpoint is of no known stage")
        return path

    def offer(self, state: Callable[[], State]) -> None:
        """Save the state if it is time to, or if the work is to end.

        Called wherever the work can be taken up again.

        Args:
            state: called for the state only if that is saved.

        Raises:
            KeyboardInterrupt: the work is to end; the state is kept.
            OutputError: the file system refuses; the checkpoints are as they were.
        """
        self.pause(state)
        if time.monotonic() - self.saved_s >= INTERVAL_S:
            self._save(state())

    def pause(self, state: Callable[[], State]) -> None:
        """Save the state and end the work if it is to end; else do nothing.

        Called where the work can be put down, but has not come further since it was saved.

        Raises:
            KeyboardInterrupt: the work is to end; the state is kept.
            OutputError: the file system refuses; the checkpoints are as they were.
        """
        if self.stopped():
            self._save(state())
            raise KeyboardInterrupt

    def _save(self, state: State) -> None:
        """Write a state as the newest checkpoint; the newest so far becomes the previous one."""
        with atomic_path(self.newest) as temporary:
            temporary.write_bytes(encode({**state, "run": self.run}))
            sync(temporary)  # until it is safe the other two stay where they are
            if self.newest.exists():
                self.newest.replace(self.previous)
        self.saved_s = time.monotonic()

    def remove(self) -> None:
        """Remove all checkpoints and the frames that belong to them, when the seed is done."""
        for path in (self.newest, self.previous):
            path.unlink(missing_ok=True)
        self.remove_unused()

    def remove_unused(self) -> None:
        """Remove the files of what was found in the frames if no checkpoint is left to use them."""
        if not (self.newest.exists() or self.previous.exists()):
            for path in list(self.folder.iterdir()):
                if FRAMES.fullmatch(path.name):
                    path.unlink()


def encode(state: State) -> bytes:
    """Return a state as the bytes of a checkpoint: as torch saves it, then format and SHA-256."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    with buffer.getbuffer() as saved:  # given back, for a buffer that is lent out cannot be freed
        digest = hashlib.sha256(saved).hexdigest().encode()
    buffer.seek(0, io.SEEK_END)
    buffer.write(b"\n%s %s" % (_FORMAT, digest))
    return buffer.getvalue()


def read(path: Path, run: str) -> State:
    """Return the state in a checkpoint.

    Args:
        path: file of the checkpoint.
        run: fingerprint of the run that the checkpoint must belong to.

    Raises:
        OtherVersionError: another version of musisep wrote it.
        CheckpointError: it cannot be read, is damaged, or belongs to another run.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
    state = _decode(path, content)
    # Without this, results of other settings would be passed off as results of these.
    if state.get("run") != run:
        raise CheckpointError(
            f"{path}: is a checkpoint of another recording, other settings or another version"
        )
    return state


def _decode(path: Path, content: bytes) -> State:
    """Return the state in the bytes of a checkpoint, after its format and hash were checked.

    Raises:
        OtherVersionError: another version of musisep wrote it.
        CheckpointError: it is damaged, or no checkpoint.
    """
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
