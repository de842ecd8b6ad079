"""Clear frames: those whose decoded tones can be taken for true, to train the network on.

Not in the paper. Decoding errs where it must guess: where notes change, and where none of the
hypotheses explains the frame. So a frame is clear only

1. if every instrument goes on with its tone or its rest for ``STEADY_FRAMES`` to both sides, which
   is as far as the window reaches, and
2. if its harmonics are among the ``BEST_SHARE`` that the instruments' timbres at these pitches
   explain best: a tone an octave off expects harmonics that the frame does not have.

The second condition is the more important one: it alone does not come from the network, which is to
be trained.

Axes: ``n`` frames, ``i`` instruments, ``f`` bins, ``h`` harmonics.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from musisep_cli.frames.framewise import BLOCK_FRAMES, Framewise, excerpt, stretches
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.frames.leaves import leafwise
from musisep_cli.methods.decoding.rehearsal import Labels
from musisep_cli.players.decoded import Decoded, notes_of
from musisep_cli.tones.timbre import (
    EXCERPT_STRETCHES,
    STRETCH_FRAMES,
    Timbres,
    comb_of,
    learn_timbres,
)
from musisep_cli.tones.tones import NOTE_SEMITONES, Tones, pitch_semitones

STEADY_FRAMES = 3
"""Number of frames to both sides in which nothing may change; a window reaches over six hops."""
BEST_SHARE = 0.8
"""Share of the frames with tones that is good enough, those with the least misfit."""


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
    """Return the frames whose tones are clear, of the parts that timbres are learned from.

    Args:
        decoded: the tones of all frames.
        spectra: of all frames, ``[n, f]``.
        centres: of all frames, in samples, ``[n]``.
        dictionary: D, ``[h, i]``.
        frame: the representation.
        note_reach: number of frames within which other notes are looked for.
        faint: share of the usual level, or of the loudest tone in the frame, below which a tone
            counts as a rest.
    """
    parts = excerpt(len(decoded), EXCERPT_STRETCHES, STRETCH_FRAMES)
    loudness = torch.cat(
        [decoded.loudness(block) for part in parts for block in stretches(part, BLOCK_FRAMES)]
    )
    usual = usual_level(loudness)
    timbres = learn_timbres(notes_of(decoded, note_reach), spectra, dictionary, frame)
    labelled, steady, misfits = [], [], []
    for part in parts:
        for block in stretches(part, BLOCK_FRAMES):
            wide = slice(max(block.start - STEADY_FRAMES, 0), block.stop + STEADY_FRAMES)
            # Condition 1 looks at the frames beyond the block, condition 2 at those of the block.
            tones = decoded[wide]
            loud = without_faint(tones, decoded.loudness(wide), faint, usual)
            here = slice(block.start - wide.start, block.stop - wide.start)
            steady.append(goes_on(loud.on > 0, pitch_semitones(loud.f0_bins, frame))[here])
            misfits.append(_misfit(tones[here], spectra[block], timbres, frame))
            labelled.append(loud[here])
    tones = leafwise(lambda *rows: torch.cat(rows), *labelled)
    # Which frames are good enough is known only once all have been seen.
    chosen = clear(tones.on > 0, torch.cat(steady), torch.cat(misfits))
    tones = tones[chosen]
    passage = passages(tones.on > 0, pitch_semitones(tones.f0_bins, frame))
    return Labels(torch.cat([centres[part] for part in parts])[chosen], tones, passage)


def usual_level(loudness: Tensor) -> Tensor:
    """Return how loud a tone usually is: sum l^2 / sum l, the mean weighted by loudness.

    Rests, however many there are, do not lower it.

    >>> float(usual_level(torch.tensor([[2.0, 0.0], [2.0, 2.0]])))
    2.0
    """
    return loudness.square().sum() / loudness.sum().clamp_min(torch.finfo(loudness.dtype).tiny)


def without_faint(tones: Tones, loudness: Tensor, faint: float, usual: Tensor) -> Tones:
    """Return tones ``[n, i]`` with those off that can hardly be heard.

    Args:
        tones: of some frames, ``[n, i]``.
        loudness: of the tones, ``[n, i]``.
        faint: share of the usual level or of the loudest tone in the frame that is the least.
        usual: the usual level.
    """
    least = faint * torch.maximum(usual, loudness.amax(1, keepdim=True))
    return replace(tones, on=tones.on * (loudness > least))


def goes_on(on: Tensor, semitones: Tensor) -> Tensor:
    """Return whether all instruments do the same in the frames around (1), bool ``[n]``.

    At both ends of the recording, only the frames that there are count.

    Args:
        on: whether there is a tone, bool ``[n, i]``.
        semitones: its pitch, ``[n, i]``.
    """
    steady = torch.ones_like(on)
    frames = torch.arange(len(on), device=on.device)
    # The frames around are looked at distance by distance, all frames at once.
    for distance in (*range(-STEADY_FRAMES, 0), *range(1, STEADY_FRAMES + 1)):
        others = (frames + distance).clamp(0, len(on) - 1)
        steady &= _same(on, semitones, on[others], semitones[others])
    return steady.all(1)


def clear(on: Tensor, steady: Tensor, misfits: Tensor) -> Tensor:
    """Return which frames are clear, bool ``[n]``: steady, among the best, with some tone.

    Args:
        on: whether there is a tone, bool ``[n, i]``.
        steady: whether a frame meets condition 1, bool ``[n]``.
        misfits: how badly the timbres explain the harmonics, ``[n]``.
    """
    sounding = on.any(1)
    if not bool(sounding.any()):
        return sounding
    return sounding & steady & (misfits <= misfits[sounding].quantile(BEST_SHARE))


def passages(on: Tensor, semitones: Tensor) -> Tensor:
    """Return the number of the passage that each frame belongs to, ``[n]``.

    A passage is a run of frames in which the same notes sound.

    Args:
        on: whether there is a tone, bool ``[n, i]``.
        semitones: its pitch, ``[n, i]``.
    """
    same = _same(on[1:], semitones[1:], on[:-1], semitones[:-1]).all(1)
    return torch.cat([torch.zeros_like(on[:1, 0], dtype=torch.long), (~same).cumsum(0)])


def _same(on: Tensor, semitones: Tensor, other_on: Tensor, other_semitones: Tensor) -> Tensor:
    """Return whether an instrument does the same in one frame as in another, bool ``[n, i]``."""
    same_note = (semitones - other_semitones).abs() < NOTE_SEMITONES
    return (on == other_on) & (same_note | ~on)


def _misfit(tones: Tones, spectra: Tensor, timbres: Timbres, frame: GaborFrame) -> Tensor:
    """Return how badly the timbres explain the harmonics of frames ``[n, f]``, ``[n]``.

    Only the instruments' own tones count: a frame that also holds the end of another note is not to
    be clear.
    """
    n_instruments, _, n_harmonics = timbres.table.shape
    instruments = torch.arange(n_instruments, device=spectra.device)
    comb = comb_of(tones, spectra, instruments=instruments, frame=frame, n_harmonics=n_harmonics)
    return timbres.misfit(comb)
