"""Mixing: batches of mixtures of simulated phrases, with the phrases and their pitches.

Batch k follows from its number alone, so that a checkpoint holds no random state.

Axes: ``b`` mixtures, ``j`` voices, ``n`` frames, ``t`` samples.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from musisep_cli.methods.source_filter.training.simulator import Phrase, phrase

N_VOICES = (1, 2, 2, 2, 2, 3, 3, 4)
"""Numbers of voices that a batch may have, each equally likely."""
LEVEL_DB = 5.0
"""Standard deviation of a voice's level in a mixture, in dB."""
PITCH_CENTS = 6.0
"""Standard deviation of the errors of the pitch that is told, in cents."""
MIXTURE_RMS = 0.1
"""Level of a mixture."""


@dataclass(frozen=True)
class Mixtures:
    """Mixtures and what is in them.

    Attributes:
        sounds: every voice, ``[b, j, t]``.
        f0_hz: pitches that are told, 0 in rests, ``[b, j, n]``.
    """

    sounds: Tensor
    f0_hz: Tensor

    @property
    def mixture(self) -> Tensor:
        """Return the sums of the voices, ``[b, t]``."""
        return self.sounds.sum(1)


@dataclass(frozen=True)
class Mixer:
    """Draws mixtures of a pool of phrases, each of which is made when it is first needed.

    Attributes:
        n_phrases: size of the pool.
        seed: of phrases and mixtures.
        batch_size: mixtures in a batch.
    """

    n_phrases: int
    seed: int
    batch_size: int = 4
    made: dict[int, Phrase] = field(default_factory=dict)

    def batch(self, number: int, n_voices: int | None = None) -> Mixtures:
        """Return the mixtures of a number; how many voices they have is drawn by default."""
        draw = np.random.default_rng([self.seed, 1, number])
        count = int(draw.choice(N_VOICES)) if n_voices is None else n_voices
        chosen = np.stack(
            [draw.choice(self.n_phrases, count, replace=False) for _ in range(self.batch_size)]
        )
        sounds = np.stack([[self._phrase(int(p)).sound for p in row] for row in chosen])
        f0_hz = np.stack([[self._phrase(int(p)).f0_hz for p in row] for row in chosen])
        levels = 10 ** (draw.normal(0, LEVEL_DB, (*chosen.shape, 1)) / 20)
        louder = sounds * levels
        rms = np.sqrt(np.square(louder.sum(1, keepdims=True)).mean(-1, keepdims=True))
        off = 2 ** (draw.normal(0, PITCH_CENTS, (*chosen.shape, 1)) / 1200)
        return Mixtures(
            torch.from_numpy((MIXTURE_RMS * louder / rms).astype(np.float32)),
            torch.from_numpy((f0_hz * off).astype(np.float32)),
        )

    def _phrase(self, number: int) -> Phrase:
        """Return a phrase of the pool."""
        if number not in self.made:
            self.made[number] = phrase(np.random.default_rng([self.seed, 0, number]))
        return self.made[number]
