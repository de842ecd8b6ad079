"""Seed folder: one seed's own result, whole and verified, and the making of it.

``seeds/003/seed.json`` comes last and holds the hash of every other file: a seed whose files are
not all there as they were written is not done. It also says of what run the seed is, as a hash and
in full, so that seeds made by other processes or on other machines can be told from those of other
settings, and in what they differ.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from musisep_cli.errors import OutputError
from musisep_cli.machine import interruption, locks
from musisep_cli.machine.files import (
    TEMPORARY,
    atomic_path,
    remove_leftovers,
    sha256,
    write_json_atomic,
)
from musisep_cli.run.checkpoint import NEWEST, PREVIOUS, Checkpoints
from musisep_cli.run.folder.layout import (
    RunFolder,
    instrument_names,
    make_folder,
    write_curve,
    write_parameters,
)
from musisep_cli.run.one_seed import run_seed
from musisep_cli.run.ranking import SeedScore, score
from musisep_cli.run.result import OnProgress, Progress, SeedResult
from musisep_cli.run.settings.config import Config
from musisep_cli.sound import audio_file
from musisep_cli.sound.blockwise import RawFile
from musisep_cli.sound.recording import Recording

SUMMARY = "seed.json"


def make(
    seed: int,
    on_progress: OnProgress,
    stopped: Callable[[], bool],
    *,
    recording: Recording,
    config: Config,
    device: torch.device,
    folder: RunFolder,
    run: str,
    made_from: Mapping[str, Any],
    resume: bool,
) -> None:
    """Make a seed in its folder, unless another process has made it meanwhile.

    Args:
        seed: which.
        on_progress: called after every step and block.
        stopped: whether the work is to end.
        recording: what is separated.
        config: all settings.
        device: where to compute.
        folder: of the whole run.
        run: its hash.
        made_from: what it is the hash of, as JSON values.
        resume: whether to go on from a checkpoint if there is one.

    Raises:
        KeyboardInterrupt: the work was stopped; ``resume`` goes on from there.
        MusisepError: another process has the seed in hand, or the file system refuses.
    """
    target = folder.seed(seed)
    make_folder(target)
    with locks.hold(target, locks.PATIENCE_S), interruption.deferred() as requested:
        remove_leftovers(target)
        if read(folder, seed, run) is not None:
            remove_checkpoints(folder, seed)
            return
        checkpoints = Checkpoints(target, run, lambda: requested.is_set() or stopped())
        state, problems = checkpoints.load() if resume else (None, [])
        for problem in problems:
            rest = "starting over" if state is None else "the one before it is used"
            note = f"{problem}; {rest}"
            on_progress(Progress(seed, "listening", 0, 1, note=note))
        shelf = partial(_on_disk, target)
        try:
            result = run_seed(
                recording, config, seed, device, on_progress, checkpoints, state, shelf
            )
            write(folder, result, recording.sample_rate_hz, run, made_from)
        finally:
            remove_leftovers(target)  # the shelf
            checkpoints.remove_unused()
        checkpoints.remove()


def remove_checkpoints(folder: RunFolder, seed: int) -> None:
    """Remove the checkpoints of a seed that is done, left by a kill before its maker did.

    Another process may be about to do the same, and no more than space is at stake.
    """
    with suppress(OSError):
        Checkpoints(folder.seed(seed), "", lambda: True).remove()


def _on_disk(
    folder: Path, stretches: Iterable[NDArray[np.float32]], shape: tuple[int, int, int]
) -> list[RawFile]:
    """The shelf of who has no memory for all stems: bare numbers, until their gain is known.

    Raises:
        OutputError: the disk is full.
    """
    n_instruments, *size = shape
    paths = [folder / f"{TEMPORARY}stem-{number}" for number in range(n_instruments)]
    try:
        with ExitStack() as stack:
            streams = [stack.enter_context(path.open("wb")) for path in paths]
            for stretch in stretches:
                for stream, samples in zip(streams, stretch, strict=True):
                    stream.write(samples.tobytes())
    except OSError as error:
        raise OutputError(
            f"{folder}: stems cannot be written ({error.strerror}). Make space and --resume, or "
            "choose another folder with --out."
        ) from error
    return [RawFile(path, (size[0], size[1])) for path in paths]


def write(
    folder: RunFolder,
    result: SeedResult,
    sample_rate_hz: int,
    run: str,
    made_from: Mapping[str, Any],
) -> None:
    """Stems, dictionary, pitch, training curve, checkpoint and, last, what they are.

    Of a result with numbers that are not finite only the latter.
    """
    target, row = folder.seed(result.seed), score(result)
    content = {**summary(row), "run": run, "gain": 1.0, "files": {}, "made_from": made_from}
    if math.isfinite(row.objective):
        content["gain"] = audio_file.common_gain(result.stems, subtype=folder.sound.subtype)
        paths = [target / f"{name}.{folder.sound.extension}" for name in _names(result)]
        for path, stem in zip(paths, result.stems, strict=True):
            audio_file.write(
                path,
                stem,
                sample_rate_hz,
                subtype=folder.sound.subtype,
                gain=content["gain"],
            )
        paths += write_parameters(target, result)
        paths += [target / "metrics.csv", target / "checkpoint.pt"]
        write_curve(paths[-2], result.curve)
        with atomic_path(paths[-1]) as temporary:
            temporary.write_bytes(result.checkpoint)
        content["files"] = {path.name: sha256(path) for path in paths}
    write_json_atomic(target / SUMMARY, content)


def _names(result: SeedResult) -> list[str]:
    return instrument_names(len(result.stems))


def summary(row: SeedScore) -> dict[str, Any]:
    """One row of the ranking as JSON values."""
    return {
        "seed": row.seed,
        "objective": row.objective if math.isfinite(row.objective) else None,
        "wall_s": round(row.wall_s, 3),
        "n_skipped_steps": row.n_skipped,
    }


def read(folder: RunFolder, seed: int, run: str) -> SeedScore | None:
    """A seed that is done, or none: nothing there, of another run, or files damaged."""
    content = _content(folder.seed(seed))
    try:
        whole = content["run"] == run and content["seed"] == seed
        if not whole or any(
            Path(name).name != name or sha256(folder.seed(seed) / name) != digest
            for name, digest in content["files"].items()
        ):
            return None
        objective = math.inf if content["objective"] is None else float(content["objective"])
        return SeedScore(seed, objective, float(content["wall_s"]), int(content["n_skipped_steps"]))
    except (OSError, AttributeError, LookupError, TypeError, ValueError):
        return None


def found(folder: RunFolder, run: str) -> list[SeedScore]:
    """All seeds of a run that are done, whoever made them."""
    scores = (read(folder, seed, run) for seed in numbers(folder))
    return [row for row in scores if row is not None]


def numbers(folder: RunFolder) -> list[int]:
    """Seeds that have a summary, of whatever run."""
    return _with_file(folder, SUMMARY)


def stopped(folder: RunFolder) -> list[int]:
    """Seeds that have a checkpoint to go on from and are not done, of whatever run."""
    unfinished = {*_with_file(folder, NEWEST), *_with_file(folder, PREVIOUS)}
    return sorted(unfinished - {*numbers(folder)})


def _with_file(folder: RunFolder, name: str) -> list[int]:
    names = (path.parent.name for path in folder.folder.glob(f"seeds/*/{name}"))
    return sorted(int(name) for name in names if name.isascii() and name.isdecimal())


def of_other_runs(folder: RunFolder, run: str) -> dict[int, object]:
    """Seeds that have a summary, and not of this run, with what it says that they were made from.

    A damaged one says nothing.
    """
    contents = ((seed, _content(folder.seed(seed))) for seed in numbers(folder))
    return {
        seed: content.get("made_from")
        for seed, content in contents
        if content and content.get("run") != run
    }


def stems(folder: RunFolder, seed: int) -> list[audio_file.Stored]:
    """The stems of a seed that is done, at the recording's level."""
    content = _content(folder.seed(seed))
    names = [name for name in content["files"] if Path(name).stem.startswith("instrument-")]
    return [audio_file.Stored(folder.seed(seed) / name, content["gain"]) for name in names]


def _content(target: Path) -> dict[str, Any]:
    try:
        content = json.loads((target / SUMMARY).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
