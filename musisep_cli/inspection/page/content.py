"""Content of a listening page: what can be heard, who plays what, and where the seeds disagree.

Rows of the page are the instruments of the chosen seed. Another seed counts its instruments
otherwise: its stems and notes are put into the rows whose notes they share.

Axes: ``t`` samples, ``c`` channels, ``i`` instruments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from musisep_cli.errors import InputError, MusisepError
from musisep_cli.inspection.note_list import Note, find_notes
from musisep_cli.inspection.seed_agreement import SeedAgreement, seed_agreement
from musisep_cli.inspection.separation import Separation, read_pitch, read_separation
from musisep_cli.run.folder import layout, made_seeds
from musisep_cli.run.folder.layout import RESIDUAL, RunFolder
from musisep_cli.run.folder.tables import PITCH
from musisep_cli.sound import audio_file
from musisep_cli.sound.blockwise import Blockwise, Difference, Total
from musisep_cli.tones.tracks import PitchTracks


@dataclass(frozen=True, kw_only=True)
class Sound:
    """Something to hear.

    Attributes:
        key: name in the page, unique.
        samples: the sound at the recording's level, ``[t, c]``.
        path: file that holds it; None where there is none.
        file_gain: factor by which it is louder in that file.
    """

    key: str
    samples: Blockwise
    path: Path | None
    file_gain: float


@dataclass(frozen=True, kw_only=True)
class SeedPart:
    """What the page holds of one seed, by its rows.

    Attributes:
        seed: its number.
        objective: its objective; None if not finite.
        agreement: how far the other seeds agree with it, 0 to 1; None if that is unknown.
        doubts: stretches in which they do not: start and end in s, agreement.
        own: number of the row's instrument in this seed, from 1, ``[i]``.
        notes: notes of the row's instrument, ``[i]``.
        stems: its sound, ``[i]``.
        residual: what its instruments leave.
    """

    seed: int
    objective: float | None
    agreement: float | None
    doubts: Sequence[tuple[float, float, float]]
    own: Sequence[int]
    notes: Sequence[Sequence[Note]]
    stems: Sequence[Sound]
    residual: Sound

    @property
    def sounds(self) -> list[Sound]:
        """Return all sounds of the seed, the residual last."""
        return [*self.stems, self.residual]


@dataclass(frozen=True, kw_only=True)
class Listening:
    """All that a page holds.

    Attributes:
        separation: the run.
        mix: the recording.
        seeds: the seeds that can be heard, the chosen one first.
        silent_seeds: the others: number, objective and agreement of each.
    """

    separation: Separation
    mix: Sound
    seeds: Sequence[SeedPart]
    silent_seeds: Sequence[tuple[int, float | None, float | None]]

    @property
    def sounds(self) -> list[Sound]:
        """Return everything that can be heard."""
        return [sound for part in self.seeds for sound in part.sounds] + [self.mix]

    @property
    def notes(self) -> list[Note]:
        """Return all notes of all seeds."""
        return [note for part in self.seeds for line in part.notes for note in line]


def read_listening(folder: Path, *, all_seeds: bool) -> Listening:
    """Read what a page of a finished run holds.

    Args:
        folder: of the run.
        all_seeds: whether all seeds can be heard, not only the chosen one.

    Raises:
        InputError: the run is not finished or damaged, or a stem is missing.
    """
    separation = read_separation(folder)
    agreement = seed_agreement(separation)
    chosen = separation.manifest["chosen_seed"]
    stems = [
        _stem(separation, stem["name"], f"{chosen}-{number}")
        for number, stem in enumerate(separation.instruments, 1)
    ]
    residual = _stem(separation, separation.residual_name, f"{chosen}-{RESIDUAL}")
    mix = Total([*(stem.samples for stem in stems), residual.samples])
    parts = [_part(separation, chosen, agreement, separation.tracks, stems, residual)]
    silent = []
    for row in separation.manifest["ranking"]:
        if row["seed"] == chosen:
            continue
        part = _other_seed(separation, row["seed"], agreement, mix) if all_seeds else None
        if part is None:
            silent.append((row["seed"], row["objective"], _share(agreement, row["seed"])))
        else:
            parts.append(part)
    return Listening(
        separation=separation,
        mix=Sound(key="mix", samples=mix, path=None, file_gain=1.0),
        seeds=parts,
        silent_seeds=silent,
    )


def _stem(separation: Separation, name: str, key: str) -> Sound:
    """Return a stem at the top of a run's folder.

    Raises:
        InputError: its file is missing.
    """
    path = separation.sound_path(name)
    if path is None:
        raise InputError(
            f"{separation.folder}: the sound of {name} is missing, so there is nothing to listen "
            "to. Restore it, or separate again with --overwrite."
        )
    gain = float(separation.manifest["gain"])
    return Sound(key=key, samples=audio_file.Stored(path, gain), path=path, file_gain=gain)


def _part(
    separation: Separation,
    seed: int,
    agreement: SeedAgreement | None,
    tracks: PitchTracks,
    stems: Sequence[Sound],
    residual: Sound,
) -> SeedPart:
    """Return a seed by the rows of the page.

    Args:
        separation: the run.
        seed: number of the seed.
        agreement: of all seeds.
        tracks: pitch tracks of the seed, in its own order.
        stems: its stems, in its own order.
        residual: what they leave.
    """
    order, doubts = list(range(len(stems))), []
    if agreement is not None and seed in agreement.seeds:
        order = agreement.matching[agreement.seeds.index(seed)].tolist()
        doubts = agreement.doubts(seed)
    notes = find_notes(tracks)
    [row] = [row for row in separation.manifest["ranking"] if row["seed"] == seed]
    return SeedPart(
        seed=seed,
        objective=row["objective"],
        agreement=_share(agreement, seed),
        doubts=doubts,
        own=[number + 1 for number in order],
        notes=[notes[number] for number in order],
        stems=[stems[number] for number in order],
        residual=residual,
    )


def _share(agreement: SeedAgreement | None, seed: int) -> float | None:
    """Return how far the other seeds agree with one; None if that is unknown."""
    return None if agreement is None or seed not in agreement.seeds else agreement.share(seed)


def _other_seed(
    separation: Separation, seed: int, agreement: SeedAgreement | None, mix: Blockwise
) -> SeedPart | None:
    """Return a seed that was not chosen; None if its files are not all there."""
    folder = layout.found_at(separation.folder, separation.manifest)
    if folder is None:
        return None
    try:
        stems = _stems_of(folder, seed)
        tracks = read_pitch(separation.seed_folder(seed) / PITCH)
        if {stem.samples.shape for stem in stems} != {mix.shape}:
            return None
    except (MusisepError, LookupError, OSError):
        return None
    rest = Difference(mix, [stem.samples for stem in stems])
    residual = Sound(key=f"{seed}-{RESIDUAL}", samples=rest, path=None, file_gain=1.0)
    return _part(separation, seed, agreement, tracks, stems, residual)


def _stems_of(folder: RunFolder, seed: int) -> list[Sound]:
    """Return the stems in a seed's own folder."""
    return [
        Sound(key=f"{seed}-{number}", samples=stored, path=stored.path, file_gain=stored.gain)
        for number, stored in enumerate(made_seeds.stems(folder, seed), 1)
    ]
