"""A sound that is open for reading, whatever its format and whoever decodes it.

| what | who decodes |
| --- | --- |
| wav, flac, ogg, aiff and the like | `libsndfile_sound` |
| MP3 and its older layers | `mpeg_sound`, over the frames of `mpeg_stream` |
| m4a, video and all the rest | `container_sound` |
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from musisep_cli.errors import InputError

Samples: TypeAlias = NDArray[np.floating[Any]]
Precision: TypeAlias = Literal["float32", "float64"]
"""The type of the numbers that are read; 64 bits hold what some files have beyond 24."""
READABLE = "wav, flac, ogg, mp3, aiff, m4a or a video"
"""What is offered to who gave something else."""
LENGTH_UNKNOWN = 2**63 - 1
"""What stands for the length, in samples, of a file that does not tell it (libsndfile's number)."""
_ROOM_SAMPLES = 1 << 25
"""Room that is made at first for a sound of unknown length: 12 min at 48 kHz."""


class OpenedSound(ABC):
    """A sound that is open for reading.

    Attributes:
        path: Its file.
        container: Formats of the file and of the numbers in it, in words.
        sample_rate_hz: Samples per second.
        n_channels: Number of channels c.
        n_samples: Number of time samples t; `LENGTH_UNKNOWN` if nothing tells it.
        is_estimate: Whether that is only about right, until all has been decoded.
    """

    path: Path
    container: str
    sample_rate_hz: int
    n_channels: int
    n_samples: int
    is_estimate: bool = False

    @abstractmethod
    def blocks(self, precision: Precision) -> Iterator[Samples]:
        """Yield the sound from its start to its end, as consecutive stretches [t, c].

        Raises:
            InputError: It ends before it should.
        """

    @abstractmethod
    def check_whole(self) -> None:
        """Refuse a file that shows without being decoded that it is cut off.

        Raises:
            InputError: It is.
        """

    def read(self, first: int, count: int) -> NDArray[np.float32]:
        """Return some consecutive samples [t, c], fewer only where the sound ends.

        Args:
            first: The number of samples before them.
            count: Their number.

        Raises:
            InputError: The file is damaged or cut off, or memory does not hold so much.
        """
        n_expected = min(count, max(self.n_samples - first, 1))
        if self.is_estimate:
            # It may be far too high: nothing is refused for that, there is more room when needed.
            n_expected = min(n_expected, _ROOM_SAMPLES)
        samples = self.room(n_expected)
        n_before = n_read = 0
        for block in self.blocks("float32"):
            wanted = block[max(first - n_before, 0) :][: count - n_read]
            n_before += len(block)
            if n_read + len(wanted) > len(samples):
                # Half as much more at once, so that this is seldom needed.
                samples = self._resized(samples, n_read + len(wanted) + len(samples) // 2)
            samples[n_read : n_read + len(wanted)] = wanted
            n_read += len(wanted)
            if n_read == count:
                break
        return self._resized(samples, n_read)

    def room(self, n_samples: int) -> NDArray[np.float32]:
        """Return memory for so many samples, [t, c], before anything is decoded.

        Raises:
            InputError: There is not so much.
        """
        try:
            return np.empty((n_samples, self.n_channels), dtype=np.float32)
        except MemoryError as error:
            raise self._memory_error(n_samples) from error

    def cut_error(self, share: float | None = None) -> InputError:
        """Return the error of a file that ends before it should.

        Args:
            share: How much of it is there, if that is known.
        """
        how = (
            "it ends within a frame"
            if share is None
            else f"{share:.0%} of the sound that its header announces is there"
        )
        return InputError(
            f"{self.path}: is cut off: {how}. Copy it again, or take what is there with --duration."
        )

    def _resized(self, samples: NDArray[np.float32], n_samples: int) -> NDArray[np.float32]:
        """The same samples with more or less room behind them, in place where that can be."""
        try:
            samples.resize((n_samples, self.n_channels), refcheck=False)
        except MemoryError as error:
            raise self._memory_error(n_samples) from error
        return samples

    def _memory_error(self, n_samples: int) -> InputError:
        gigabytes = n_samples * self.n_channels * 4 / 1e9
        return InputError(
            f"{self.path}: needs {gigabytes:.0f} GB of memory, more than there is. "
            "Take parts of it with --start and --duration."
        )
