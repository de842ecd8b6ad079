"""Estimate: how long a separation takes on this machine, and how much memory.

The method's short trial is run and timed, on a chord of the recording's rate and channels: held
tones, for without any there may be nothing to train on.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from musisep_cli.machine.device import describe
from musisep_cli.methods import registry
from musisep_cli.methods.method import Progress, Trial
from musisep_cli.run.one_seed import run_seed
from musisep_cli.run.settings.config import Config
from musisep_cli.sound.recording import Recording

LONGEST_S = 6.0
"""Time in s for training steps of the trial. On a machine so slow that they take longer the trial
ends there, and time per frame stays unknown."""
NOTE_S = 0.4
"""Length in s of a note of the music that the trial separates."""
COPIES = 2
"""Number of arrays of the recording's size in memory at once: the recording itself, and at most as
much for its mean over the channels. Stems and what is found in the frames go to the disk."""
FRAME_BYTES, TONE_BYTES = 80, 72
"""Memory in bytes for a frame, and for each instrument's tone in it, when all is done: the pitch
tracks and, while frames are decoded, the choice of tones."""
STEP = "step"
"""Name in the list of times for a training step, whatever the method calls that stage."""


class _SlowError(Exception):
    """Ends a measurement that takes too long; what is known by then has to do."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What one seed takes.

    Attributes:
        preset: name of the preset that the estimate is for.
        device: the device in words.
        n_instruments: number of instruments.
        n_iterations: number of training steps.
        may_stop: whether training may end before the last step, when it no longer helps.
        step_s: measured time of a training step, in s.
        n_frames: number of frames of the recording.
        frame_s: measured time of all else for a frame, in s; None if the trial did not get to it.
        total_s: time of everything in s; of the training only if ``frame_s`` is None.
        memory_bytes: largest use of memory; None where the system does not tell.
        gpu_memory_bytes: largest use of the GPU's memory, if one is used.
        machine_memory_bytes: memory of the machine; None where the system does not tell.
    """

    preset: str
    device: str
    n_instruments: int
    n_iterations: int
    may_stop: bool
    step_s: float
    n_frames: int
    frame_s: float | None
    total_s: float
    memory_bytes: int | None
    gpu_memory_bytes: int | None
    machine_memory_bytes: int | None

    def warnings(self) -> list[str]:
        """Return a warning if the separation does not fit into the machine's memory."""
        needed, there = self.memory_bytes, self.machine_memory_bytes
        if needed is None or there is None or needed < there:
            return []
        return [
            f"the separation needs about {needed / 1e9:.1f} GB of memory, and this machine has "
            f"{there / 1e9:.1f} GB: separate parts of it with --start and --duration"
        ]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a trial took, for recordings of one rate and number of channels.

    Attributes:
        config: all settings.
        device: where the trial ran.
        trial: the method's trial that was run.
        sample_rate_hz: sample rate of the recordings.
        n_channels: number of channels of the recordings.
        step_s: time of a training step, in s.
        frame_s: time of all else for a frame, in s; None if the trial did not get to it.
    """

    config: Config
    device: torch.device
    trial: Trial
    sample_rate_hz: int
    n_channels: int
    step_s: float
    frame_s: float | None

    @classmethod
    def of(
        cls, sample_rate_hz: int, n_channels: int, config: Config, device: torch.device
    ) -> Measured:
        """Run the method's trial on made-up music, and return what it took."""
        method = registry.get(config.run.method)
        trial = method.trial(config.settings, sample_rate_hz, config.run.threads)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        step_s, frame_s = _measure(trial, n_channels, sample_rate_hz, config, device)
        return cls(
            config=config,
            device=device,
            trial=trial,
            sample_rate_hz=sample_rate_hz,
            n_channels=n_channels,
            step_s=step_s,
            frame_s=frame_s,
        )

    def estimate(self, n_samples: int) -> Estimate:
        """Return time and memory of one seed, for a recording of some length."""
        run, trial = self.config.run, self.trial
        n_frames = 1 + int(n_samples / self.sample_rate_hz / trial.hop_s)
        frame_bytes = FRAME_BYTES + TONE_BYTES * run.instruments
        recording_bytes = n_samples * self.n_channels * np.dtype(np.float32).itemsize
        grown_bytes = COPIES * recording_bytes + n_frames * frame_bytes
        held_bytes = _peak_memory_bytes()
        return Estimate(
            preset=self.config.preset,
            device=describe(self.device, run.threads, run.precision),
            n_instruments=run.instruments,
            n_iterations=trial.n_steps,
            may_stop=trial.may_stop,
            step_s=self.step_s,
            n_frames=n_frames,
            frame_s=self.frame_s,
            total_s=trial.n_steps * self.step_s + n_frames * (self.frame_s or 0.0),
            memory_bytes=None if held_bytes is None else held_bytes + grown_bytes,
            gpu_memory_bytes=torch.cuda.max_memory_allocated(self.device) + grown_bytes
            if self.device.type == "cuda"
            else None,
            machine_memory_bytes=_machine_memory_bytes(),
        )


