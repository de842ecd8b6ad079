"""Stored separation: seeds made in a folder or found there, one of them chosen, its files written.

Seeds may come from anywhere: earlier runs, other processes, other machines. What lies at the top
of the folder always follows from all seeds of its run that are there, by the files in their folders
and nothing else: an interrupted run, a run in parts and an undisturbed one end with the same bytes.
"""

from __future__ import annotations

import os
import platform
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import torch

from musisep_cli.errors import KilledError, OutputError
from musisep_cli.machine import locks
from musisep_cli.machine.files import atomic_path, remove_leftovers, write_json_atomic
from musisep_cli.methods.method import OnProgress
from musisep_cli.run.folder import differences, layout, made_seeds, make_seed, manifest, tables
from musisep_cli.run.folder.differences import Manifest
from musisep_cli.run.folder.layout import RunFolder
from musisep_cli.run.ranking import CRITERION, CRITERION_BY_HAND, SeedScore, best_first
from musisep_cli.run.settings.compose import given_files
from musisep_cli.run.settings.config import Config, largest
from musisep_cli.run.workers import Make, run_seeds
from musisep_cli.sound import audio_file
from musisep_cli.sound.blockwise import Blockwise, Difference, sum_error
from musisep_cli.sound.recording import Recording

Found: TypeAlias = manifest.State | Literal["replaced"]
"""How much of a separation a folder holds; "replaced" if what it holds is to be removed first."""
PATIENCE_S = 600.0
"""Time in s to wait for another process that chooses among the seeds and writes the stems.

For a long recording that takes minutes, and to give up would waste the seeds just made."""


@dataclass(frozen=True)
class Look:
    """What is to be made, and what the folder held of it before.

    Attributes:
        content: identity of the separation that is wanted.
        state: how much of it is there already: all of it, a part, or nothing; or "replaced", if the
            folder holds something that is to be removed first.
    """

    content: Manifest
    state: Found


def look(folder: RunFolder, recording: Recording, config: Config, *, overwrite: bool) -> Look:
    """Return what a folder holds of a separation, before any work is done.

    Raises:
        ConfigError: a file that settings name cannot be read.
        OutputError: the folder holds another separation, and ``overwrite`` is not asked for; or a
            file that settings name would be removed with it.
    """
    content = manifest.identity(recording, config, folder)
    state: Found = "replaced"
    try:
        state = manifest.state(content, folder)
    except OutputError:
        if not overwrite:
            raise
    if overwrite and state != "new":
        _refuse_own_files(folder, config)
        state = "replaced"
    return Look(content, state)


def _refuse_own_files(folder: RunFolder, config: Config) -> None:
    """Refuse to remove a separation that holds a file from which the new one is to start.

    Raises:
        OutputError: there is such a file.
    """
    for _, _, path in given_files(config.settings):
        if folder.folder.resolve() in Path(path).resolve().parents:
            raise OutputError(
                f"{path}: would be removed with the separation that --overwrite replaces, and the "
                "new one starts from it. Copy it to another folder first, or choose another --out."
            )


def separate_into(
    folder: RunFolder,
    recording: Recording,
    config: Config,
    looked: Look,
    *,
    device: torch.device,
    jobs: int = 1,
    overwrite: bool = False,
    resume: bool = False,
    on_progress: OnProgress,
) -> None:
    """Make the seeds that are missing, choose among all that are there, and write everything.

    Args:
        folder: where everything is written.
        recording: what is separated.
        config: all settings.
        looked: result of ``look`` for the same folder, recording and settings.
        device: where to compute.
        jobs: seeds made at once.
        overwrite: remove an earlier separation first, whatever it is.
        resume: take seeds that were interrupted up where they stopped.
        on_progress: called after every step and block.

    Raises:
        KeyboardInterrupt: stopped; the state is kept.
        KilledError: the system killed some seeds' processes; one of the others was chosen.
        MusisepError: the folder holds something else, is in use or cannot be written, or no seed
            ended with finite numbers.
    """
    started_s = time.monotonic()
    missing = begin(folder, recording, config, looked.content, overwrite=overwrite)
    make = maker(folder, recording, config, looked.content, device=device, resume=resume)
    killed: KilledError | None = None
    with closing(run_seeds(make, missing, jobs=jobs, on_progress=on_progress)) as made:
        try:
            for _ in made:
                pass
        except KilledError as error:
            killed = error  # told when the other seeds are safe
    finish(folder, recording, looked.content, device=device, started_s=started_s, killed=killed)


