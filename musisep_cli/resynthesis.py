"""Resynthesis: all frames of a recording explained and turned into waveforms (paper, Section 3.8).

Axes: ``c`` channels, ``i`` instruments, ``n`` frames, ``f`` bins, ``t`` samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from musisep_cli.model.gabor import GaborFrame

BLOCK_FRAMES = 64
"""Frames explained at once: what keeps memory flat, however long the recording."""

Explain: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Spectra of the mean over channels ``[n, f]`` and of every channel ``[c, n, f]``, as the network
sees them, to the spectra of every instrument in every channel, ``[i, c, n, f]``."""


@dataclass(frozen=True, kw_only=True)
class ResynthesisConfig:
    """How the frames' tones become stems (Section 3.8)."""

    stems: Literal["direct", "mask"] = "direct"
    """Direct: every stem is the sum of its direct predictions, as in the paper. Mask departs from
    it: the tones only say in what shares the recording's own spectrum goes to the instruments.
    Glides, onsets and breath, which no stationary peak can follow, then stay in the stems."""
    mask_width: float = 1.3
    """With mask: widths of the peaks that share out the spectrum, in ideal widths."""
    timbre_noise: float = 0.2
    """Where tones are decoded: what the tone model misses, relative to a frame's strongest
    harmonic. The more, the more is an instrument's timbre believed against the mixture where two
    tones share a harmonic; near 0, such a harmonic is divided by chance."""
    mask_floor: float = 1e-4
    """With mask: where the tones are below this share of the frame's highest peak, what there is
    goes to the residual."""


def resynthesise(
    frame: GaborFrame, samples: Tensor, explain: Explain, gain: float = 1.0
) -> Iterator[Tensor]:
    """The waveform of every instrument in every channel, stretch after stretch.

    Args:
        frame: analysis and synthesis.
        samples: the recording, ``[c, t]``.
        explain: what the instruments play, called block after block in order.
        gain: what the samples are multiplied by for ``explain``, and the stems divided by.

    Yields:
        Consecutive stretches of the stems, ``[i, c, t]``.
    """
    blocks = _stem_blocks(frame, samples, explain, gain)
    for stretch in frame.stretches(blocks, samples.shape[-1]):
        yield stretch / gain


def _stem_blocks(
    frame: GaborFrame, samples: Tensor, explain: Explain, gain: float
) -> Iterator[Tensor]:
    """Spectra of the stems, ``[i, c, n, f]`` per block, zero above the bins the network sees."""
    n_bins = frame.n_network_bins
    for centres in frame.centres(samples.shape[-1]).split(BLOCK_FRAMES):
        channels = frame.analyse(samples, centres, gain)[..., :n_bins]
        stems = explain(channels.mean(0), channels)
        yield torch.nn.functional.pad(stems, (0, frame.n_bins - n_bins))


def shares(envelopes: Tensor, floor: float) -> Tensor:
    """Share of every instrument in every bin of a frame: a ratio mask, ``[n, i, f]``.

    e_i / (sum_j e_j + floor max_f,j e_j): the shares of a bin add up to 1 where there are tones,
    and fade to 0 where there are none.

    Args:
        envelopes: magnitudes that the tones lead to expect, ``[n, i, f]``.
        floor: relative to the highest of them in the frame.
    """
    highest = envelopes.amax((1, 2), keepdim=True)
    tiny = torch.finfo(envelopes.dtype).tiny
    return envelopes / (envelopes.sum(1, keepdim=True) + floor * highest + tiny)
