"""One seed: a recording and a seed, given to a method, from samples to stems.

The only place that seeds the random generators: torch's distributions take no generator, so the
global ones are seeded for the run and given back as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from musisep_cli.machine.device import of_seed
from musisep_cli.methods import registry
from musisep_cli.methods.method import OnProgress, Progress, State
from musisep_cli.run.checkpoint import Checkpoints
from musisep_cli.run.journal import PERCENT, Desk, Journal
from musisep_cli.run.result import SeedResult
from musisep_cli.run.settings.compose import compose
from musisep_cli.run.settings.config import Config
from musisep_cli.sound.blockwise import Shelf, Stems, in_memory
from musisep_cli.sound.recording import Recording
from musisep_cli.sound.turn import Turn
from musisep_cli.tones.tracks import PitchTracks


def run_seed(
    recording: Recording,
    config: Config,
    seed: int,
    device: torch.device,
    on_progress: OnProgress,
    checkpoints: Checkpoints | None = None,
    state: State | None = None,
    shelf: Shelf = in_memory,
) -> SeedResult:
    """Separate a recording with one seed.

    Args:
        recording: of any rate, length and number of channels.
        config: all settings.
        seed: number from which everything random follows.
        device: where to compute; of several GPUs, none of them named, the seed says which.
        on_progress: called after every step and block.
        checkpoints: where the state is offered after every step and block.
        state: state from a checkpoint to go on from; None starts from the beginning.
        shelf: where the stems are put, in memory or on disk.

    Returns:
        The result: the same bytes for the same arguments on the same machine, from whatever state
        it went on.

    Raises:
        CheckpointError: the state does not fit.
        OutputError: the disk is full.
    """
    device, method = of_seed(device, seed), registry.get(config.run.method)
    turn = Turn.of(recording.samples)
    if turn is not None:  # methods find tones in the mean of the channels
        recording = replace(recording, samples=turn.turned(recording.samples))
        shelf = _turned_back(turn, shelf)
    desk = Desk(
        device=device,
        n_threads=config.run.threads,
        precision=method.precision(config.settings, config.run.precision, device),
        shelf=shelf,
        checkpoints=checkpoints,
        on_progress=on_progress,
        find_tracks=partial(_found_tracks, seed=seed, device=device, n_threads=config.run.threads),
    )
    with _reproducible(seed, device), torch.inference_mode(False), ExitStack() as files:
        journal = Journal(seed, desk, state, files)
        found = method.separate(recording, config.run.instruments, config.settings, journal)
        return SeedResult(
            **vars(found), seed=seed, curve=journal.whole_curve, wall_s=journal.wall_s
        )


def _found_tracks(
    recording: Recording,
    n_instruments: int,
    reached: Callable[[int, str], None],
    *,
    seed: int,
    device: torch.device,
    n_threads: int,
) -> PitchTracks:
    """Return what the default preset finds that every instrument plays, without its stems.

    Args:
        recording: its channels are turned already, if they were to be.
        n_instruments: number of instruments.
        reached: called with how many percent are done, and a sentence for the user or none.
        seed: number from which everything random follows.
        device: where to compute.
        n_threads: CPU threads.
    """
    run = {"run": {"instruments": n_instruments, "threads": n_threads}}
    preset = registry.default_preset(n_instruments)
    config = compose(preset, run, on_gpu=device.type == "cuda")
    method = registry.get(config.run.method)
    stages = list(method.stages)

    def report(progress: Progress) -> None:
        """Tell the percent of the whole: every stage takes the same part."""
        done = stages.index(progress.stage) + progress.done / max(progress.total, 1)
        reached(int(PERCENT * done / len(stages)), progress.note)

    desk = Desk(
        device=device,
        n_threads=n_threads,
        precision=method.precision(config.settings, config.run.precision, device),
        shelf=_nowhere,
        checkpoints=None,
        on_progress=report,
        find_tracks=partial(_found_tracks, seed=seed, device=device, n_threads=n_threads),
    )
    with _reproducible(seed, device), ExitStack() as files:
        journal = Journal(seed, desk, None, files)
        return method.separate(recording, n_instruments, config.settings, journal).tracks


def _nowhere(stretches: Iterable[NDArray[np.float32]], shape: tuple[int, int, int]) -> Stems:
    """Take stems that nobody wants, a stretch at a time."""
    for _ in stretches:
        pass
    return []


def _turned_back(turn: Turn, shelf: Shelf) -> Shelf:
    """Return a shelf that puts down stems of turned channels as those of the recording's own."""

    def put(stretches: Iterable[NDArray[np.float32]], shape: tuple[int, int, int]) -> Stems:
        return shelf(map(turn.back, stretches), shape)

    return put


@contextmanager
def _reproducible(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's generators for the block below, and let NumPy use one thread in it.

    Afterwards the generators are as they were. NumPy's matrices are small here, and its threads
    wait for each other actively: beside other work an inverse took ten times as long with two
    threads as with one.
    """
    with (
        torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
        threadpool_limits(1, "blas"),
    ):
        torch.manual_seed(seed)
        yield
