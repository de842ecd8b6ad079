"""Identity: what an instrument is like, whatever it plays and however loud.

An identity says how strong each harmonic is at every pitch, how much that varies, and at which
pitches the instrument was heard. With the magnitudes y_h of a tone's harmonics it is made of

    l_h = 10 log10(y_h^2 / sum_h y_h^2 + FLOOR)  dB,                                            (1)

relative to the tone's own energy: a recording at another level has the same identity. Mean and
standard deviation of (1) are taken over all frames in which a pitch is heard, a row per semitone.
The bodies of instruments favour frequencies, not harmonics (``timbre``), hence the rows.

It is learned from a sound that holds the instrument alone, and what it plays there: a solo, or a
stem. One file of a few kilobytes holds it, so that the stem of an earlier run can be asked for.

Axes: ``n`` frames, ``g`` semitones, ``h`` harmonics, ``t`` samples.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import max_pool1d

from musisep_cli.errors import InputError
from musisep_cli.frames.framewise import BLOCK_FRAMES, stretches
from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.frames.spectra import SILENT_PEAK
from musisep_cli.sound.blockwise import Blockwise
from musisep_cli.tones.peaks import magnitude
from musisep_cli.tones.solo import solo_pitch
from musisep_cli.tones.timbre import LOWEST_SEMITONE, N_SEMITONES, semitone_rows
from musisep_cli.tones.tones import pitch_semitones
from musisep_cli.tones.tracks import PitchTracks

FORMAT = "musisep-identity-1"
"""What an identity's file names as its format; another number would be another format."""
N_HARMONICS = 25
"""Number of harmonics that are looked at: as many as a dictionary holds."""
FLOOR = 1e-5
"""Energy relative to the tone's that is added to every harmonic: -50 dB, where noise begins."""
FAINT = 0.05
"""Share of the usual magnitude below which a tone tells nothing: -26 dB."""
REACH, MOST_REACH = 0.02, 0.3
"""How far from its place a harmonic is looked for: share of its frequency, which covers the strings
of a piano, and most, share of the fundamental."""
MOST_FRAMES = 1000
"""Most frames that an identity is learned from; of a longer sound every second, third, ... is."""
Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Identity:
    """What an instrument is like.

    Attributes:
        level_db: mean of (1), ``[g, h]``; 0 where nothing was heard.
        spread_db: its standard deviation over the frames, ``[g, h]``.
        heard_s: how long each pitch was heard, ``[g]``.
        reach: number of harmonics at each pitch that lie below the end of the band, ``[g]``.
        origin: where it was learned, in words.
    """

    level_db: Floats
    spread_db: Floats
    heard_s: Floats
    reach: NDArray[np.int64]
    origin: str = ""

    @property
    def total_s(self) -> float:
        """Time in which the instrument was heard, in seconds."""
        return float(self.heard_s.sum())

    @property
    def register_semitones(self) -> tuple[float, float]:
        """Mean and standard deviation of the pitches, MIDI numbers; (0, 0) if none was heard."""
        if self.total_s <= 0:
            return 0.0, 0.0
        pitches = LOWEST_SEMITONE + np.arange(N_SEMITONES)
        mean = float(self.heard_s @ pitches) / self.total_s
        return mean, float(np.sqrt(self.heard_s @ (pitches - mean) ** 2 / self.total_s))

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Whether a harmonic was looked at, ``[g, h]``."""
        below: NDArray[np.bool_] = np.arange(self.level_db.shape[1]) < self.reach[:, None]
        return below & (self.heard_s[:, None] > 0)

    def named(self, origin: str) -> Identity:
        """Return it with another origin."""
        return replace(self, origin=origin)


def learn(sound: Blockwise, sample_rate_hz: int, played: PitchTracks, number: int = 0) -> Identity:
    """Return the identity of the instrument that is alone in a sound ``[t, c]``.

    Args:
        sound: a solo, or a stem; read a part at a time.
        sample_rate_hz: of the sound.
        played: what is played in it.
        number: which of the instruments in ``played`` it is; of its chords the loudest tone tells.
    """
    played = played.of_loudest()
    heard = np.flatnonzero(played.on[number])
    every = max(1, -(-len(heard) // MOST_FRAMES))
    heard = heard[::every]
    frame = GaborFrame(FrameConfig(), sample_rate_hz)
    centres = np.round(played.times_s[heard] * sample_rate_hz).astype(np.int64)
    f0_bins = torch.from_numpy(played.f0_hz[number, heard].astype(np.float32)) / frame.bin_hz
    found = [
        _harmonics(_magnitudes(sound, centres[block], frame), f0_bins[block])
        for block in stretches(len(heard), BLOCK_FRAMES)
    ]
    none = torch.zeros(0, N_HARMONICS)
    strengths = torch.cat([none, *(each[0] for each in found)])
    inside = torch.cat([none.bool(), *(each[1] for each in found)])
    rows = semitone_rows(pitch_semitones(f0_bins, frame))
    return _averaged(
        strengths.numpy().astype(np.float64), inside.numpy(), rows.numpy(), every * played.hop_s
    )


def learn_solo(samples: Floats, sample_rate_hz: int) -> Identity:
    """Return the identity of the one instrument in ``samples [t]``, its pitch found by itself."""
    return learn(samples[:, None], sample_rate_hz, solo_pitch(samples, sample_rate_hz))


def _magnitudes(sound: Blockwise, centres: NDArray[np.int64], frame: GaborFrame) -> Tensor:
    """Return the root mean square of a sound's channels at some sample indices, ``[n, f]``.

    The mean of the channels would lose an instrument that is in them with opposite signs.

    Args:
        sound: ``[t, c]``.
        centres: the indices, in order.
        frame: the representation.
    """
    first = max(0, int(centres[0]) - frame.n_fft)
    samples = torch.from_numpy(np.array(sound[first : int(centres[-1]) + frame.n_fft], np.float32))
    places = torch.from_numpy(centres - first)
    channels = [magnitude(frame.analyse(channel.contiguous(), places)) for channel in samples.T]
    found: Tensor = torch.stack(channels).square().mean(0).sqrt()[:, : frame.n_network_bins]
    return found


def _harmonics(magnitudes: Tensor, f0_bins: Tensor) -> tuple[Tensor, Tensor]:
    """Return the largest magnitude near each harmonic, and which are in the band, ``[n, h]``.

    Strings are stiff and pitches a little off: a harmonic is looked for within ``REACH`` of its
    place, and never so far that it could be the next one.

    Args:
        magnitudes: of the spectra, ``[n, f]``.
        f0_bins: pitches in bins, ``[n]``.
    """
    seen = magnitudes[:, None]
    h = torch.arange(1, N_HARMONICS + 1)
    places = f0_bins[:, None] * h
    inside = places <= magnitudes.shape[1] - 1
    bins = places.round().long().clamp_max(magnitudes.shape[1] - 1)
    near = torch.minimum(REACH * places, MOST_REACH * f0_bins[:, None])
    strengths = seen[:, 0].gather(1, bins)
    for reach in (1, 2, 4, 6, 8, 12, 16):
        widened = max_pool1d(seen, 2 * reach + 1, 1, reach)[:, 0]
        strengths = torch.where(near >= reach, widened.gather(1, bins), strengths)
    return strengths * inside, inside


def _averaged(
    strengths: Floats, inside: NDArray[np.bool_], rows: NDArray[np.int64], step_s: float
) -> Identity:
    """Return mean and spread of (1) by pitch, from the magnitudes ``[n, h]`` of all frames."""
    energy = (strengths**2).sum(1)
    usual = energy.sum() / max(float(np.sqrt(energy).sum()), 1e-30)
    loud = (np.sqrt(energy) > FAINT * usual) & (strengths.max(1, initial=0.0) > SILENT_PEAK)
    with np.errstate(divide="ignore", invalid="ignore"):
        level_db = 10 * np.log10(strengths[loud] ** 2 / energy[loud, None] + FLOOR)  # (1)
    mean, square = np.zeros((2, N_SEMITONES, N_HARMONICS))
    n_frames, reach = np.zeros(N_SEMITONES), np.full(N_SEMITONES, N_HARMONICS)
    np.add.at(mean, rows[loud], level_db)
    np.add.at(square, rows[loud], level_db**2)
    np.add.at(n_frames, rows[loud], 1)
    np.minimum.at(reach, rows[loud], inside[loud].sum(1))
    mean /= np.maximum(n_frames, 1)[:, None]
    square /= np.maximum(n_frames, 1)[:, None]
    return Identity(
        level_db=mean,
        spread_db=np.sqrt(np.maximum(square - mean**2, 0.0)),
        heard_s=n_frames * step_s,
        reach=reach,
    )


def to_json(identity: Identity) -> dict[str, Any]:
    """Return an identity as a JSON object, a row per pitch that was heard, in tenths of dB."""
    return {
        "format": FORMAT,
        "origin": identity.origin,
        "pitches": [
            {
                "midi": int(LOWEST_SEMITONE + g),
                "heard_s": round(float(identity.heard_s[g]), 3),
                "level_db": _rounded(identity.level_db[g, : identity.reach[g]]),
                "spread_db": _rounded(identity.spread_db[g, : identity.reach[g]]),
            }
            for g in np.flatnonzero(identity.heard_s > 0)
        ],
    }


def _rounded(values: Floats) -> list[float]:
    """Return numbers to a tenth."""
    return [round(float(value), 1) for value in values]


def from_json(content: object) -> Identity:
    """Return the identity of a JSON object.

    Raises:
        InputError: it holds none, or is damaged.
    """
    if not isinstance(content, Mapping) or content.get("format") != FORMAT:
        raise InputError(
            f'this is no identity (no "format": "{FORMAT}"); give one that a separation wrote'
        )
    try:
        return _of_rows(content["pitches"], str(content.get("origin", "")))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise InputError(
            f"the identity is damaged ({type(error).__name__}: {error}); restore the file"
        ) from error


def _of_rows(pitches: Any, origin: str) -> Identity:
    """Return the identity of the rows of a file.

    Raises:
        ValueError: a number is out of bounds.
    """
    level_db, spread_db = np.zeros((2, N_SEMITONES, N_HARMONICS))
    heard_s, reach = np.zeros(N_SEMITONES), np.full(N_SEMITONES, N_HARMONICS)
    for row in pitches:
        g = int(row["midi"]) - LOWEST_SEMITONE
        levels, spreads = (np.array(row[name], float) for name in ("level_db", "spread_db"))
        n = len(levels)
        sound = np.isfinite(levels).all() and np.isfinite(spreads).all() and (spreads >= 0).all()
        if not (0 <= g < N_SEMITONES and n <= N_HARMONICS and n == len(spreads) and sound):
            raise ValueError(f"pitch {row['midi']} is out of bounds")
        level_db[g, :n], spread_db[g, :n] = levels, spreads
        heard_s[g], reach[g] = float(row["heard_s"]), n
    if not np.isfinite(heard_s).all() or (heard_s < 0).any():
        raise ValueError("a time is out of bounds")
    return Identity(
        level_db=level_db, spread_db=spread_db, heard_s=heard_s, reach=reach, origin=origin
    )


def load(path: Path) -> Identity:
    """Read the identity in a file.

    Raises:
        InputError: the file cannot be read, or holds none.
    """
    try:
        content: object = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give an identity") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a valid JSON file ({error}); give an identity") from error
    try:
        return from_json(content).named(str(path))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
