"""Seed: what one training tells while it goes on, and what it ends in.

Axes: ``t`` samples, ``c`` channels, ``i`` instruments, ``n`` frames, ``h`` harmonics.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from musisep_cli.methods.policy.trainer import StepReport
from musisep_cli.sound.blockwise import Stems
from musisep_cli.tones.tracks import PitchTracks

Stage: TypeAlias = Literal["listening", "decoding", "training", "transcription", "resynthesis"]


@dataclass(frozen=True)
class Progress:
    """Where one seed stands, after a training step or a block of frames.

    Attributes:
        seed: which.
        stage: listening (where tones are decoded over time), decoding, training, transcription
            (listening again with the trained network; it is decoded again then), resynthesis.
        done: steps, frames or rounds done.
        total: of so many.
        report: the training step's, if it was one.
        note: what the user should know besides.
    """

    seed: int
    stage: Stage
    done: int
    total: int
    report: StepReport | None = None
    note: str = ""


OnProgress: TypeAlias = Callable[[Progress], None]


@dataclass(frozen=True)
class SeedResult:
    """One seed's separation.

    Attributes:
        seed: which.
        stems: as many ``[t, c]``; in memory one array ``[i, t, c]``.
        dictionary: D, ``[h, i]``.
        objective: mean of Eq. 21 over all frames, tones chosen as the most probable ones: the
            blind criterion.
        pitch: what was played.
        curve: training curve, means over stretches of steps.
        n_skipped: training steps that were not finite and so not applied.
        wall_s: time taken.
        checkpoint: network, dictionary and optimiser, as a file of ``torch.save``.
    """

    seed: int
    stems: Stems
    dictionary: NDArray[np.float32]
    objective: float
    pitch: PitchTracks
    curve: tuple[StepReport, ...]
    n_skipped: int
    wall_s: float
    checkpoint: bytes
