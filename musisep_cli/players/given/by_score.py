"""By score: what a method calls whose tones need not be found, for they are known.

Axes: ``n`` frames, ``k`` tones of a frame, ``i`` instruments, ``h`` harmonics.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from musisep_cli.errors import InputError
from musisep_cli.frames.spectra import Spectra
from musisep_cli.players.decoded import dictionary_of_timbres
from musisep_cli.players.given.alignment import aligned
from musisep_cli.players.given.onsets import mended, without_overlaps
from musisep_cli.players.given.salience import salience
from musisep_cli.players.given.tones import KnownTones, set_tones
from musisep_cli.sound.score.part import KnownNote, Part
from musisep_cli.sound.score.reading import Score, read_score
from musisep_cli.tones.dictionary import DictionaryConfig
from musisep_cli.tones.tones import Tones

MOST_VOICES, MOST_TONES = 6, 16
"""Most notes at once in a part, and most tones in a frame: so many are fitted together in
reasonable time."""
MERGED_SEMITONES = 0.2
"""Semitones from a ratio of 1:1, 1:2 or 1:3 within which two tones count as merged."""
MERGED_INTERVALS = (0.0, 12.0, 12 * float(np.log2(3)))
"""Intervals of these ratios in semitones: all harmonics of the higher tone meet the lower one's."""
ROUNDED_SEMITONES = 0.01
"""Distance from a key up to which a pitch counts as that of the key."""
MANY_MERGED = 0.2
"""Share of merged frames, 0 to 1, from which on the user is warned."""


@dataclass(frozen=True, kw_only=True)
class PitchConfig:
    """What is known beforehand of the notes."""

    files: tuple[str, ...] = field(default=(), metadata={"no_file": ("",)})
    """Paths of files that hold the notes or the pitch of every instrument: MIDI, ``notes.csv``,
    ``pitch.csv`` of a run, or tables of pitch tracks. None: the notes are found."""
    align: bool = True
    """Whether the notes are brought to the recording's times, tuning and octaves. Without, they are
    taken as they are, but for pitches within half a semitone."""


@dataclass(frozen=True)
class Known:
    """The tones of a recording as its notes tell them.

    Attributes:
        tones: of all frames, ``[n, k]``; tone k is played by instrument k mod i.
        dictionary: D, ``[h, i]``.
        is_written: whether notes were given, and not only pitch tracks that were measured.
        notes: sentences that the user should read.
    """

    tones: Tones
    dictionary: Tensor
    is_written: bool
    notes: tuple[str, ...]


def score_of(config: PitchConfig) -> Score:
    """Read the files of the settings.

    Raises:
        InputError: one of them cannot be used.
    """
    return read_score([Path(name) for name in config.files])


def known_tones(
    config: PitchConfig,
    spectra: Spectra,
    start_s: float | None,
    dictionary: DictionaryConfig,
    reached: Callable[[int], None] = lambda _: None,
) -> Known:
    """Return the tones that files tell of, where they sound in a recording.

    Args:
        config: names the files.
        spectra: of the recording.
        start_s: where the recording begins in the file that it is a part of, in s; None if it is
            all of it.
        dictionary: number of harmonics, and how a dictionary starts.
        reached: called with the number of frames done, again and again; may raise to end the work.

    Raises:
        InputError: a file cannot be used, or tells nothing of this recording.
    """
    parts, said = _placed(score_of(config), spectra, start_s, align=config.align)
    voices, n_left = _voices(parts, spectra, partial(reached, 0), align=config.align)
    times_s = spectra.centres.cpu().numpy().astype(np.float64) / spectra.frame.sample_rate_hz
    known = KnownTones.of(voices, [part.is_contour for part in parts], times_s)
    if config.align and not known.on.any():
        raise InputError(
            f"{', '.join(config.files)}: no note sounds in this recording of "
            f"{_length_s(spectra):.1f} s. Give its own notes."
        )
    found = set_tones(known, spectra, len(parts), dictionary.n_harmonics, reached)
    if n_left:
        said.append(f"{n_left} given notes are left out: too many sound at once in one part")
    merged = merged_share(known, len(parts))
    if merged > MANY_MERGED:
        said.append(
            f"in {merged:.0%} of the frames two parts are in unison, an octave or a twelfth apart: "
            "there the pitch does not tell them apart"
        )
    timbres = dictionary_of_timbres(found.timbres, dictionary).to(spectra.mean)
    is_written = not all(part.is_contour for part in parts)
    return Known(found.tones, timbres, is_written, tuple(said))


