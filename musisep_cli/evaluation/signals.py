"""Signals: the files of one take, read side by side in blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from musisep_cli.evaluation.agreement import agree
from musisep_cli.evaluation.delay import Delay
from musisep_cli.evaluation.metrics import Block, masked_blocks
from musisep_cli.evaluation.takes import Take
from musisep_cli.evaluation.tracks import Layout, Track, open_track, read_blocks


@dataclass(frozen=True, kw_only=True)
class Signals:
    """The tracks of one take, and how they are brought together.

    Attributes:
        references: the true sounds of the instruments.
        stems: the sounds that a separation made of the mixture.
        mix: the mixture, if there is a file of it.
        layout: sample rate, length and channels of all blocks.
        delays: how each stem is late, which is undone when it is read.
        part_start_s: where the part of the recording begins that is scored, in s; None for all.
    """

    references: tuple[Track, ...]
    stems: tuple[Track, ...]
    mix: Track | None
    layout: Layout
    delays: tuple[Delay, ...]
    part_start_s: float | None = None

    @property
    def duration_s(self) -> float:
        """Return the length of all signals in s."""
        return self.layout.n_samples / self.layout.sample_rate_hz

    def stem_blocks(self) -> Iterator[Block]:
        """Yield blocks of the references, and of the stems as estimates."""
        return self._side_by_side(self.stems, self.delays)

    def blocks(self, *, ceiling: bool) -> Iterator[Block]:
        """Yield blocks of the references, and of all estimates that are scored.

        Args:
            ceiling: whether the mixture through the ideal ratio masks is scored too.

        Yields:
            As estimates the stems, the mixture if there is a file of it, and then the masked
            mixtures, one per reference.
        """
        mix = (self.mix,) if self.mix else ()
        plain = self._side_by_side((*self.stems, *mix), (*self.delays, *(Delay() for _ in mix)))
        if not ceiling:
            return plain
        masked = masked_blocks(self._mixture_blocks(), self.layout.sample_rate_hz)
        return (
            Block(block.reference, np.concatenate([block.estimate, extra.estimate]))
            for block, extra in zip(plain, masked, strict=True)
        )

    def _mixture_blocks(self) -> Iterator[Block]:
        """Yield blocks of the references, and of the mixture, which may be their sum."""
        if self.mix:
            yield from self._side_by_side((self.mix,), (Delay(),))
        else:
            for block in self._side_by_side((), ()):
                yield Block(block.reference, block.reference.sum(axis=0, keepdims=True))

    def _side_by_side(self, estimates: Sequence[Track], delays: Sequence[Delay]) -> Iterator[Block]:
        """Yield blocks of the references, and of the estimates, each without its delay."""
        readers = [read_blocks(track, self.layout) for track in self.references]
        readers += [
            read_blocks(track, self.layout, delay)
            for track, delay in zip(estimates, delays, strict=True)
        ]
        for together in zip(*readers, strict=True):
            stacked: NDArray[np.float64] = np.stack(together)
            yield Block(stacked[: len(self.references)], stacked[len(self.references) :])


def open_signals(take: Take, *, strict: bool) -> tuple[Signals, list[str]]:
    """Read the headers of a take's files, and return its signals with the notices of all changes.

    Args:
        take: the files.
        strict: whether a file that would be resampled, padded, cut or mixed down is an error.

    Raises:
        InputError: a file cannot be read, or would be changed although ``strict`` is set.
    """
    references = tuple(map(open_track, take.references))
    stems = tuple(map(open_track, take.stems))
    mix = open_track(take.mix) if take.mix else None
    part_start_s = None
    if take.part_start_s is not None:
        duration_s = max(stem.n_samples / stem.sample_rate_hz for stem in stems)
        part = partial(Track.part, start_s=take.part_start_s, duration_s=duration_s)
        parts = tuple(map(part, references))
        if parts != references:
            part_start_s, references = take.part_start_s, parts
            mix = part(mix) if mix else None
    layout, notices = agree(references=references, stems=stems, mix=mix, strict=strict)
    signals = Signals(
        references=references,
        stems=stems,
        mix=mix,
        layout=layout,
        delays=(Delay(),) * len(stems),
        part_start_s=part_start_s,
    )
    if part_start_s is not None:
        until_s = part_start_s + signals.duration_s
        said = f"scored from {part_start_s:.3f} to {until_s:.3f} s of the references"
        notices = [f"{said}: only that part was separated.", *notices]
    return signals, notices
