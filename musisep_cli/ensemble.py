"""Ensemble: several seeds of the pipeline, one of them chosen blind (paper, Section 4).

Axes: ``t`` samples, ``c`` channels, ``i`` instruments, ``h`` harmonics.
"""

from __future__ import annotations

import hashlib
import math
import multiprocessing
import os
import platform
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from musisep_cli import audio, run_folder
from musisep_cli.config import Config, Settings, compose
from musisep_cli.device import resolve_device
from musisep_cli.errors import InputError, MusisepError, OutputError
from musisep_cli.files import write_json_atomic
from musisep_cli.pipeline import OnProgress, PitchTracks, Progress, SeedResult, run_seed
from musisep_cli.recording import Recording, check_content, check_shape
from musisep_cli.run_folder import RunFolder

CRITERION = "blind: lowest objective (Eq. 21) over all frames, no references"


@dataclass(frozen=True)
class SeedScore:
    """One row of the ranking."""

    seed: int
    objective: float
    wall_s: float
    n_skipped: int


@dataclass(frozen=True)
class Separation:
    """The chosen seed's result, and how it was chosen.

    Attributes:
        stems: float32 ``[i, t, c]``.
        residual: the recording minus all stems, float32 ``[t, c]``.
        sample_rate_hz: the recording's.
        dictionary: relative harmonic amplitudes, ``[h, i]``.
        pitch: what every instrument plays in every frame.
        chosen_seed: the seed with the lowest objective.
        ranking: all seeds, best first.
        sum_error: largest deviation of stems plus residual from the recording, relative to the
            recording's peak; of the written files where files were written.
        files: what was written.
        wall_s: time taken.
    """

    stems: NDArray[np.float32]
    residual: NDArray[np.float32]
    sample_rate_hz: int
    dictionary: NDArray[np.float32]
    pitch: PitchTracks
    chosen_seed: int
    ranking: tuple[SeedScore, ...]
    sum_error: float
    files: tuple[Path, ...]
    wall_s: float


def separate(
    samples: NDArray[np.floating[Any]],
    sample_rate_hz: int,
    n_instruments: int,
    *,
    preset: str | None = None,
    settings: Settings | None = None,
    seeds: int = 1,
    first_seed: int = 0,
    device: str = "auto",
    jobs: int = 1,
    on_progress: OnProgress | None = None,
) -> Separation:
    """Separate a recording in memory: what ``musisep separate`` does, without files.

    Args:
        samples: ``[t]`` or ``[t, c]``.
        sample_rate_hz: its sample rate.
        n_instruments: number of melodic instruments, each one tone at a time.
        preset: ``quick`` or ``paper``; by default as the command, by device.
        settings: section -> key -> value, as in a file for ``--config``.
        seeds: independent trainings, of which one is chosen.
        first_seed: the first one's seed.
        device: auto, cpu, cuda or cuda:i.
        jobs: seeds trained at once, each in a process of its own if there are several.
        on_progress: called with a ``Progress`` after every step.

    Raises:
        MusisepError: the recording or a setting cannot be used.
    """
    array = np.asarray(samples, np.float32)
    if array.ndim not in (1, 2):
        raise InputError(f"samples have the shape {array.shape}; [t] or [t, c] is needed")
    recording = Recording(samples=array.reshape(len(array), -1), sample_rate_hz=sample_rate_hz)
    check_shape(
        None, n_samples=recording.n_samples, n_channels=recording.n_channels, sample_rate_hz=sample_rate_hz
    )
    check_content(recording)
    where = resolve_device(device)
    run = {"run": {"instruments": n_instruments, "seeds": seeds, "first_seed": first_seed}}
    config = compose(preset or default_preset(where), settings or {}, run)
    return separate_recording(recording, config, device=where, jobs=jobs, on_progress=on_progress)


def default_preset(device: torch.device) -> str:
    """The paper's full method where there is a GPU, the reduced one where there is none."""
    return "paper" if device.type == "cuda" else "quick"


def separate_recording(
    recording: Recording,
    config: Config,
    *,
    device: torch.device,
    jobs: int = 1,
    folder: RunFolder | None = None,
    on_progress: OnProgress | None = None,
) -> Separation:
    """Train all seeds, choose one, and write everything if a folder is given.

    A seed's own folder is written as soon as it is done.
    """
    started = time.monotonic()
    chosen: SeedResult | None = None
    ranking: list[SeedScore] = []
    for result in _results(recording, config, device, jobs, on_progress or _ignore):
        if folder is not None and _is_finite(result):
            run_folder.write_seed(folder, result, recording.sample_rate_hz)
        ranking.append(SeedScore(result.seed, result.objective, result.wall_s, result.n_skipped))
        if _is_finite(result) and (chosen is None or _rank(result) < _rank(chosen)):
            chosen = result
    if chosen is None:
        raise MusisepError("no seed ended with finite numbers; please report this with the recording's manifest")
    residual = recording.samples - chosen.stems.sum(0, dtype=np.float64)
    separation = Separation(
        stems=chosen.stems,
        residual=residual.astype(np.float32),
        sample_rate_hz=recording.sample_rate_hz,
        dictionary=chosen.dictionary,
        pitch=chosen.pitch,
        chosen_seed=chosen.seed,
        ranking=tuple(sorted(ranking, key=lambda row: (not math.isfinite(row.objective), row.objective, row.seed))),
        sum_error=0.0,
        files=(),
        wall_s=time.monotonic() - started,
    )
    if folder is None:
        error = sum_error(recording, [*separation.stems, separation.residual])
        return replace(separation, sum_error=error)
    return _write(separation, chosen, recording, config, device, folder)


