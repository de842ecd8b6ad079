"""Resynthesis: all frames of a recording explained and turned into waveforms (paper, Section 3.8).

Axes: ``c`` channels, ``i`` instruments, ``n`` frames, ``f`` bins, ``t`` samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from musisep_cli.framewise import Framewise, stretches
from musisep_cli.model.gabor import GaborFrame

BLOCK_FRAMES = 64
"""Frames explained at once: what keeps memory flat, however long the recording."""

Explain: TypeAlias = Callable[[Tensor], Tensor]
"""Spectra of every channel as the network sees them, ``[c, n, f]``, to those of every instrument in
every channel, ``[i, c, n, f]``."""


@dataclass(frozen=True, kw_only=True)
class ResynthesisConfig:
    """How the frames' tones become stems (Section 3.8)."""

    stems: Literal["direct", "wiener"] = "direct"
    """Direct: every stem is the sum of its direct predictions, as in the paper. Wiener departs from
    it: what the tones leave over of the recording's own spectrum is shared out as well. Glides,
    onsets and breath, which no stationary peak can follow, then stay in the stems."""
    mask_width: float = 1.3
    """With wiener: widths of the peaks that share out what is left over, in ideal widths."""
    mask_floor: float = 1e-4
    """With wiener: where the tones are below this share of the frame's highest peak, what there is
    goes to the residual."""
    timbre_noise: float = 0.2
    """Where tones are decoded: what the tone model is thought to miss, relative to a frame's
    strongest harmonic, before the first fit has shown it. The more, the more is an instrument's
    timbre believed against the mixture where two tones share a harmonic."""
    rest_noise: float = 1.5
    """Where tones are decoded: what the tone model misses around a harmonic, relative to what a
    fit has left there: it takes some of the noise for tones. Very high, and nothing is fitted: all
    of the spectrum is shared out, as a mask does."""
    steady_s: float = 0.5
    """Where tones are decoded: how long a harmonic of a note is expected to go on as it is. The
    longer, the nearer may be the frequencies of two that are told apart. 0: every frame is fitted
    by itself."""
    level_s: float = 0.085
    """Where tones are decoded: for how long the level of a note is thought to be alike, where other
    tones hide it. 0: every frame tells it for itself."""
    stretched: bool = True
    """Where tones are decoded: whether it is learned how far an instrument's strings spread their
    harmonics, at every pitch. Without, they are where the network takes them to be."""
    change_window: float = 0.6
    """Where tones are decoded: length of the window in frames that hold two notes of an instrument,
    relative to the others'. 1: the same everywhere."""
    places: bool = True
    """Where tones are decoded: whether in stereo every instrument is taken from where it sounds.
    Without, each channel is separated by itself."""


def resynthesise(
    frame: GaborFrame,
    samples: Tensor,
    explain: Explain,
    gain: float = 1.0,
    scales: Framewise[Tensor] | None = None,
) -> Iterator[Tensor]:
    """The waveform of every instrument in every channel, stretch after stretch.

    Args:
        frame: analysis and synthesis.
        samples: the recording, ``[c, t]``.
        explain: what the instruments play, called block after block in order.
        gain: what the samples are multiplied by for ``explain``, and the stems divided by.
        scales: lengths of all frames' windows relative to the frame's own, ``[n]``.

    Yields:
        Consecutive stretches of the stems, ``[i, c, t]``.
    """
    blocks = _stem_blocks(frame, samples, explain, gain, scales)
    for stretch in frame.stretches(blocks, samples.shape[-1], scales):
        yield stretch / gain


def _stem_blocks(
    frame: GaborFrame,
    samples: Tensor,
    explain: Explain,
    gain: float,
    scales: Framewise[Tensor] | None,
) -> Iterator[Tensor]:
    """Spectra of the stems, ``[i, c, n, f]`` per block, zero above the bins the network sees."""
    n_bins = frame.n_network_bins
    centres = frame.centres(samples.shape[-1])
    for block in stretches(len(centres), BLOCK_FRAMES):
        of_block = None if scales is None else scales[block]
        channels = frame.analyse(samples, centres[block], gain, of_block)[..., :n_bins]
        yield torch.nn.functional.pad(explain(channels), (0, frame.n_bins - n_bins))


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


def shared(rest: Tensor, envelopes: Tensor, floor: float) -> Tensor:
    """What every instrument has of what the tones leave over, ``[n, i, c, f]``.

    m_i (Y - sum_j T_j). Where T_i are the most probable tones of instrument i under
    Y = sum_i (T_i + e_i), and it has the share m_i of the noise's power, this is the expectation of
    e_i, given Y.

    Args:
        rest: complex, ``[n, c, f]``.
        envelopes: as of ``shares``, ``[n, i, f]``.
        floor: as of ``shares``.
    """
    return shares(envelopes, floor)[:, :, None] * rest[:, None]
