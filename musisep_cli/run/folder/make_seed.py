"""Making of a seed in its folder, from a checkpoint if there is one, to verified files."""

from __future__ import annotations

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
    make_folder,
    remove_leftovers,
    sha256,
    write_json_atomic,
)
from musisep_cli.methods import registry
from musisep_cli.methods.method import Method, OnProgress, Progress
from musisep_cli.run.checkpoint import Checkpoints
from musisep_cli.run.folder.layout import RunFolder, instrument_names
from musisep_cli.run.folder.made_seeds import SUMMARY, read, summary
from musisep_cli.run.folder.tables import CURVE, write_curve, write_identities, write_learned
from musisep_cli.run.one_seed import run_seed
from musisep_cli.run.ranking import score
from musisep_cli.run.result import SeedResult
from musisep_cli.run.settings.config import Config
from musisep_cli.sound import audio_file
from musisep_cli.sound.blockwise import RawFile
from musisep_cli.sound.recording import Recording


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
        seed: number from which everything random follows.
        on_progress: called after every step and block.
        stopped: called to ask whether the work is to end.
        recording: what is separated.
        config: all settings.
        device: where to compute.
        folder: of the whole run.
        run: fingerprint of the run.
        made_from: essence of the run's identity, of which the fingerprint is the hash.
        resume: whether to go on from a checkpoint if there is one.

    Raises:
        KeyboardInterrupt: the work was stopped; ``resume`` goes on from there.
        MusisepError: another process has the seed in hand, or the file system refuses.
    """
    target, method = folder.seed(seed), registry.get(config.run.method)
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
            first_stage = next(iter(method.stages))
            on_progress(Progress(seed, first_stage, 0, 1, note=f"{problem}; {rest}"))
        shelf = partial(_on_disk, target)
        try:
            result = run_seed(
                recording, config, seed, device, on_progress, checkpoints, state, shelf
            )
            write(folder, result, recording.sample_rate_hz, run, made_from, method)
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
    """Write stretches of stems into files of bare numbers, and return the files.

    All stems together need not fit into memory, and the gain of their sound files is known only
    when the last stretch is there.

    Args:
        folder: where the files are made, under temporary names.
        stretches: consecutive stretches of all stems, each ``[i, t, c]``.
        shape: of all stretches together, instruments, samples and channels.

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
    method: Method,
) -> None:
    """Write a seed's stems, pitch, training curve, what was learned and, last, the summary.

    A result with non-finite numbers leaves only the summary.

    Args:
        folder: of the whole run.
        result: the seed's result.
        sample_rate_hz: sample rate of the recording.
        run: fingerprint of the run.
        made_from: essence of the run's identity, of which the fingerprint is the hash.
        method: the method that made the result.

    Raises:
        OutputError: the file system refuses.
    """
    target, row = folder.seed(result.seed), score(result, method.name)
    content = {**summary(row), "run": run, "gain": 1.0, "files": {}, "made_from": made_from}
    if math.isfinite(row.objective):
        content["gain"] = audio_file.common_gain(result.stems, subtype=folder.sound.subtype)
        names = instrument_names(len(result.stems))
        paths = [target / f"{name}.{folder.sound.extension}" for name in names]
        for path, stem in zip(paths, result.stems, strict=True):
            audio_file.write(
                path,
                stem,
                sample_rate_hz,
                subtype=folder.sound.subtype,
                gain=content["gain"],
            )
        paths += write_learned(target, result, folder.parts)
        paths += write_identities(target, result, sample_rate_hz)
        if method.terms:
            paths.append(target / CURVE)
            write_curve(paths[-1], result.curve, method.terms)
        for name, learned in result.files.items():
            paths.append(target / name)
            with atomic_path(paths[-1]) as temporary:
                temporary.write_bytes(learned)
        content["files"] = {path.name: sha256(path) for path in paths}
    write_json_atomic(target / SUMMARY, content)
