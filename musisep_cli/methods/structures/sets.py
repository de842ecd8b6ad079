"""Sets of tones: what both passes say of a frame, as hypotheses for a decoding over time.

The first is what the instruments play by their structures (second pass). Then come the sets of the
first pass, the best one pitch, the best two, ..., as likely as the criterion says:

    ln p = BIC_N - max_N BIC_N.                                                      (Likelihood)

Axes: ``n`` frames, ``s`` sets of a frame, ``i`` tones of a set.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from musisep_cli.methods.structures.first_pass import PitchSets

Array: TypeAlias = NDArray[np.floating[Any]]


def pitch_sets(played: Array, first: PitchSets) -> tuple[Array, Array]:
    """Return the sets of some frames: log-probability ``[n, s]``, pitches or 0 ``[n, s, i]``.

    Args:
        played: of the second pass, 0 for rests, ``[n, i]``.
        first: of the first pass.
    """
    n_frames, n_instruments = played.shape
    pitches = np.zeros((n_frames, 1 + n_instruments, n_instruments))
    log_prob = np.zeros(pitches.shape[:2])
    pitches[:, 0] = played
    sounding = (first.count > 0)[:, None]
    for n_tones in range(1, n_instruments + 1):
        pitches[:, n_tones, :n_tones] = first.f0_bins[:, :n_tones] * sounding
    log_prob[:, 1:] = first.bic - first.bic.max(1, keepdims=True)  # (Likelihood)
    return log_prob, pitches
