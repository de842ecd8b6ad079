"""Estimate: how long a separation takes on this machine, and how much memory.

A few training steps and the prediction of one block of frames are run and timed, on noise of the
recording's rate and channels: neither depends on what is heard.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from dataclasses import dataclass, replace

import numpy as np
import torch

from musisep_cli.config import Config
from musisep_cli.device import describe
from musisep_cli.model.gabor import GaborFrame
from musisep_cli.pipeline import Progress, run_seed
from musisep_cli.recording import MIN_DURATION_S, Recording
from musisep_cli.resynthesis import BLOCK_FRAMES

STEPS = 4
"""Training steps that are run; the first is not counted, it allocates and compiles."""
ARRAYS_PER_STEM, MORE_ARRAYS = 3, 6
"""Copies of the recording's size that are held at once: of every stem the chosen, the current and
the one in the making; the recording itself, sums in float64 and what is being written."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What one seed takes.

    Attributes:
        preset: settings it is for.
        device: in words.
        n_instruments: stems.
        n_iterations: training steps.
        step_s: time of one, measured.
        n_frames: frames to predict.
        frame_s: time of one, measured.
        total_s: time of everything.
        memory_bytes: largest use of memory; None where the system does not tell.
        gpu_memory_bytes: the same on the GPU, if one is used.
        machine_memory_bytes: what the machine has; None where the system does not tell.
    """

    preset: str
    device: str
    n_instruments: int
    n_iterations: int
    step_s: float
    n_frames: int
    frame_s: float
    total_s: float
    memory_bytes: int | None
    gpu_memory_bytes: int | None
    machine_memory_bytes: int | None

    def warnings(self) -> list[str]:
        """Whether it does not fit, in words."""
        needed, there = self.memory_bytes, self.machine_memory_bytes
        if needed is None or there is None or needed < there:
            return []
        return [
            f"the separation needs about {needed / 1e9:.1f} GB of memory, and this machine has "
            f"{there / 1e9:.1f} GB: separate parts of it with --start and --duration"
        ]


def estimate(recording: Recording, config: Config, device: torch.device) -> Estimate:
    """Time and memory of one seed, measured in a few steps at the size of the settings."""
    frame = GaborFrame(config.frame, recording.sample_rate_hz)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    step_s, block_s = _measure(frame, recording.n_channels, config, device)
    n_frames = len(frame.centres(recording.n_samples))
    frame_s = block_s / BLOCK_FRAMES
    n_iterations = config.training.iterations
    grown_bytes = (
        ARRAYS_PER_STEM * config.run.instruments + MORE_ARRAYS
    ) * recording.samples.nbytes
    held_bytes = _peak_memory_bytes()
    return Estimate(
        preset=config.preset,
        device=describe(device, config.run.threads),
        n_instruments=config.run.instruments,
        n_iterations=n_iterations,
        step_s=step_s,
        n_frames=n_frames,
        frame_s=frame_s,
        total_s=n_iterations * step_s + n_frames * frame_s,
        memory_bytes=None if held_bytes is None else held_bytes + grown_bytes,
        gpu_memory_bytes=torch.cuda.max_memory_allocated(device) + grown_bytes
        if device.type == "cuda"
        else None,
        machine_memory_bytes=_machine_memory_bytes(),
    )


def _measure(
    frame: GaborFrame, n_channels: int, config: Config, device: torch.device
) -> tuple[float, float]:
    """Time of a training step and of predicting a block of frames."""
    n_samples = max(BLOCK_FRAMES * frame.hop_samples, round(MIN_DURATION_S * frame.sample_rate_hz))
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, (n_samples, n_channels))
    sample = Recording(samples=noise.astype(np.float32), sample_rate_hz=frame.sample_rate_hz)
    short = replace(config, training=replace(config.training, iterations=STEPS))
    marks: list[tuple[float, Progress]] = []
    run_seed(sample, short, 0, device, lambda p: marks.append((time.perf_counter(), p)))
    steps = [at for at, progress in marks if progress.stage == "training"]
    blocks = [(at, p) for at, p in marks if p.stage == "resynthesis"]
    first_block_at, first_block = blocks[0]
    step_s = statistics.median(np.diff(steps).tolist())
    return step_s, (first_block_at - steps[-1]) * BLOCK_FRAMES / first_block.done


def _peak_memory_bytes() -> int | None:
    """Largest memory of this process so far."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _machine_memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
