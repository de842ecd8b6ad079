"""Waveforms: a recording analysed, explained and synthesised block by block (paper, Section 3.8).

Axes: ``c`` channels, ``i`` instruments, ``n`` frames, ``f`` bins, ``t`` samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musisep_cli.frames.framewise import BLOCK_FRAMES, Framewise, stretches
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.frames.spectra import Spectra
from musisep_cli.sound.blockwise import Shelf, Stems

Explain: TypeAlias = Callable[[Tensor], Tensor]
"""Takes the spectra of every channel as the network sees them, ``[c, n, f]``, and returns those of
every instrument in every channel, ``[i, c, n, f]``."""


def resynthesise(
    frame: GaborFrame,
    samples: Tensor,
    explain: Explain,
    gain: float = 1.0,
    scales: Framewise[Tensor] | None = None,
) -> Iterator[Tensor]:
    """Yield the waveform of every instrument in every channel, stretch after stretch.

    Args:
        frame: the representation.
        samples: the recording, ``[c, t]``.
        explain: finds what the instruments play; called block after block in order.
        gain: factor on the samples that ``explain`` sees; the stems are divided by it.
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
    """Yield spectra of the stems block after block, ``[i, c, n, f]``.

    Above the bins that the network sees they are 0: there, all goes to the residual.
    """
    n_bins = frame.n_network_bins
    centres = frame.centres(samples.shape[-1])
    for block in stretches(len(centres), BLOCK_FRAMES):
        of_block = None if scales is None else scales[block]
        channels = frame.analyse(samples, centres[block], gain, of_block)[..., :n_bins]
        yield torch.nn.functional.pad(explain(channels), (0, frame.n_bins - n_bins))


def shelved(
    explain: Explain,
    spectra: Spectra,
    n_instruments: int,
    shelve: Shelf,
    offer: Callable[[], None],
    scales: Framewise[Tensor] | None = None,
) -> Stems:
    """Resynthesise all stems of a recording and put them on a shelf.

    Args:
        explain: what the instruments play, called block after block in order.
        spectra: of the recording.
        n_instruments: number of stems.
        shelve: takes the stems, stretch after stretch.
        offer: called after every stretch; may raise to end the work.
        scales: as in ``resynthesise``.
    """

    def waveforms() -> Iterator[NDArray[np.float32]]:
        samples, gain = spectra.samples, spectra.gain
        for stretch in resynthesise(spectra.frame, samples, explain, gain, scales):
            offer()
            yield stretch.transpose(1, 2).cpu().numpy()  # i, t, c

    n_channels, n_samples = spectra.samples.shape
    return shelve(waveforms(), (n_instruments, n_samples, n_channels))
