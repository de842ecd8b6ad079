"""Choice by hand: another seed of a finished run is put on top, from what its folder holds.

Nothing is computed but the residual: the recording minus the seed's stems. The recording is read
again if it is still there and the same; otherwise it is the sum of what lies on top now.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from musisep_cli.errors import ConfigError, InputError, MusisepError
from musisep_cli.machine import locks
from musisep_cli.machine.files import make_folder, remove_leftovers
from musisep_cli.run.folder import differences, layout, made_seeds, manifest
from musisep_cli.run.folder.differences import Manifest
from musisep_cli.run.folder.layout import MANIFEST, RunFolder
from musisep_cli.run.in_folder import ByHand, deliver
from musisep_cli.run.ranking import SeedScore
from musisep_cli.sound import audio_file, stem_names
from musisep_cli.sound.blockwise import Total
from musisep_cli.sound.recording import Recording

_IDENTITY = ("version", "input", "config", "given_files", "output")
"""Entries of a manifest that are the run's identity."""


def choose(folder: Path, seed: int, names: Sequence[str] | None = None) -> RunFolder:
    """Put a seed of a finished run on top: its stems, pictures and notes, and the manifest.

    Args:
        folder: of the run.
        seed: number of the seed.
        names: names of its instruments, in its own order, which become those of the files; if None
            the present ones where the seed is on top already, else instrument-1 and so on.

    Returns:
        The layout of the run's folder.

    Raises:
        ConfigError: a name cannot be that of a file, or there are not as many as instruments.
        InputError: the seed is not there, or the recording and its stems are gone.
        OutputError: the file system refuses.
    """
    place = _place(folder)
    with locks.hold(place.folder, locks.PATIENCE_S):
        before = manifest.read(place) or {}
        content = {name: before[name] for name in _IDENTITY if name in before}
        run = differences.fingerprint(content)
        row = made_seeds.read(place, seed, run)
        if row is None or not math.isfinite(row.objective):
            raise InputError(f"{place.folder}: {_no_seed(seed, place, run)}")
        stems = made_seeds.stems(place, seed)
        names = check_names(names or _default_names(before, seed, len(stems)), len(stems))
        remove_leftovers(place.folder)
        for name in (*names, *place.without_names(names)):
            make_folder(place.stem(name).parent)
        deliver(
            place,
            _recording(before, place),
            content,
            [_score(row) for row in before["ranking"]],
            made_on=lambda: before,
            by_hand=ByHand(seed=seed, names=names),
        )
    return place


def _place(folder: Path) -> RunFolder:
    """Return the layout of a run's folder.

    Raises:
        InputError: its stems are not where its manifest says.
        OutputError: the manifest cannot be read.
    """
    path = folder.absolute()
    content = manifest.read(RunFolder(out=path.parent, track=path.name, group=""))
    place = layout.found_at(path, content) if content else None
    if place is None:
        raise InputError(
            f"{folder}: its {MANIFEST} does not say where its stems lie; they were moved, or it "
            "was changed. Separate again with --overwrite."
        )
    return place


def _no_seed(seed: int, place: RunFolder, run: str) -> str:
    """Return in words that a seed cannot be chosen, and which can."""
    there = [str(row.seed) for row in made_seeds.found(place, run) if math.isfinite(row.objective)]
    found = f"whole are: {', '.join(there)}" if there else "no seed's folder is whole"
    return f"seed {seed} is not there, or damaged ({found}). Give one of them as --seed."


def _default_names(before: Manifest, seed: int, n_instruments: int) -> list[str]:
    """Return the names that are on top if the seed is, else the plain ones after those asked for.

    Who was asked for (``--like``) is among the first stems of every seed.
    """
    if before["chosen_seed"] == seed:
        return [stem["name"] for stem in before["stems"][:n_instruments]]
    asked_for = [like["name"] for like in before.get("likes", [])]
    return [*asked_for, *layout.instrument_names(n_instruments)[len(asked_for) :]]


def check_names(names: Sequence[str], n_instruments: int) -> list[str]:
    """Return names of instruments without the spaces around them.

    Raises:
        ConfigError: a name cannot be that of a file, is taken, or there are too many or too few.

    >>> check_names(["recorder", " violin"], 2)
    ['recorder', 'violin']
    """
    plain = [name.strip() for name in names]
    if len(plain) != n_instruments:
        raise ConfigError(
            f"--names: {len(plain)} names for {n_instruments} instruments. Give one for each, with "
            "commas between them."
        )
    stem_names.check_names(plain, "--names")
    return plain


def _score(row: Manifest) -> SeedScore:
    """Return a row of the manifest's ranking."""
    objective = math.inf if row["objective"] is None else float(row["objective"])
    skipped = int(row["n_skipped_steps"])
    return SeedScore(row["seed"], str(row.get("method", "")), objective, row["wall_s"], skipped)


def _recording(before: Manifest, place: RunFolder) -> Recording:
    """Return what was separated: the recording, or the sum of its stems and the residual.

    Raises:
        InputError: neither is there.
    """
    given = before["input"]
    rate_hz, n_samples = int(given["sample_rate_hz"]), int(given["n_samples"])
    if given["path"] is not None:
        with suppress(MusisepError):
            recording = audio_file.read(
                Path(given["path"]),
                start_s=given["start_s"],
                duration_s=None if given["start_s"] is None else n_samples / rate_hz,
            )
            if _digest(recording) == given["sha256"]:
                return recording
    gain = float(before["gain"])
    parts = [audio_file.Stored(place.stem(stem["name"]), gain) for stem in before["stems"]]
    missing = [part.path for part in parts if not part.path.is_file()]
    if missing:
        raise InputError(
            f"{missing[0]}: is missing, and {given['path'] or 'the recording'} is not what was "
            "separated. Restore one of them."
        )
    return Recording(samples=Total(parts)[:n_samples], sample_rate_hz=rate_hz)


def _digest(recording: Recording) -> str:
    """Return the hash by which a manifest knows a recording's samples."""
    samples = np.ascontiguousarray(recording.samples).reshape(-1)
    return hashlib.sha256(samples.data).hexdigest()
