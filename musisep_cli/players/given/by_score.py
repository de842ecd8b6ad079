"""By score: what a method calls whose tones need not be found, for they are known.

Axes: ``n`` frames, ``k`` tones of a frame, ``i`` instruments, ``h`` harmonics.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from musisep_cli.errors import InputError
from musisep_cli.frames.spectra import Spectra
from musisep_cli.players.decoded import dictionary_of_timbres
from musisep_cli.players.given.alignment import aligned
from musisep_cli.players.given.explained import Explained
from musisep_cli.players.given.salience import salience
from musisep_cli.players.given.sounding import where_they_sound
from musisep_cli.players.given.tones import KnownTones, followed, in_columns, set_tones
from musisep_cli.sound.score.part import KnownNote, Part
from musisep_cli.sound.score.reading import Score, read_score
from musisep_cli.tones.dictionary import DictionaryConfig
from musisep_cli.tones.tones import Tones

MOST_VOICES, MOST_TONES = 6, 16
"""Most notes at once in a part, and most tones in a frame: so many are fitted together in
reasonable time."""
LEGATO_S = 0.12
"""Overlap in s up to which two notes are one after the other, not together."""
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
    explained: Explained,
    start_s: float | None,
    dictionary: DictionaryConfig,
    reached: Callable[[float], None] = lambda _: None,
) -> Known:
    """Return the tones that files tell of, where they sound in a recording.

    Args:
        config: names the files.
        explained: the recording, and how tones are fitted to it.
        start_s: where the recording begins in the file that it is a part of, in s; None if it is
            all of it.
        dictionary: how a dictionary starts.
        reached: called with the share of the work that is done, 0 to 1.

    Raises:
        InputError: a file cannot be used, or tells nothing of this recording.
    """
    spectra = explained.spectra
    parts, said = _placed(score_of(config), spectra, start_s, align=config.align)
    voices, n_left = _voices(parts, _length_s(spectra))
    known = KnownTones.of(voices, [part.is_contour for part in parts], explained.times_s)
    if config.align and not known.on.any():
        raise InputError(
            f"{', '.join(config.files)}: no note sounds in this recording of "
            f"{_length_s(spectra):.1f} s. Give its own notes."
        )
    cents = followed(known, explained, lambda share: reached(0.2 * share))
    known = known.with_strings(explained, cents)
    if config.align:
        written = [
            [() if part.is_contour else voice for voice in of_part]
            for part, of_part in zip(parts, voices, strict=True)
        ]
        known = where_they_sound(
            known, in_columns(written), explained, lambda share: reached(0.2 + 0.6 * share)
        )
    found = set_tones(known, explained, len(parts), lambda share: reached(0.8 + 0.2 * share))
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


def _voices(parts: list[Part], length_s: float) -> tuple[list[list[list[KnownNote]]], int]:
    """Return the notes of every voice of every part, and how many notes are left out.

    Those that lie outside of the recording are not counted.

    Args:
        parts: at the recording's times.
        length_s: of the recording.
    """
    most = max(1, min(MOST_VOICES, MOST_TONES // len(parts)))
    voices, n_left = [], 0
    for part in parts:
        within = [note for note in part.notes if note.offset_s > 0 and note.onset_s < length_s]
        of_part, left = without_overlaps(part.with_notes(within), most)
        voices.append(of_part)
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


def without_overlaps(part: Part, most: int) -> tuple[list[list[KnownNote]], int]:
    """Return the notes of a part in voices in which none overlap, and how many did not fit in.

    A note that only just reaches into the next one is played legato: it ends where that begins.

    Args:
        part: notes in order of their onsets.
        most: largest number of voices.

    >>> played = (0, 1.05, 60), (1, 2, 62), (1, 3, 69)
    >>> notes = [KnownNote.steady(*each) for each in played]
    >>> voices, n_left = without_overlaps(Part(name="a", notes=tuple(notes)), 2)
    >>> [[(note.onset_s, note.offset_s) for note in voice] for voice in voices], n_left
    ([[(0, 1), (1, 2)], [(1, 3)]], 0)
    """
    voices: list[list[KnownNote]] = []
    n_left = 0
    for note in part.notes:
        free = [
            voice
            for voice in voices
            if voice[-1].offset_s - note.onset_s
            <= min(LEGATO_S, 0.5 * (voice[-1].offset_s - voice[-1].onset_s))
        ]
        if free:
            # The voice whose last note is nearest in pitch goes on: as hands and strings do.
            nearest = min(
                free, key=lambda voice: abs(voice[-1].middle_semitones - note.middle_semitones)
            )
            if nearest[-1].offset_s > note.onset_s:
                nearest[-1] = replace(nearest[-1], offset_s=note.onset_s)
            nearest.append(note)
        elif len(voices) < most:
            voices.append([note])
        else:
            n_left += 1
    return voices, n_left
