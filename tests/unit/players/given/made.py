"""A made duet with its notes, and its spectra."""

from functools import cache

import numpy as np

from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.frames.spectra import Spectra
from musisep_cli.sound.recording import Recording
from musisep_cli.sound.score.part import KnownNote, Part
from tests.signals import (
    CLARINET_MELODY,
    CLARINET_NOTE_S,
    FLUTE_MELODY,
    FLUTE_NOTE_S,
    Signal,
    duet,
)

RATE_HZ, LENGTH_S = 8000, 3.5


@cache
def sounds() -> dict[str, Signal]:
    return duet(duration_s=LENGTH_S, sample_rate_hz=RATE_HZ)


def spectra_of(samples: Signal) -> Spectra:
    recording = Recording(samples=samples[:, None].astype(np.float32), sample_rate_hz=RATE_HZ)
    return Spectra(recording, GaborFrame(FrameConfig(), RATE_HZ))


@cache
def spectra() -> Spectra:
    return spectra_of(sum(sounds().values()))


def line(pitches: tuple[float, ...], note_s: float) -> tuple[KnownNote, ...]:
    n_notes = round(LENGTH_S / note_s)
    return tuple(
        KnownNote.steady(k * note_s, (k + 1) * note_s, pitches[k % len(pitches)])
        for k in range(n_notes)
    )


def parts() -> list[Part]:
    return [
        Part(name="flute", notes=line(FLUTE_MELODY, FLUTE_NOTE_S)),
        Part(name="clarinet", notes=line(CLARINET_MELODY, CLARINET_NOTE_S)),
    ]
