"""Missed tones found by the certificate: ``python -m tests.benchmarks.certificate``.

Of recordings whose notes are known, every fourth note of every part is left out of what "a run"
found; all others are given as they are written. The certificate of what they leave must find those
left out: precision is the share of alarms (frames with an excess) whose greatest excess lies at a
note that was left out, recall the share of the left out notes' frames in which the excess at their
pitch is above 1, and of the notes found in at least half of their frames. Below, the same with the
notes of one part left out whole. Nothing is fitted to these recordings, and nothing may be.
"""

import csv
import time
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray

from musisep_cli.frames.framewise import Derived
from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.frames.spectra import Spectra
from musisep_cli.sound.audio_file import read
from musisep_cli.tones.certificate import CertificateConfig, pitch_grid
from musisep_cli.tones.dictionary import DictionaryConfig, start_dictionary
from musisep_cli.tones.missed import MissedConfig, missed_tones
from musisep_cli.tones.objective import ObjectiveConfig
from musisep_cli.tones.tones import Tones
from tests.benchmarks.quality import DATA

CASES = (
    "gm-recorder-violin",
    "gm-clarinet-piano",
    "gm-piccolo-organ",
    "gm-two-flutes",
    "gm-viola-contrabass",
    "gm-string-quartet",
    "gm-wind-quartet",
)
FRAME = FrameConfig(max_frequency_hz=12_000.0, rms_level=0.1)
HOPS = 4
"""Every fourth frame is looked at."""
EDGE_S = 0.05
"""Frames so near to the begin or the end of a note do not count."""
SAME_SEMITONES = 0.6
LEFT_OUT = 4
"""One note in so many."""
HEAD = """\
| case | left out | precision | recall, frames | recall, notes | frames alarmed | time / length |
| --- | --- | --- | --- | --- | --- | --- |"""


@dataclass(frozen=True)
class Note:
    """A note of a part, as it sounds."""

    part: str
    onset_s: float
    offset_s: float
    midi: float


def main(
    cases: str = ",".join(CASES),
    duration: Annotated[float | None, typer.Option(help="Only the first seconds.")] = None,
    share: float = MissedConfig().share,
) -> None:
    """One row per recording and kind of omission."""
    print(HEAD)
    config = MissedConfig(share=share, reach_frames=-(-MissedConfig().reach_frames // HOPS))
    for case in cases.split(","):
        notes = read_notes(case, duration)
        parts = sorted({note.part for note in notes})
        every = [note for part in parts for note in of_part(notes, part)[::LEFT_OUT]]
        print(row(case, notes, every, "every 4th note", duration, config), flush=True)
        whole = of_part(notes, parts[-1])
        print(row(case, notes, whole, parts[-1], duration, config), flush=True)
        print(row(case, notes, [], "nothing", duration, config), flush=True)


def read_notes(case: str, duration_s: float | None) -> list[Note]:
    """The notes of a recording, in the order in which they begin."""
    with (DATA / case / "notes.csv").open() as file:
        rows = list(csv.DictReader(file))
    notes = [
        Note(
            each["stem"],
            float(each["onset_s"]),
            float(each["offset_s"]),
            float(each["midi"]) + float(each["detune_cents"] or 0) / 100,
        )
        for each in rows
    ]
    return sorted(
        (note for note in notes if duration_s is None or note.offset_s <= duration_s),
        key=lambda note: note.onset_s,
    )


def of_part(notes: list[Note], part: str) -> list[Note]:
    """Those of one part."""
    return [note for note in notes if note.part == part]


def row(
    case: str,
    notes: list[Note],
    left_out: list[Note],
    name: str,
    duration: float | None,
    config: MissedConfig,
) -> str:
    """One row of the table."""
    begun_s = time.process_time()
    recording = read(DATA / case / "mix.flac", duration_s=duration)
    frame = GaborFrame(FRAME, recording.sample_rate_hz)
    spectra = Spectra(recording, frame)
    centres = spectra.centres[::HOPS]
    times_s = centres.numpy() / recording.sample_rate_hz
    n_bins = frame.n_network_bins
    some = Derived(centres, lambda part: frame.analyse(spectra.mean, part)[:, :n_bins])
    grid = pitch_grid(
        start_dictionary(DictionaryConfig(), 1), frame, CertificateConfig(), ObjectiveConfig()
    )
    gone = set(left_out)
    kept = [note for note in notes if note not in gone]
    found = missed_tones(some, played(kept, times_s, frame), grid, config)
    taken_s = time.process_time() - begun_s
    excess, midi = found.excess.numpy(), found.pitches_midi.numpy()
    clear = ~np.any([near_edge(note, times_s) for note in notes], axis=0)
    alarms = np.flatnonzero(found.frames.numpy() & clear & found.sounding.numpy())
    where = midi[excess[alarms].argmax(1)]
    right = [
        any(
            note.onset_s <= times_s[n] < note.offset_s and abs(note.midi - pitch) < SAME_SEMITONES
            for note in left_out
        )
        for n, pitch in zip(alarms, where, strict=True)
    ]
    hits = []
    for note in left_out:
        inside = (times_s >= note.onset_s + EDGE_S) & (times_s < note.offset_s - EDGE_S)
        near = np.abs(midi - note.midi) < SAME_SEMITONES
        if inside.any():
            hits.append(excess[np.ix_(inside, near)].max(1) > 1)
    shares = {
        "precision": np.mean(right) if right else np.nan,
        "frames": np.concatenate(hits).mean() if hits else np.nan,
        "notes": np.mean([hit.mean() >= 0.5 for hit in hits]) if hits else np.nan,
    }
    cells = [f"{100 * value:.0f} %" if np.isfinite(value) else "-" for value in shares.values()]
    length_s = recording.n_samples / recording.sample_rate_hz
    return (
        f"| {case} | {name} | {' | '.join(cells)} | {100 * found.share:.0f} % | "
        f"{taken_s / length_s:.3f} |"
    )


def near_edge(note: Note, times_s: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether frames are near to where a note begins or ends."""
    near: NDArray[np.bool_] = (np.abs(times_s - note.onset_s) < EDGE_S) | (
        np.abs(times_s - note.offset_s) < EDGE_S
    )
    return near


def played(notes: list[Note], times_s: NDArray[np.float64], frame: GaborFrame) -> Tones:
    """The notes as the tones of a run, as many columns as notes sound at once."""
    sounding = [
        [note for note in notes if note.onset_s <= t < note.offset_s] for t in times_s.tolist()
    ]
    f0_hz = torch.zeros(len(times_s), max(map(len, sounding), default=0) or 1)
    for n, here in enumerate(sounding):
        for column, note in enumerate(here):
            f0_hz[n, column] = 440 * 2 ** ((note.midi - 69) / 12)
    f0_bins = (f0_hz / frame.bin_hz).clamp_min(1.0)
    return Tones((f0_hz > 0).float(), f0_bins, torch.zeros_like(f0_bins))


if __name__ == "__main__":
    torch.set_num_threads(1)
    typer.run(main)