def begin(
    folder: RunFolder, recording: Recording, config: Config, content: Manifest, *, overwrite: bool
) -> list[int]:
    """Make the folders, remove what is to be replaced, and return the seeds that are missing.

    Raises:
        MusisepError: the folder is in use, or cannot be written.
    """
    layout.prepare(folder, config.run.instruments, recording.n_channels)
    with locks.hold(folder.folder, locks.PATIENCE_S):  # who holds it is named before any work
        if overwrite:
            manifest.clear(folder)
    done = {row.seed for row in made_seeds.found(folder, differences.fingerprint(content))}
    return [seed for seed in config.run.all_seeds if seed not in done]


def maker(
    folder: RunFolder,
    recording: Recording,
    config: Config,
    content: Manifest,
    *,
    device: torch.device,
    resume: bool,
) -> Make[None]:
    """Return the function that makes one seed in its folder: the unit of work of every engine."""
    return partial(
        make_seed.make,
        recording=recording,
        config=config,
        device=device,
        folder=folder,
        run=differences.fingerprint(content),
        made_from=differences.essence(content),
        resume=resume,
    )


def finish(
    folder: RunFolder,
    recording: Recording,
    content: Manifest,
    *,
    device: torch.device,
    started_s: float,
    killed: KilledError | None,
) -> None:
    """Choose among all seeds that are there, and write what lies at the top of the folder.

    Args:
        folder: of the run.
        recording: what was separated.
        content: identity of the separation.
        device: where the seeds were computed.
        started_s: monotonic time at which the work began.
        killed: names the seeds whose process was killed every time; None if there are none.

    Raises:
        KilledError: the one given, after one of the other seeds was chosen, if there are others.
        MusisepError: the folder holds something else, is in use or cannot be written, or no seed
            ended with finite numbers.
    """
    with locks.hold(folder.folder, PATIENCE_S):
        manifest.state(content, folder)  # another process may have been there
        remove_leftovers(folder.folder)
        found = made_seeds.found(folder, differences.fingerprint(content))
        if killed is not None and not found:
            raise killed
        ranking = best_first(found)
        for row in ranking:
            make_seed.remove_checkpoints(folder, row.seed)
        deliver(
            folder,
            recording,
            content,
            ranking,
            made_on=lambda: {
                "device": str(device),
                "wall_s": round(time.monotonic() - started_s, 3),
                "machine": _machine(),
            },
        )
    if killed is not None:
        raise killed


@dataclass(frozen=True, kw_only=True)
class ByHand:
    """A seed that a listener chose.

    Attributes:
        seed: its number.
        names: names of its instruments, in its own order.
    """

    seed: int
    names: Sequence[str]