def _length_s(spectra: Spectra) -> float:
    """Return the length of a recording in s."""
    return len(spectra.mean) / spectra.frame.sample_rate_hz


def _placed(
    score: Score, spectra: Spectra, start_s: float | None, *, align: bool
) -> tuple[list[Part], list[str]]:
    """Return the parts at the recording's times, and in words what the user should know.

    Raises:
        InputError: a track ends too early.
    """
    # A file tells of the whole recording, what a run found of the part that was separated.
    before_s = 0.0 if score.is_of_run else start_s or 0.0
    parts = [part.moved(lambda times_s: times_s - before_s) for part in score.parts]
    length_s = _length_s(spectra)
    for part in parts:
        if align and part.until_s - before_s < length_s / 2:
            raise InputError(
                f"the pitch track of {part.name} ends after {part.until_s - before_s:.1f} s of "
                f"{length_s:.1f} s. Give the pitch of the whole recording."
            )
    said = [
        f"the pitch track of {part.name} is rounded to semitones: give the measured pitch, if "
        "there is one"
        for part in parts
        if part.is_contour and is_rounded(part)
    ]
    if not align:
        return parts, said
    found, grid = salience(spectra)
    # Whichever of the two it is, the other is tried as well.
    shifts_s = () if not start_s else (before_s or -start_s,)
    placed = aligned(parts, found, grid, shifts_s, is_whole=start_s is None)
    words = placed.words()
    return list(placed.parts), said + [f"the given notes: {'; '.join(words)}"] * bool(words)


def is_rounded(part: Part) -> bool:
    """Return whether the pitch of a track is that of keys only."""
    semitones = np.concatenate([note.semitones for note in part.notes])
    return bool((np.abs(semitones - np.round(semitones)) < ROUNDED_SEMITONES).all())


def _voices(
    parts: list[Part], spectra: Spectra, pause: Callable[[], None], *, align: bool
) -> tuple[list[list[list[KnownNote]]], int]:
    """Return the notes of every voice of every part, and how many notes are left out."""
    most = max(1, min(MOST_VOICES, MOST_TONES // len(parts)))
    voices, n_left = [], 0
    for part in parts:
        of_part, left = without_overlaps(part, most)
        is_exact = part.is_contour or not align
        voices.append(of_part if is_exact else mended(of_part, spectra, pause))
        n_left += left
    return voices, n_left


def merged_share(known: KnownTones, n_instruments: int) -> float:
    """Return the share of the frames with tones in which pitch does not tell two parts apart."""
    players = np.arange(known.on.shape[1]) % n_instruments
    found = merged(known.on, known.semitones, players)
    return float(found.sum() / max(int(known.on.any(1).sum()), 1))


def merged(
    on: NDArray[np.bool_], semitones: NDArray[np.floating[Any]], players: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return in which frames pitch does not tell two parts apart, ``[n]``.

    Args:
        on: whether each tone sounds, ``[n, k]``.
        semitones: pitches, MIDI numbers, ``[n, k]``.
        players: which part has each tone, ``[k]``.
    """
    found = np.zeros(len(on), bool)
    for a in range(on.shape[1]):
        for b in range(a):
            if players[a] == players[b]:
                continue
            apart = np.abs(semitones[:, a] - semitones[:, b])
            near = np.min([np.abs(apart - interval) for interval in MERGED_INTERVALS], axis=0)
            found |= on[:, a] & on[:, b] & (near < MERGED_SEMITONES)
    return found