def sum_error(recording: Recording, parts: list[NDArray[np.float32]], gain: float = 1.0) -> float:
    """Largest deviation of the sum of parts ``[t, c]`` from the recording, relative to its peak."""
    total = np.sum(parts, axis=0, dtype=np.float64) / gain
    return float(np.abs(total - recording.samples).max() / np.abs(recording.samples).max())


def _write(
    separation: Separation,
    chosen: SeedResult,
    recording: Recording,
    config: Config,
    device: torch.device,
    folder: RunFolder,
) -> Separation:
    """The chosen seed's files at the top of the folder, the manifest last."""
    parts = dict(zip(run_folder.instrument_names(len(separation.stems)), separation.stems, strict=True))
    parts[run_folder.RESIDUAL] = separation.residual
    gain = audio.common_gain(parts.values(), subtype=folder.sound.subtype)
    rate = recording.sample_rate_hz
    files = []
    for name, samples in parts.items():
        path = folder.stem(name)
        run_folder.make_folder(path.parent)
        audio.write(path, samples * np.float32(gain), rate, subtype=folder.sound.subtype)
        files.append(path)
    error = sum_error(recording, [_read_back(path) for path in files], gain)
    run_folder.make_folder(folder.folder)
    files += run_folder.write_pictures(folder, recording.samples, list(parts.items())[:-1], rate)
    run_folder.write_parameters(folder.folder, chosen)
    files += [folder.folder / "dictionary.json", folder.folder / "pitch.csv"]
    written = replace(separation, sum_error=error, files=(*files, folder.manifest))
    write_json_atomic(folder.manifest, manifest(written, recording, config, device, folder, gain))
    return written


def _read_back(path: Path) -> NDArray[np.float32]:
    """Samples of a file just written, whatever they are: a silent stem is no error here."""
    with audio.opened(path) as sound:
        samples: NDArray[np.float32] = sound.read(dtype="float32", always_2d=True)
    return samples


def manifest(
    separation: Separation, recording: Recording, config: Config, device: torch.device, folder: RunFolder, gain: float
) -> dict[str, Any]:
    """Everything that made this separation, so that it can be made again."""
    return {
        "format": "musisep-manifest-1",
        "version": metadata.version("musisep"),
        "input": {
            "path": None if recording.path is None else str(recording.path),
            "sha256": hashlib.sha256(np.ascontiguousarray(recording.samples)).hexdigest(),
            "sample_rate_hz": recording.sample_rate_hz,
            "n_samples": recording.n_samples,
            "n_channels": recording.n_channels,
        },
        "config": config.to_json(),
        "device": str(device),
        "chosen_seed": separation.chosen_seed,
        "chosen_by": CRITERION,
        "ranking": [
            {
                "seed": row.seed,
                "objective": row.objective if math.isfinite(row.objective) else None,
                "wall_s": round(row.wall_s, 3),
                "n_skipped_steps": row.n_skipped,
            }
            for row in separation.ranking
        ],
        "gain": gain,
        "sum_error": separation.sum_error,
        "files": [os.path.relpath(path, folder.folder) for path in separation.files],
        "wall_s": round(separation.wall_s, 3),
        "machine": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "system": platform.platform(),
            "cores": os.cpu_count(),
        },
    }


def _results(
    recording: Recording, config: Config, device: torch.device, jobs: int, on_progress: OnProgress
) -> Iterator[SeedResult]:
    """Every seed's result, as soon as it is there."""
    seeds = range(config.run.first_seed, config.run.first_seed + config.run.seeds)
    if min(jobs, len(seeds)) == 1:
        for seed in seeds:
            yield run_seed(recording, config, seed, device, on_progress)
        return
    # A fresh interpreter per process: forking a process that has used torch's threads deadlocks.
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(min(jobs, len(seeds)), context) as pool:
        queue = manager.Queue()
        listener = Thread(target=_listen, args=(queue.get, on_progress), daemon=True)
        listener.start()
        futures = [pool.submit(run_seed, recording, config, seed, device, queue.put) for seed in seeds]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        queue.put(None)
        listener.join()


def _listen(receive: Callable[[], Progress | None], on_progress: OnProgress) -> None:
    """Pass on what the processes report, until the end mark None."""
    while (progress := receive()) is not None:
        on_progress(progress)


def _is_finite(result: SeedResult) -> bool:
    return bool(math.isfinite(result.objective) and np.isfinite(result.stems).all())


def _rank(result: SeedResult) -> tuple[float, int]:
    """Lower is better; equal objectives go to the lower seed, whichever was done first."""
    return result.objective, result.seed


def _ignore(progress: Progress) -> None:
    """No progress is shown."""
