"""Resynthesis: all frames of a recording explained and turned into waveforms (paper, Section 3.8).

Axes: ``c`` channels, ``i`` instruments, ``n`` frames, ``f`` bins, ``t`` samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import torch
from torch import Tensor

from musisep_cli.model.gabor import GaborFrame

BLOCK_FRAMES = 64
"""Frames explained at once: what keeps memory flat, however long the recording."""

Explain: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Spectra of the mean over channels ``[n, f]`` and of every channel ``[c, n, f]``, as the network
sees them, to the spectra of every instrument in every channel, ``[i, c, n, f]``."""


def resynthesise(frame: GaborFrame, samples: Tensor, explain: Explain) -> Tensor:
    """The waveform of every instrument in every channel.

    Args:
        frame: analysis and synthesis.
        samples: the recording, ``[c, t]``.
        explain: what the instruments play, called block after block in order.

    Returns:
        Stems ``[i, c, t]``.
    """
    n_samples = samples.shape[-1]
    return frame.synthesise(_stem_blocks(frame, samples, explain), n_samples)


def _stem_blocks(frame: GaborFrame, samples: Tensor, explain: Explain) -> Iterator[Tensor]:
    """Spectra of the stems, ``[i, c, n, f]`` per block, zero above the bins the network sees."""
    n_bins = frame.n_network_bins
    for centres in frame.centres(samples.shape[-1]).split(BLOCK_FRAMES):
        channels = frame.analyse(samples, centres)[..., :n_bins]
        stems = explain(channels.mean(0), channels)
        yield torch.nn.functional.pad(stems, (0, frame.n_bins - n_bins))
