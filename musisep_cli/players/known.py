"""Known instruments: a decoding again, with what is known of some instruments held.

What an instrument is like is learned from the recording alone, and where two were mixed up, it is
learned wrongly. If the identity of one is known from elsewhere, its timbres and its register are
held at that: the row of the table of ``timbre`` becomes

    log T = w log T_known + (1 - w) log T_learned,                                              (1)
    w = 1 / s^2 / (1 / s^2 + 1 / LEARNED_DB^2),

s^2 the variance with which the identity predicts a harmonic (``likeness``): at pitches far from
those that were heard, the recording itself knows better. The timbre whatever the pitch, mu of
``instruments``, is that of (1) over the pitches that are played, at the place in stereo that was
learned. Who is higher is left open: that too was learned from what may be mixed up. Which of the
decoded instruments is a known one follows from the least sum of misfits.

Axes: ``n`` frames, ``i`` instruments, ``v`` voices, ``g`` semitones, ``h`` harmonics, ``c``
channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from musisep_cli.frames.framewise import BLOCK_FRAMES, stretches
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.players.decoded import Decoded
from musisep_cli.players.instruments import Array, Instruments, timbres_of
from musisep_cli.tones.identity import FLOOR, N_HARMONICS, Floats, Identity
from musisep_cli.tones.likeness import WIDER_SEMITONES, assigned, misfit, misfits, predicted
from musisep_cli.tones.timbre import LEAST_RELATIVE, N_SEMITONES, Timbres, semitone_rows
from musisep_cli.tones.tones import pitch_semitones

LEARNED_DB = 6.0
"""Standard deviation, in dB, with which a table that was learned from the recording knows a
harmonic."""


def held(
    instruments: Instruments,
    timbres: Timbres,
    heard_s: Floats,
    known: Sequence[Sequence[Identity]],
) -> tuple[Instruments, Timbres]:
    """Return what the instruments are like, with those that are known held.

    Args:
        instruments: as they were decoded.
        timbres: learned from that.
        heard_s: how long each instrument plays each pitch, ``[i, g]``.
        known: of every known instrument the identities that it may have.
    """
    found = [as_identity(timbres, i, times) for i, times in enumerate(heard_s)]
    table, mu = timbres.table.clone(), instruments.timbres.copy()
    mean, spread = instruments.register_semitones.copy(), instruments.spread_semitones.copy()
    above = instruments.above.copy()
    for k, i in zip(*assigned(misfits(known, found)), strict=True):
        if found[i].total_s <= 0:
            continue  # who plays nothing is nobody
        one = min(known[k], key=lambda each: misfit(known=each, heard=found[i]))
        table[i] = _blended(one, timbres, i)
        mu[i] = _timbre(table[i], heard_s[i], mu[i])
        register, width = one.register_semitones
        mean[i], spread[i] = register, np.hypot(width, WIDER_SEMITONES)
        above[i], above[:, i] = 0.5, 0.5
    changed = replace(
        instruments, timbres=mu, register_semitones=mean, spread_semitones=spread, above=above
    )
    return changed, Timbres(table)


def as_identity(timbres: Timbres, number: int, heard_s: Floats) -> Identity:
    """Return the identity of an instrument as a table has it, at the pitches that it plays.

    Args:
        timbres: of all instruments.
        number: of this one.
        heard_s: how long it plays each pitch, ``[g]``.
    """
    energy = timbres.table[number, :, :N_HARMONICS].double().cpu().numpy() ** 2
    n_harmonics = energy.shape[1]
    level_db = np.zeros((N_SEMITONES, N_HARMONICS))
    level_db[:, :n_harmonics] = 10 * np.log10(energy / energy.sum(1, keepdims=True) + FLOOR)
    reach = np.full(N_SEMITONES, n_harmonics)
    return Identity(
        level_db=level_db, spread_db=np.zeros_like(level_db), heard_s=heard_s, reach=reach
    )


def heard_times(played: Decoded, frame: GaborFrame) -> Floats:
    """Return how long each instrument plays each pitch, all its voices together, ``[i, g]``.

    The unit is the second.
    """
    voices = played.decoding.voices
    first = torch.from_numpy(voices.players) * N_SEMITONES
    total = torch.zeros(len(voices.of_instruments) * N_SEMITONES, dtype=torch.float64)
    for block in stretches(len(played), BLOCK_FRAMES):
        tones = played[block]
        rows = first + semitone_rows(pitch_semitones(tones.f0_bins, frame)).cpu()  # n, v
        total.index_add_(0, rows.flatten(), tones.on.double().cpu().flatten())
    hop_s = frame.hop_samples / frame.sample_rate_hz
    times: Floats = (total.view(-1, N_SEMITONES) * hop_s).numpy()
    return times


def _blended(known: Identity, timbres: Timbres, number: int) -> torch.Tensor:
    """Return (1) of one instrument, ``[g, h]``."""
    table = timbres.table[number]
    level_db, variance, _ = predicted(known)
    n_harmonics = table.shape[1]
    amplitude = 10 ** (level_db[:, :n_harmonics] / 20)
    amplitude /= amplitude.max(1, keepdims=True)
    weight = 1 / variance[:, :n_harmonics] / (1 / variance[:, :n_harmonics] + 1 / LEARNED_DB**2)
    n_known = amplitude.shape[1]
    blended = table.clone()
    of_known = torch.from_numpy(amplitude).to(table).clamp_min(LEAST_RELATIVE)
    w = torch.from_numpy(weight).to(table)
    learned = table[:, :n_known].clamp_min(LEAST_RELATIVE)
    blended[:, :n_known] = torch.exp(w * of_known.log() + (1 - w) * learned.log())  # (1)
    return blended


def _timbre(table: torch.Tensor, heard_s: Floats, learned: Array) -> Array:
    """Return mu of a known instrument, lifted amplitudes in all channels, ``[c h]``.

    Args:
        table: relative amplitudes at all pitches, ``[g, h]``.
        heard_s: how long each pitch is played, ``[g]``.
        learned: mu as it was learned, ``[c h]``; its place is kept.
    """
    lifted = timbres_of(table.double().cpu().numpy() ** 0.5)  # the lift's power is a half
    place = np.linalg.norm(learned.reshape(-1, table.shape[1]), axis=1)
    timbre: Array = timbres_of(np.outer(place, heard_s @ lifted).reshape(1, -1))[0]
    return timbre
