"""Spool: rows of numbers in a file, written one after the other and read a block at a time.

What is known of all frames would fill the memory: hundreds of megabytes an hour. The file is read
and written as one, not mapped into memory: mapped pages count as memory of the process, and the
operating system alone decides whether they stay there.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from io import FileIO
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from musisep_cli.errors import CheckpointError, OutputError
from musisep_cli.frames.leaves import from_leaves, leaves
from musisep_cli.machine.files import TEMPORARY

Found = TypeVar("Found")
HASHED_BYTES = 1 << 20
"""Bytes that are read at once to verify a file."""


class Spool:
    """Rows of one type and shape in an open file; whoever opens it closes it.

    Args:
        stream: an empty file; unbuffered, so that a full disk is noticed where rows are added.
        place: its name in messages.
    """

    def __init__(self, stream: FileIO, place: Path) -> None:
        self.stream, self.place = stream, place
        self.n_rows = 0
        self.dtype: np.dtype[Any] = np.dtype(np.uint8)
        self.shape: tuple[int, ...] = ()
        self.hash = hashlib.sha256()

    @classmethod
    def temporary(cls, folder: Path | None = None) -> Spool:
        """Open a file without a name, which goes away with the process, however that ends.

        Args:
            folder: whose disk it lies on; None for the system's choice.

        Raises:
            OutputError: the file system refuses.
        """
        place = folder or Path(tempfile.gettempdir())
        try:
            stream = tempfile.TemporaryFile(  # noqa: SIM115 - whoever asked for it closes it
                dir=place, prefix=TEMPORARY, buffering=0
            )
        except OSError as error:
            raise _refusal(place, error) from error
        return cls(stream, place)

    @classmethod
    def create(cls, path: Path) -> Spool:
        """Open a file that stays, in the place of one that may be there.

        Raises:
            OutputError: the file system refuses.
        """
        try:
            return cls(path.open("wb+", buffering=0), path)
        except OSError as error:
            raise _refusal(path, error) from error

    @classmethod
    def reopen(cls, path: Path, mark: dict[str, Any]) -> Spool:
        """Open a file that stayed, as it was when it was marked; later rows are cut off.

        Raises:
            CheckpointError: it is not the file that was marked.
        """
        try:
            spool = cls(path.open("rb+", buffering=0), path)
        except OSError as error:
            raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
        try:
            spool._take_up(mark)
        except BaseException:
            spool.close()
            raise
        return spool

    def _take_up(self, mark: dict[str, Any]) -> None:
        """Verify the rows of a mark, and cut off what was added later."""
        try:
            names, kinds, shapes = zip(*mark["fields"], strict=True)
            row = np.dtype(list(zip(names, kinds, map(tuple, shapes), strict=True)))
            n_rows, digest = int(mark["rows"]), mark["sha256"]
        except (LookupError, TypeError, ValueError) as error:
            raise CheckpointError(f"{self.place}: its checkpoint does not describe it") from error
        # Rows up to the mark must be there and be what they were; any after it are cut off.
        left = n_rows * row.itemsize
        if row.hasobject or not 0 <= left <= os.fstat(self.stream.fileno()).st_size:
            raise self._damage()
        while left > 0 and (content := self.stream.read(min(left, HASHED_BYTES))):
            self.hash.update(content)
            left -= len(content)
        if self.hash.hexdigest() != digest:
            raise self._damage()
        self.n_rows, self.dtype = n_rows, row
        self.stream.truncate(n_rows * row.itemsize)

    def _damage(self) -> CheckpointError:
        return CheckpointError(f"{self.place}: is damaged or cut off")

    def mark(self) -> dict[str, Any]:
        """Bring the rows safely to the disk; return what ``reopen`` needs to find them again.

        Only for rows with named fields. The values are plain: text, numbers, lists.

        Raises:
            OutputError: the file system refuses.
        """
        try:
            os.fsync(self.stream.fileno())
        except OSError as error:
            raise _refusal(self.place, error) from error
        columns = [(name, self.dtype[name]) for name in self.dtype.names or ()]
        return {
            "rows": self.n_rows,
            "fields": [[name, kind.base.str, list(kind.shape)] for name, kind in columns],
            "sha256": self.hash.hexdigest(),
        }

    def append(self, rows: NDArray[Any]) -> None:
        """Add rows ``[n, ...]`` of the type and shape of the first.

        Raises:
            OutputError: the disk is full.
        """
        if self.n_rows == 0:
            self.dtype, self.shape = rows.dtype, rows.shape[1:]
        # A write may take only part of the content; it is repeated until all is written.
        content = np.ascontiguousarray(rows).reshape(-1).view(np.uint8).data
        self.hash.update(content)
        try:
            self.stream.seek(self.n_rows * self._row_bytes())
            while content:
                content = content[self.stream.write(content) :]
        except OSError as error:
            raise _refusal(self.place, error) from error
        self.n_rows += len(rows)

    def __len__(self) -> int:
        """Number of rows."""
        return self.n_rows

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Return some consecutive rows, ``[n, ...]``.

        Raises:
            OutputError: another program has cut the file off.
        """
        first, last, _ = rows.indices(self.n_rows)
        block = np.empty((max(last - first, 0), *self.shape), self.dtype)
        content = block.reshape(-1).view(np.uint8).data
        self.stream.seek(first * self._row_bytes())
        while content:
            n_read = self.stream.readinto(content)
            if not n_read:
                raise OutputError(f"{self.place}: was cut off by another program. --resume.")
            content = content[n_read:]
        return block

    def _row_bytes(self) -> int:
        return self.dtype.itemsize * int(np.prod(self.shape, dtype=np.int64))

    def close(self) -> None:
        """Close the file; one without a name is gone then."""
        self.stream.close()


class SpooledFrames(Generic[Found]):
    """What is found in consecutive frames, added block after block, in a file.

    Args:
        kind: a dataclass whose ``leaves`` are tensors with the frames as their first axis.
        spool: the file, empty or with frames in it.
        device: where the tensors are wanted.
    """

    def __init__(self, kind: type[Found], spool: Spool, device: torch.device) -> None:
        self.kind = kind
        self.spool, self.device = spool, device

    def add(self, found: Found) -> None:
        """Take what was found in the next frames.

        Raises:
            OutputError: the disk is full.
        """
        columns = {name: values.cpu().numpy() for name, values in leaves(found).items()}
        row = np.dtype([(name, x.dtype, x.shape[1:]) for name, x in columns.items()])
        (n_frames,) = {len(values) for values in columns.values()}
        rows = np.empty(n_frames, row)
        for name, values in columns.items():
            rows[name] = values
        self.spool.append(rows)

    def __len__(self) -> int:
        """Number of frames so far."""
        return len(self.spool)

    def __getitem__(self, frames: slice) -> Found:
        """Return what was found in some consecutive frames."""
        rows = self.spool[frames]
        # Columns are copied: torch refuses strides that are no multiple of an element.
        columns = {name: rows[name].copy() for name in rows.dtype.names or ()}
        return from_leaves(
            self.kind,
            {name: torch.from_numpy(x).to(self.device) for name, x in columns.items()},
        )


def _refusal(place: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{place}: what was found in the frames cannot be written ({error.strerror}). Make space "
        "and --resume, or choose another folder with --out."
    )