def estimate(recording: Recording, config: Config, device: torch.device) -> Estimate:
    """Measure time and memory of one seed, in a few steps at the size of the settings."""
    rate_hz, n_channels = recording.sample_rate_hz, recording.n_channels
    return Measured.of(rate_hz, n_channels, config, device).estimate(recording.n_samples)


def _measure(
    trial: Trial, n_channels: int, sample_rate_hz: int, config: Config, device: torch.device
) -> tuple[float, float | None]:
    """Return the times in s of a training step, and of all else that is done for a frame.

    The latter is None if the steps alone take longer than ``LONGEST_S``.
    """
    n_samples = round(trial.n_frames * trial.hop_s * sample_rate_hz)
    chords = np.tile(
        _chords(n_samples, sample_rate_hz, config.run.instruments)[:, None], n_channels
    )
    sample = Recording(samples=chords, sample_rate_hz=sample_rate_hz)
    marks = [("start", time.perf_counter())]
    n_done = [0]

    def mark(progress: Progress) -> None:
        """Note the time of a report, and end the trial if its training takes too long."""
        stage = progress.stage if progress.report is None else STEP
        marks.append((stage, time.perf_counter()))
        if progress.report is not None:
            n_done.append(progress.report.iteration)
        # The first step alone tells little: it takes far longer than the others.
        times_s = _times_s(marks, STEP)
        if len(times_s) > 1 and sum(times_s) > LONGEST_S:
            raise _SlowError

    try:
        run_seed(sample, replace(config, settings=trial.settings), 0, device, mark)
    except _SlowError:
        return _step_s(marks, n_done), None
    marks.append(("end", time.perf_counter()))
    return _step_s(marks, n_done), _besides_training_s(marks) / trial.n_frames


def _chords(n_samples: int, sample_rate_hz: int, n_tones: int) -> NDArray[np.float32]:
    """Return two chords in turn, of tones of eight harmonics, over a little noise, ``[t]``.

    The first is of fifths from 110 Hz on, the second a whole tone higher. They change often,
    because separating takes the most time where notes change.
    """
    time_s = np.arange(n_samples) / sample_rate_hz
    higher = np.floor(time_s / NOTE_S) % 2
    chords = np.random.default_rng(0).uniform(-1e-4, 1e-4, n_samples)
    for tone in range(n_tones):
        for h in range(1, 9):
            frequency_hz = 110 * 1.5**tone * h * np.where(higher, 9 / 8, 1)
            audible = frequency_hz < sample_rate_hz / 2
            chords += audible * 0.05 / h * np.sin(2 * np.pi * frequency_hz * time_s + h)
    return chords.astype(np.float32)


def _step_s(marks: list[tuple[str, float]], n_done: list[int]) -> float:
    """Return the time in s of a training step; 0 if there was none.

    Args:
        marks: stages and times, one of ``STEP`` for every report.
        n_done: number of steps that were done at the start, and at every report.

    >>> _step_s([("start", 0.0), ("step", 9.0), ("step", 11.0)], [0, 500, 1500])
    0.002
    """
    of_reports = [after - before for before, after in pairwise(n_done)]
    return _typical_s(marks, STEP) / statistics.median(of_reports[1:] or of_reports or [1])


def _besides_training_s(marks: list[tuple[str, float]]) -> float:
    """Return the time in s of everything but training steps, also that between the stages.

    Much is loaded before the very first mark, and that is done only once: the first interval counts
    as a typical one of its stage.

    >>> marks = [("start", 0.0), ("listening", 9.0), ("listening", 10.0), ("step", 15.0)]
    >>> _besides_training_s([*marks, ("resynthesis", 18.0), ("end", 18.5)])
    5.5
    """
    first, first_s = marks[1][0], marks[1][1] - marks[0][1]
    total_s = marks[-1][1] - marks[0][1]
    loading_s = first_s - _typical_s(marks, first)
    return total_s - sum(_times_s(marks, STEP)) - (loading_s if first != STEP else 0.0)


def _typical_s(marks: list[tuple[str, float]], stage: str) -> float:
    """Return the median time in s from mark to mark in a stage; 0 if it does not occur.

    The first interval, which takes longer, is left out if there are others.

    >>> _typical_s([("start", 0.0), ("step", 9.0), ("step", 10.0)], "step")
    1.0
    """
    times_s = _times_s(marks, stage)
    return statistics.median(times_s[1:] or times_s or [0.0])


def _times_s(marks: list[tuple[str, float]], stage: str) -> list[float]:
    """Return the times in s from mark to mark in a stage."""
    return [at - before for (_, before), (name, at) in pairwise(marks) if name == stage]


def _peak_memory_bytes() -> int | None:
    """Return the largest memory of this process so far in bytes; None on Windows."""
    if sys.platform == "win32":
        return None
    import resource

    # In bytes on macOS, in KiB elsewhere.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _machine_memory_bytes() -> int | None:
    """Return the memory of the machine in bytes; None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
