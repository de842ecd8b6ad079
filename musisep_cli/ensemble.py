"""Ensemble: several seeds of the pipeline, one of them chosen blind (paper, Section 4).

Axes: ``t`` samples, ``c`` channels, ``i`` instruments, ``h`` harmonics.
"""

from __future__ import annotations

import math
import os
import platform
import time
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from musisep_cli import __version__, audio, manifest, run_folder
from musisep_cli.config import MAX_WARM_INSTRUMENTS, Config, Settings, compose
from musisep_cli.device import resolve_device
from musisep_cli.errors import InputError, MusisepError
from musisep_cli.files import write_json_atomic
from musisep_cli.manifest import Manifest
from musisep_cli.pipeline import OnProgress, PitchTracks, Progress, SeedResult, run_seed
from musisep_cli.recording import Recording, check_content, check_shape
from musisep_cli.run_folder import RunFolder
from musisep_cli.workers import run_seeds

CRITERION = "chosen blind: lowest objective over all frames"
"""Of Eq. 21; no references are seen."""


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
        gain: what the written stems were multiplied by, all alike, to fit an integer format.
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
    gain: float
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
        None,
        n_samples=recording.n_samples,
        n_channels=recording.n_channels,
        sample_rate_hz=sample_rate_hz,
    )
    check_content(recording)
    where = resolve_device(device)
    run = {"run": {"instruments": n_instruments, "seeds": seeds, "first_seed": first_seed}}
    config = compose(preset or default_preset(where, n_instruments), settings or {}, run)
    return separate_recording(recording, config, device=where, jobs=jobs, on_progress=on_progress)


def default_preset(device: torch.device, n_instruments: int) -> str:
    """The paper's full method on a GPU; on a CPU the warm start, as far as it serves.

    >>> default_preset(torch.device("cpu"), 2), default_preset(torch.device("cpu"), 5)
    ('standard', 'quick')
    """
    if device.type == "cuda":
        return "paper"
    return "standard" if n_instruments <= MAX_WARM_INSTRUMENTS else "quick"


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

    A seed's own folder is written as soon as it is done. What an earlier separation left in the
    folder is removed just before, see ``manifest.state`` for whether there is one.

    Raises:
        MusisepError: a file cannot be written, or no seed ended with finite numbers.
    """
    started = time.monotonic()
    if folder is not None:
        run_folder.prepare(folder, config.run.instruments, recording.n_channels)
    chosen: SeedResult | None = None
    ranking: list[SeedScore] = []
    with closing(_results(recording, config, device, jobs, on_progress or _ignore)) as results:
        for result in results:
            if folder is not None:
                if not ranking:
                    manifest.clear(folder)
                if _is_finite(result):
                    run_folder.write_seed(folder, result, recording.sample_rate_hz)
            ranking.append(_score(result))
            if _is_finite(result) and (chosen is None or _rank(result) < _rank(chosen)):
                chosen = result
    if chosen is None:
        raise MusisepError(
            "no seed ended with finite numbers; please report this with the recording and settings"
        )
    separation = _separation(chosen, ranking, recording, time.monotonic() - started)
    if folder is None:
        return separation
    return _write(separation, chosen, recording, config, device, folder)


def _separation(
    chosen: SeedResult, ranking: list[SeedScore], recording: Recording, wall_s: float
) -> Separation:
    """The chosen seed's result with what remains of the recording."""
    residual = (recording.samples - chosen.stems.sum(0, dtype=np.float64)).astype(np.float32)
    return Separation(
        stems=chosen.stems,
        residual=residual,
        sample_rate_hz=recording.sample_rate_hz,
        dictionary=chosen.dictionary,
        pitch=chosen.pitch,
        chosen_seed=chosen.seed,
        ranking=tuple(sorted(ranking, key=_ranking_order)),
        sum_error=sum_error(recording, [*chosen.stems, residual]),
        gain=1.0,
        files=(),
        wall_s=wall_s,
    )


def sum_error(
    recording: Recording, parts: Iterable[NDArray[np.float32]], gain: float = 1.0
) -> float:
    """Largest deviation of the sum of parts ``[t, c]`` from the recording, relative to its peak."""
    total = np.zeros(recording.samples.shape)
    for part in parts:
        total += part
    return float(np.abs(total / gain - recording.samples).max() / np.abs(recording.samples).max())


def _write(
    separation: Separation,
    chosen: SeedResult,
    recording: Recording,
    config: Config,
    device: torch.device,
    folder: RunFolder,
) -> Separation:
    """The chosen seed's files at the top of the folder, the manifest last."""
    names = run_folder.instrument_names(len(separation.stems))
    parts = dict(zip(names, separation.stems, strict=True))
    parts[run_folder.RESIDUAL] = separation.residual
    gain = audio.common_gain(parts.values(), subtype=folder.sound.subtype)
    rate = recording.sample_rate_hz
    files = [folder.stem(name) for name in parts]
    for path, samples in zip(files, parts.values(), strict=True):
        audio.write(path, samples * np.float32(gain), rate, subtype=folder.sound.subtype)
    error = sum_error(recording, map(_read_back, files), gain)
    stems = [(name, parts[name]) for name in names]
    files += run_folder.write_pictures(folder, recording.samples, stems, rate)
    files += run_folder.write_parameters(folder.folder, chosen)
    written = replace(separation, sum_error=error, gain=gain, files=(*files, folder.manifest))
    content = manifest.identity(recording, config, folder)
    content["stems"] = [manifest.level(name, parts[name], recording, gain) for name in parts]
    write_json_atomic(folder.manifest, _manifest(content, written, recording, device, folder))
    return written


def _read_back(path: Path) -> NDArray[np.float32]:
    """Samples of a file just written, whatever they are: a silent stem is no error here."""
    with audio.opened(path) as sound:
        samples: NDArray[np.float32] = sound.read(dtype="float32", always_2d=True)
    return samples


def _manifest(
    content: Manifest,
    separation: Separation,
    recording: Recording,
    device: torch.device,
    folder: RunFolder,
) -> Manifest:
    """Identity and stems, with how they came about."""
    path = None if recording.path is None else str(recording.path)
    return {
        "format": manifest.FORMAT,
        "version": __version__,
        **content,
        "input": {"path": path, **content["input"]},
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
        "gain": separation.gain,
        "sum_error": separation.sum_error,
        "files": [os.path.relpath(file, folder.folder) for file in separation.files],
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
) -> Generator[SeedResult]:
    """Every seed's result, as soon as it is there."""
    seeds = range(config.run.first_seed, config.run.first_seed + config.run.seeds)
    jobs = min(jobs, len(seeds))
    if jobs > 1:
        yield from run_seeds(recording, config, seeds, device, jobs=jobs, on_progress=on_progress)
        return
    for seed in seeds:
        yield run_seed(recording, config, seed, device, on_progress)


def _score(result: SeedResult) -> SeedScore:
    return SeedScore(result.seed, result.objective, result.wall_s, result.n_skipped)


def _ranking_order(row: SeedScore) -> tuple[bool, float, int]:
    """Best first, and what is not finite last."""
    finite = math.isfinite(row.objective)
    return not finite, row.objective if finite else 0.0, row.seed


def _is_finite(result: SeedResult) -> bool:
    return bool(math.isfinite(result.objective) and np.isfinite(result.stems).all())


def _rank(result: SeedResult) -> tuple[float, int]:
    """Lower is better; equal objectives go to the lower seed, whichever was done first."""
    return result.objective, result.seed


def _ignore(progress: Progress) -> None:
    """No progress is shown."""
