"""Sounds that libsndfile decodes: wav, flac, ogg, aiff and the like."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from musisep_cli.sound.blockwise import BLOCK_SAMPLES
from musisep_cli.sound.opened_sound import OpenedSound, Precision, Samples

_MAGICS = (
    b"RIFF", b"RIFX", b"RF64", b"FORM", b"fLaC", b"OggS", b".snd", b"dns.", b"caff",
    b"riff", b"NIST", b"Creative", b" paf", b"fap ", b"PVF1", b"MATLAB", b"2BIT",
    b"\x64\xa3", b"\x00\x00\xa3\x64",
)  # fmt: skip
"""The first bytes of its formats. Others are not tried with it: of bytes that are no sound it would
make an MP3, and its decoder writes to stderr."""
_LEFT_TO_OTHERS = {"GSM610", "MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III"}
"""What it counts in whole blocks, beyond the end of the sound, and cannot seek in."""


def is_known(head: bytes) -> bool:
    """Whether a file that begins so is one for libsndfile.

    >>> is_known(b"RIFF"), is_known(b"ID3")
    (True, False)
    """
    is_video = head.startswith(b"RIFF") and head[8:12] == b"AVI "
    return head.startswith(_MAGICS) and not is_video


class LibsndfileSound(OpenedSound):
    """A sound file open in libsndfile; the attributes are those of every `OpenedSound`."""

    def __init__(self, path: Path, file: soundfile.SoundFile) -> None:
        self.path = path
        self.container = f"{file.format} {file.subtype}"
        self.sample_rate_hz = file.samplerate
        self.n_channels = file.channels
        self.n_samples = file.frames
        self._file = file

    @property
    def is_left_to_others(self) -> bool:
        """Whether another decoder does better."""
        return self._file.subtype in _LEFT_TO_OTHERS

    def check_whole(self) -> None:
        """Refuse a WAV or AIFF whose file ends before its data does; libsndfile only logs it."""
        logged = re.search(
            r"^ *(?:data|SSND) *: (\d+) \(should be (\d+)\)", self._file.extra_info, re.M
        )
        if logged is None:
            return
        announced, found = int(logged[1]), int(logged[2])
        # Who writes into a pipe cannot know the length, and announces (nearly) the largest 31- or
        # 32-bit number instead.
        length_unknown = announced % 2**31 >= 2**31 - 2**16
        # Some writers miscount by the size of the header.
        if not length_unknown and announced - found > 1024:
            raise self.cut_error(found / announced)

    def blocks(self, precision: Precision) -> Iterator[Samples]:
        """Yield the sound from its start to its end, as consecutive stretches [t, c]."""
        n_read = 0
        self._file.seek(0)
        while len(block := self._file.read(BLOCK_SAMPLES, dtype=precision, always_2d=True)):
            n_read += len(block)
            yield block
        if n_read < self.n_samples:
            raise self.cut_error(n_read / self.n_samples)

    def read(self, first: int, count: int) -> NDArray[np.float32]:
        """Return some consecutive samples [t, c], fewer only where the sound ends."""
        samples = self.room(count)
        self._file.seek(first)
        read: NDArray[np.float32] = self._file.read(out=samples)
        return read
