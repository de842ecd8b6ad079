"""Files of `musisep inspect`: notes, MIDI and pictures.

Every function yields the path of a file as soon as that is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from musisep_cli import pictures
from musisep_cli.errors import InputError
from musisep_cli.inspection import kinds
from musisep_cli.inspection.findings import Findings
from musisep_cli.inspection.midi import to_midi
from musisep_cli.inspection.note_list import sounding, to_csv
from musisep_cli.machine.files import atomic_path, make_folder, write_text_atomic
from musisep_cli.methods.learned_dictionary import shown_dictionary
from musisep_cli.methods.method import Shown
from musisep_cli.run.folder.layout import instrument_names
from musisep_cli.sound.recording import Recording
from musisep_cli.tones.dictionary import load_any


def is_folder(target: Path) -> bool:
    """Return whether a path is meant as a folder: it is one, or nothing is there and no suffix."""
    return kinds.is_folder(target) or not (target.suffix or kinds.is_file(target))


def write_notes(
    findings: Findings, name: str, *, notes: Path | None, midi: Path | None
) -> Iterator[Path]:
    """Write the notes of a separation as CSV and as MIDI, where they are asked for.

    Args:
        findings: what was found in the separation.
        name: start of the files' names, if folders are given.
        notes: file or folder for the CSV file; None for none.
        midi: file or folder for the MIDI file; None for none.

    Raises:
        OutputError: the file system refuses.
    """
    lines = [instrument.notes for instrument in findings.instruments]
    names = findings.separation.instrument_names
    if notes is not None:
        path = _target(notes, f"{name}-notes.csv")
        write_text_atomic(path, to_csv(lines, names))
        yield path
    if midi is not None:
        path = _target(midi, f"{name}.mid")
        with atomic_path(path) as temporary:
            temporary.write_bytes(to_midi(lines, names, findings.separation.dictionary))
        yield path


def _target(target: Path, name: str) -> Path:
    """Return a path to write to: the given file, or one of a name in the given folder.

    Folders that are missing are made.
    """
    path = target / name if is_folder(target) else target
    make_folder(path.parent)
    return path


def draw_separation(findings: Findings, name: str, folder: Path | None) -> Iterator[Path]:
    """Draw what was learned, the pitch and, if there was a training, its curves into a folder.

    Raises:
        InputError: there are no training curves; the other pictures are there.
        OutputError: the file system refuses.
    """
    if folder is None:
        return
    separation, tracks = findings.separation, findings.separation.tracks
    names = separation.instrument_names
    yield from _draw_learned(separation.shown(), name, folder)
    path = folder / f"{name}-pitch.png"
    pictures.write_pitch(
        path,
        tracks.times_s,
        tracks.f0_hz,
        tracks.amplitude,
        sounding(tracks),
        names=names,
        of_voices=tracks.of_voices,
        title=f"{name}: pitch",
    )
    yield path
    yield from _draw_missed(findings, name, folder)
    if not separation.n_steps:
        return
    if not separation.curves:
        raise InputError(
            f"{separation.folder}: has no seeds/*/metrics.csv, so {name}-curves.png was not drawn. "
            "Restore them, or leave out --plots."
        )
    path = folder / f"{name}-curves.png"
    pictures.write_curves(
        path,
        {f"seed {seed}": curve for seed, curve in separation.curves.items()},
        terms=separation.method.terms,
        title=f"{name}: training",
        chosen=f"seed {findings.choice.seed}",
    )
    yield path


def _draw_missed(findings: Findings, name: str, folder: Path) -> Iterator[Path]:
    """Draw where tones were missed, if that could be found out."""
    missed = findings.missed
    if missed is None:
        return
    path = folder / f"{name}-certificate.png"
    pictures.write_certificate(
        path,
        missed.times_s,
        missed.pitches_midi,
        missed.excess,
        title=f"{name}: tones that were missed",
        played_hz=missed.played_hz,
    )
    yield path


def draw_dictionary(path: Path, name: str, folder: Path | None) -> Iterator[Path]:
    """Draw a ``dictionary.json`` into a folder, if one is given."""
    if folder is not None:
        shown = shown_dictionary(path, dictionary_names(path))
        yield from _draw_learned(shown, name, folder)


def dictionary_names(path: Path) -> list[str]:
    """Return names for the instruments of a ``dictionary.json``."""
    return instrument_names(load_any(path).shape[1])


def _draw_learned(shown: Shown, name: str, folder: Path) -> Iterator[Path]:
    """Draw what was learned into a folder."""
    make_folder(folder)
    for end, draw in shown.pictures.items():
        path = folder / (f"{name}.png" if name.startswith(end) else f"{name}-{end}.png")
        draw(path, name)
        yield path


def draw_sound(recording: Recording, name: str, folder: Path | None) -> Iterator[Path]:
    """Draw the spectrogram of all channels into a folder, if one is given."""
    if folder is None:
        return
    make_folder(folder)
    path = folder / f"{name}-spectrogram.png"
    pictures.write_spectrogram(path, recording.samples, recording.sample_rate_hz, title=name)
    yield path
