"""Separation in memory: several seeds, one of them chosen blind (paper, Section 4).

Axes: ``t`` samples, ``c`` channels, ``i`` instruments, ``h`` harmonics.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from musisep_cli.errors import KilledError
from musisep_cli.machine.device import resolve_device
from musisep_cli.methods import registry
from musisep_cli.methods.method import OnProgress, Progress, Settings
from musisep_cli.run.one_seed import run_seed
from musisep_cli.run.ranking import SeedScore, best_first, place, score
from musisep_cli.run.result import SeedResult
from musisep_cli.run.settings.compose import compose, resolved
from musisep_cli.run.settings.config import Config
from musisep_cli.run.workers import Stopped, run_seeds
from musisep_cli.sound.blockwise import Difference, sum_error
from musisep_cli.sound.given_array import given_recording
from musisep_cli.sound.recording import Recording
from musisep_cli.tones.tracks import PitchTracks


@dataclass(frozen=True)
class Separation:
    """The chosen seed's result, and how it was chosen.

    Attributes:
        stems: float32 ``[i, t, c]``.
        residual: the recording minus all stems, float32 ``[t, c]``.
        sample_rate_hz: sample rate of stems and residual, that of the recording.
        dictionary: relative harmonic amplitudes, ``[h, i]``; None if the method learns none.
        pitch: what every instrument plays in every frame.
        chosen_seed: the seed with the lowest objective.
        ranking: all seeds, best first.
        sum_error: largest deviation of stems plus residual from the recording, relative to the
            recording's peak.
        wall_s: time taken.
        likes: of the instruments that ``[like]`` asks for, how sure it is that they are in the
            first stems: JSON values of ``methods.given_like.Presence``.
    """

    stems: NDArray[np.float32]
    residual: NDArray[np.float32]
    sample_rate_hz: int
    dictionary: NDArray[np.float32] | None
    pitch: PitchTracks
    chosen_seed: int
    ranking: tuple[SeedScore, ...]
    sum_error: float
    wall_s: float
    likes: tuple[Mapping[str, Any], ...] = ()


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
        sample_rate_hz: sample rate of the samples.
        n_instruments: number of melodic instruments, each one tone at a time.
        preset: as of ``musisep separate --preset``; by default as there, by the number of
            instruments.
        settings: section -> key -> value, as in a file for ``--config``.
        seeds: number of independent attempts, of which one is chosen.
        first_seed: number of the first seed; the others follow it.
        device: auto, cpu, cuda or cuda:i.
        jobs: seeds made at once, each in a process of its own if there are several.
        on_progress: called with a ``Progress`` after every step.

    Raises:
        MusisepError: the recording or a setting cannot be used.
    """
    recording = given_recording(samples, sample_rate_hz)
    where = resolve_device(device)
    run = {"run": {"instruments": n_instruments, "seeds": seeds, "first_seed": first_seed}}
    chosen = preset or registry.default_preset(n_instruments)
    composed = compose(chosen, settings or {}, run, on_gpu=where.type == "cuda")
    config = resolved(composed, where)
    return separate_recording(recording, config, device=where, jobs=jobs, on_progress=on_progress)


def separate_recording(
    recording: Recording,
    config: Config,
    *,
    device: torch.device,
    jobs: int = 1,
    on_progress: OnProgress | None = None,
) -> Separation:
    """Make all seeds, and return the result of the one with the lowest objective.

    Only the best result so far is kept in memory, and nothing is written.

    Raises:
        MusisepError: no seed ended with finite numbers.
    """
    started = time.monotonic()
    make = partial(_make, recording=recording, config=config, device=device)
    report, method = on_progress or _ignore, config.run.method
    chosen: SeedResult | None = None
    scores: list[SeedScore] = []
    with closing(run_seeds(make, config.run.all_seeds, jobs=jobs, on_progress=report)) as results:
        try:
            for result in results:
                scores.append(score(result, method))
                if chosen is None or min(scores, key=place) is scores[-1]:
                    chosen = result
        except KilledError:
            if chosen is None:
                raise  # else one of the others is chosen; the ranking shows which there are
    assert chosen is not None  # noqa: S101 - there is at least one seed
    return _separation(chosen, best_first(scores), recording, time.monotonic() - started)


def _make(
    seed: int,
    on_progress: OnProgress,
    stopped: Stopped,
    *,
    recording: Recording,
    config: Config,
    device: torch.device,
) -> SeedResult:
    """Make one seed in memory, and return its result.

    Raises:
        KeyboardInterrupt: the work is to end; nothing of it is kept.
    """

    def report(progress: Progress) -> None:
        """Pass a report on, or end the work if that is wanted."""
        if stopped():
            raise KeyboardInterrupt
        on_progress(progress)

    return run_seed(recording, config, seed, device, report)


def _separation(
    chosen: SeedResult, ranking: list[SeedScore], recording: Recording, wall_s: float
) -> Separation:
    """Return the chosen seed's result with the residual and the ranking."""
    stems = np.asarray(chosen.stems)
    residual = Difference(recording.samples, list(stems))[:]
    return Separation(
        stems=stems,
        residual=residual,
        sample_rate_hz=recording.sample_rate_hz,
        dictionary=chosen.dictionary,
        pitch=chosen.tracks,
        chosen_seed=chosen.seed,
        ranking=tuple(ranking),
        sum_error=sum_error(recording.samples, [*stems, residual]),
        wall_s=wall_s,
        likes=tuple(chosen.likes),
    )


def _ignore(progress: Progress) -> None:
    """Ignore a report of progress, where nobody asked for it."""
