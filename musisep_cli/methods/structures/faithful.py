"""Faithful sound: stems of the pitches of all frames, from the mixture's own peaks (``sound``).

Axes: ``n`` frames, ``i`` instruments, ``c`` channels, ``f`` bins, ``k`` peaks of a frame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musisep_cli.frames.framewise import FrameRows, Frames
from musisep_cli.frames.spectra import Spectra, audible
from musisep_cli.methods.structures.average_structure import Instruments
from musisep_cli.methods.structures.detector import Detector
from musisep_cli.methods.structures.sound import (
    peak_shares,
    stems_of_peaks,
    tone_amplitudes,
)
from musisep_cli.sound.blockwise import Shelf, Stems
from musisep_cli.stems.waveforms import shelved
from musisep_cli.tones.tones import Tones
from musisep_cli.tones.tracks import Transcript

Array: TypeAlias = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class PlayedPitches(FrameRows):
    """The pitch of every instrument in bins, 0 where it rests, ``[n, i]``."""

    f0_bins: Tensor


def faithful_stems(
    f0_bins: Array,
    spectra: Spectra,
    detector: Detector,
    known: Instruments,
    *,
    shelve: Shelf,
    offer: Callable[[], None],
    reached: Callable[[int], None],
) -> tuple[Stems, Transcript]:
    """Return the stems of pitches ``[n, i]``, 0 for rests, and what was played.

    Args:
        f0_bins: of all frames.
        spectra: of the recording.
        detector: finds the peaks.
        known: the instruments.
        shelve: takes the stems, stretch after stretch.
        offer: called after every stretch; may raise to end the work.
        reached: called with the number of frames done.
    """
    transcript = Frames(Transcript, len(f0_bins))

    def explain(channels: Tensor) -> Tensor:
        """Return the stems ``[i, c, n, f]`` of the next frames ``[c, n, f]``."""
        block = slice(transcript.n_done, transcript.n_done + channels.shape[1])
        mean, pitches = channels.mean(0), f0_bins[block]
        peaks = detector.peaks(mean)
        shares = peak_shares(peaks, pitches, known)
        stems = stems_of_peaks(channels, peaks, shares, spectra.frame.ideal_width_bins)
        transcript.add(
            Transcript(
                tones=_tones(pitches, mean),
                amplitude=torch.from_numpy(tone_amplitudes(peaks, pitches, known)).to(mean.real),
                objective=unexplained(mean, stems.mean(1).sum(0)),
                audible=audible(mean),
            )
        )
        reached(transcript.n_done)
        return stems

    stems = shelved(explain, spectra, f0_bins.shape[1], shelve, offer)
    return stems, transcript.joined()


def _tones(f0_bins: Array, like: Tensor) -> Tones:
    """Return pitches ``[n, i]``, 0 for rests, as tones."""
    pitches = torch.from_numpy(f0_bins).to(like.real)
    return Tones((pitches > 0).to(pitches.dtype), pitches, torch.zeros_like(pitches))


def unexplained(spectra: Tensor, explained: Tensor) -> Tensor:
    """Return the share of the energy of frames ``[n, f]`` that the stems leave, ``[n]``."""
    energy = spectra.abs().square().sum(-1)
    left: Tensor = (spectra - explained).abs().square().sum(-1)
    tiny = torch.finfo(left.dtype).tiny
    return left / energy.clamp_min(tiny)
