"""Given pitch: separation where the notes are known, for all methods that end in tones.

Nothing is listened to and nothing decided: the tones are there, and become stems.

Axes: ``n`` frames, ``i`` instruments, ``h`` harmonics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import torch

from musisep_cli.errors import ConfigError
from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.frames.spectra import Spectra
from musisep_cli.machine.threads import sharing_threads
from musisep_cli.methods.method import Result, Trial, Work
from musisep_cli.methods.played_notes import StemSections, stems_of_notes
from musisep_cli.players.given.by_score import PitchConfig, known_tones, score_of
from musisep_cli.players.given.explained import Explained
from musisep_cli.sound.recording import Recording
from musisep_cli.stems.fitting import FOLLOWED_FRAMES
from musisep_cli.tones.notes import NotesAround

MAX_PARTS = 16
"""Largest number of parts: of that many a tone each is fitted to a frame."""
WRITTEN_REACH = 8
"""Frames to both sides, at least, from which a written note sounds into a frame: 85 ms. A decoded
note begins and ends where its sound does, a written one somewhere near."""
START = "from the notes that are given"
"""What such a method starts from, in words."""


class PitchSettings(Protocol):
    """The section that every method has to which notes may be given."""

    @property
    def pitch(self) -> PitchConfig:
        """What is known beforehand."""


class ToneSettings(PitchSettings, StemSections, Protocol):
    """The sections that every method has that ends in tones."""

    @property
    def frame(self) -> FrameConfig:
        """The representation."""


def is_given(settings: PitchSettings) -> bool:
    """Return whether settings name files with the notes."""
    return bool(settings.pitch.files)


def part_names(settings: PitchSettings) -> tuple[str, ...]:
    """Return the names of the parts that the files of the settings hold; none without files.

    Raises:
        InputError: one of the files cannot be used.
    """
    return score_of(settings.pitch).names if is_given(settings) else ()


def check_parts(settings: PitchSettings, n_instruments: int) -> None:
    """Refuse a number of instruments that is not that of the parts.

    Raises:
        ConfigError: it is another one.
        InputError: one of the files cannot be used.
    """
    names = part_names(settings)
    if names and len(names) != n_instruments:
        raise ConfigError(
            f"--pitch holds {len(names)} parts ({', '.join(names)}), and the number of instruments "
            f"is {n_instruments}: leave -n out, or give the notes of as many parts"
        )


def trial_of_given(settings: Any, sample_rate_hz: int, n_threads: int) -> Trial:
    """Return a trial of as many frames as are followed at once.

    It is of made-up sound: the notes are taken as they are, whether they fit or not.
    """
    frame = GaborFrame(settings.frame, sample_rate_hz)
    return Trial(
        settings=replace(settings, pitch=replace(settings.pitch, align=False)),
        hop_s=frame.hop_samples / sample_rate_hz,
        n_frames=min(n_threads, 2) * FOLLOWED_FRAMES,
        n_steps=0,
        may_stop=False,
    )


def without_effect(flags: Sequence[str]) -> dict[str, str]:
    """Return the flags that change nothing where the notes are given, each with the reason."""
    return dict.fromkeys(flags, "neither listens nor decides where the notes are given")


def separate_given(recording: Recording, settings: ToneSettings, work: Work, stage: str) -> Result:
    """Turn the notes that files tell of into stems.

    Args:
        recording: what is separated.
        settings: of the method.
        work: what the run lends.
        stage: the stage before the stems, to which an interrupted run goes back.

    Raises:
        KeyboardInterrupt: the work was stopped.
        InputError: a file cannot be used, or tells nothing of this recording.
        OutputError: the disk is full.
    """
    with sharing_threads(work.n_threads, work.device) as threads, torch.no_grad():
        frame = GaborFrame(settings.frame, recording.sample_rate_hz, device=work.device)
        spectra = Spectra(recording, frame)
        work.take_up()
        n_frames = len(spectra)

        explained = Explained.of(
            spectra,
            settings.dictionary.n_harmonics,
            settings.objective,
            threads,
            pause=lambda: work.pause(stage, 0, n_frames),  # nothing of it is kept
        )
        known = known_tones(
            settings.pitch,
            explained,
            recording.start_s,
            settings.dictionary,
            lambda share: work.tell(stage, round(share * n_frames), n_frames),
        )
        n_instruments = known.dictionary.shape[1]
        # Column k holds a voice of instrument k mod their number.
        players = np.arange(known.tones[:1].on.shape[1]) % n_instruments
        least = WRITTEN_REACH if known.is_written else 0
        reach = max(settings.decoding.note_reach, least)
        work.tell(stage, n_frames, n_frames)
        for note in known.notes:
            work.tell(stage, n_frames, n_frames, note=note)
        work.pause(stage, n_frames, n_frames)
        return stems_of_notes(
            NotesAround(known.tones, reach, players),
            spectra,
            known.dictionary,
            settings,
            work,
            threads,
            stage,
            players,
        )
