"""Labels: the frames whose decoded tones can be taken for true.

Not in the paper. Decoding errs where it must guess: where notes change, and where no tones that it
has explain the frame. So a frame counts only

- if all instruments go on as they are for ``STEADY_FRAMES`` to both sides, which is as far as its
  window reaches, and
- if its harmonics are what the instruments' timbres at these pitches give, as well as in
  ``BEST_SHARE`` of all frames: a tone an octave off has harmonics that the frame has not.

The second is the only witness besides what the network itself said, hence the more important one.

Axes: ``n`` frames, ``i`` instruments, ``f`` bins, ``h`` harmonics.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from musisep_cli.frames.framewise import BLOCK_FRAMES, Framewise, excerpt, stretches
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.frames.leaves import leafwise
from musisep_cli.methods.decoding.decoded import Decoded
from musisep_cli.methods.decoding.rehearsal import Labels
from musisep_cli.tones.notes import NotesAround
from musisep_cli.tones.timbre import (
    EXCERPT_STRETCHES,
    STRETCH_FRAMES,
    Timbres,
    comb_of,
    learn_timbres,
)
from musisep_cli.tones.tones import NOTE_SEMITONES, Tones, pitch_semitones

STEADY_FRAMES = 3
BEST_SHARE = 0.8


def clear_labels(
    decoded: Decoded,
    spectra: Framewise[Tensor],
    centres: Tensor,
    dictionary: Tensor,
    frame: GaborFrame,
    *,
    note_reach: int,
    faint: float,
) -> Labels:
    """The frames whose tones are clear, from as much of the recording as timbres are learned from.

    Args:
        decoded: the tones of all frames.
        spectra: of all frames, ``[n, f]``.
        centres: of all frames, in samples, ``[n]``.
        dictionary: D, ``[h, i]``.
        frame: the representation.
        note_reach: other notes are looked for within so many frames.
        faint: a tone fainter than this share of the usual loud one, or of the loudest in its frame,
            counts as a rest.
    """
    parts = excerpt(len(decoded), EXCERPT_STRETCHES, STRETCH_FRAMES)
    loudness = torch.cat(
        [decoded.loudness(block) for part in parts for block in stretches(part, BLOCK_FRAMES)]
    )
    usual = usual_level(loudness)
    timbres = learn_timbres(NotesAround(decoded, note_reach), spectra, dictionary, frame)
    labelled, steady, misfits = [], [], []
    for part in parts:
        for block in stretches(part, BLOCK_FRAMES):
            wide = slice(max(block.start - STEADY_FRAMES, 0), block.stop + STEADY_FRAMES)
            tones = decoded[wide]
            loud = without_faint(tones, decoded.loudness(wide), faint, usual)
            here = slice(block.start - wide.start, block.stop - wide.start)
            steady.append(goes_on(loud.on > 0, pitch_semitones(loud.f0_bins, frame))[here])
            misfits.append(_misfit(tones[here], spectra[block], timbres, frame))
            labelled.append(loud[here])
    tones = leafwise(lambda *rows: torch.cat(rows), *labelled)
    chosen = clear(tones.on > 0, torch.cat(steady), torch.cat(misfits))
    tones = tones[chosen]
    passage = passages(tones.on > 0, pitch_semitones(tones.f0_bins, frame))
    return Labels(torch.cat([centres[part] for part in parts])[chosen], tones, passage)


def usual_level(loudness: Tensor) -> Tensor:
    """How loud a tone usually is, each weighted by its loudness: sum l^2 / sum l.

    >>> float(usual_level(torch.tensor([[2.0, 0.0], [2.0, 2.0]])))
    2.0
    """
    return loudness.square().sum() / loudness.sum().clamp_min(torch.finfo(loudness.dtype).tiny)


def without_faint(tones: Tones, loudness: Tensor, faint: float, usual: Tensor) -> Tones:
    """Return tones ``[n, i]`` with rests where they can hardly be heard."""
    least = faint * torch.maximum(usual, loudness.amax(1, keepdim=True))
    return replace(tones, on=tones.on * (loudness > least))


def goes_on(on: Tensor, semitones: Tensor) -> Tensor:
    """Whether all instruments do the same in the frames around, bool ``[n]``.

    At the ends, in those that there are.

    Args:
        on: whether there is a tone, bool ``[n, i]``.
        semitones: its pitch, ``[n, i]``.
    """
    steady = torch.ones_like(on)
    frames = torch.arange(len(on), device=on.device)
    for distance in (*range(-STEADY_FRAMES, 0), *range(1, STEADY_FRAMES + 1)):
        others = (frames + distance).clamp(0, len(on) - 1)
        steady &= _same(on, semitones, on[others], semitones[others])
    return steady.all(1)


def clear(on: Tensor, steady: Tensor, misfits: Tensor) -> Tensor:
    """Which frames count, bool ``[n]``: steady, among the best, and not without any tone.

    Args:
        on: whether there is a tone, bool ``[n, i]``.
        steady: bool ``[n]``.
        misfits: of the harmonics, ``[n]``.
    """
    sounding = on.any(1)
    if not bool(sounding.any()):
        return sounding
    return sounding & steady & (misfits <= misfits[sounding].quantile(BEST_SHARE))


def passages(on: Tensor, semitones: Tensor) -> Tensor:
    """The frames in which the same notes sound as in the one before: number of theirs, ``[n]``.

    Args:
        on: whether there is a tone, bool ``[n, i]``.
        semitones: its pitch, ``[n, i]``.
    """
    same = _same(on[1:], semitones[1:], on[:-1], semitones[:-1]).all(1)
    return torch.cat([torch.zeros_like(on[:1, 0], dtype=torch.long), (~same).cumsum(0)])


def _same(on: Tensor, semitones: Tensor, other_on: Tensor, other_semitones: Tensor) -> Tensor:
    """Whether an instrument does in a frame what it does in another, bool ``[n, i]``."""
    same_note = (semitones - other_semitones).abs() < NOTE_SEMITONES
    return (on == other_on) & (same_note | ~on)


def _misfit(tones: Tones, spectra: Tensor, timbres: Timbres, frame: GaborFrame) -> Tensor:
    """How badly the instruments' timbres explain the harmonics of some frames ``[n, f]``, ``[n]``.

    Of their own tones only: an end of another note that sounds in besides is a reason for doubt.
    """
    n_instruments, _, n_harmonics = timbres.table.shape
    instruments = torch.arange(n_instruments, device=spectra.device)
    comb = comb_of(tones, spectra, instruments=instruments, frame=frame, n_harmonics=n_harmonics)
    return timbres.misfit(comb)