def deliver(
    folder: RunFolder,
    recording: Recording,
    content: Manifest,
    ranking: Sequence[SeedScore],
    *,
    made_on: Callable[[], Manifest],
    by_hand: ByHand | None = None,
) -> None:
    """Write the chosen seed's files at the top of the folder, the manifest last.

    An earlier manifest is removed first: while old and new files lie side by side, it would say
    that the separation is complete. Files that only the earlier one names are removed at the end,
    and the listening page, which shows the earlier choice, at once.

    Args:
        folder: of the run.
        recording: what was separated.
        content: identity of the separation.
        ranking: all seeds that are done, that with the lowest objective first.
        made_on: returns device, time and machine of the separation, when all else is written.
        by_hand: the seed that is chosen, if not the first of the ranking.

    Raises:
        OutputError: the file system refuses.
    """
    before = manifest.read(folder) or {}
    folder.manifest.unlink(missing_ok=True)
    with suppress(OSError):
        folder.page.unlink()
    chosen = ranking[0].seed if by_hand is None else by_hand.seed
    stems, target = made_seeds.stems(folder, chosen), folder.seed(chosen)
    names = _names(folder, target, len(stems)) if by_hand is None else by_hand.names
    parts: dict[str, Blockwise] = dict(zip(names, stems, strict=True))
    parts[folder.residual] = Difference(recording.samples, stems)
    subtype, rate_hz = folder.sound.subtype, recording.sample_rate_hz
    without = {
        name: Difference(recording.samples, [stem])
        for name, stem in zip(folder.without_names(names), stems, strict=False)
    }
    sounds = {**parts, **without}
    gain = audio_file.common_gain(sounds.values(), subtype=subtype)
    files = [folder.stem(name) for name in sounds]
    for path, sound in zip(files, sounds.values(), strict=True):
        audio_file.write(path, sound, rate_hz, subtype=subtype, gain=gain)
    written = [audio_file.Stored(path) for path in files[: len(parts)]]
    error = sum_error(recording.samples, written, gain)
    pictures = {"mix": recording.samples, **{name: parts[name] for name in names}}
    files += tables.write_pictures(folder, pictures, rate_hz)
    learned = {tables.DICTIONARY: folder.folder / tables.DICTIONARY}
    learned |= {tables.identity(i): folder.identity(name) for i, name in enumerate(names)}
    files += [_copy(target / name, to) for name, to in learned.items() if (target / name).exists()]
    if list(names) == folder.names(len(names)):  # as the seed has them
        files.append(_copy(target / tables.PITCH, folder.folder / tables.PITCH))
    else:
        files.append(tables.copy_pitch(target, folder.folder, names))
    made = made_on()
    described = {
        "format": manifest.FORMAT,
        **_covering(content, ranking, None if by_hand is None else chosen),
        "stems": [manifest.level(name, sound, recording, gain) for name, sound in parts.items()],
        "device": made["device"],
        "chosen_seed": chosen,
        "chosen_by": CRITERION if by_hand is None else CRITERION_BY_HAND,
        "ranking": [made_seeds.summary(row) for row in ranking],
        "likes": tables.read_likes(target),
        "named": folder.named,
        "gain": gain,
        "sum_error": error,
        "files": [os.path.relpath(file, folder.folder) for file in (*files, folder.manifest)],
        "wall_s": made["wall_s"],
        "machine": made.get("machine", {}),
    }
    write_json_atomic(folder.manifest, described)
    kept = {path.resolve() for path in files}
    for path in manifest.listed_files(before, folder):
        if path.resolve() not in kept and path.name != layout.MANIFEST:
            path.unlink(missing_ok=True)


def _names(folder: RunFolder, chosen: Path, n_stems: int) -> list[str]:
    """Return the names of the instruments' stems, of known instruments if that is wanted.

    Args:
        folder: of the run.
        chosen: folder of the chosen seed.
        n_stems: number of the instruments' stems.
    """
    names = folder.names(n_stems)
    return tables.named(chosen, names) if folder.named else names


def _copy(path: Path, target: Path) -> Path:
    """Copy a file of the chosen seed to the top of the folder."""
    with atomic_path(target) as temporary:
        shutil.copyfile(path, temporary)
    return target


def _covering(
    content: Manifest, ranking: Sequence[SeedScore], by_hand: int | None = None
) -> Manifest:
    """Return the identity with settings that make the same stems again.

    Settings can name consecutive seeds only, and the ranked ones may have gaps, as several calls
    made them. So the settings name the chosen seed and its neighbours up to the next gap: all of
    these were made, and the same one is chosen among them. A seed that was chosen by hand is named
    alone, since among others it would not be chosen again.
    """
    seeds = {row.seed for row in ranking} if by_hand is None else {by_hand}
    first = last = ranking[0].seed if by_hand is None else by_hand
    most = largest("seeds")
    while first - 1 in seeds and last - first + 1 < most:
        first -= 1
    while last + 1 in seeds and last - first + 1 < most:
        last += 1
    config = dict(content["config"])
    span = {"first_seed": first, "seeds": last - first + 1}
    return {**content, "config": {**config, "run": {**config["run"], **span}}}


def _machine() -> Manifest:
    """Return versions and processor count: on these the last bits of a result depend."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "system": platform.platform(),
        "cores": os.cpu_count(),
    }
