"""Missed: tones that a finished separation did not find, by the certificate of what they left.

The mixture is the sum of the run's own stems and residual, which is the recording sample for
sample: the recording itself may be gone.

Axes: ``i`` instruments, ``n`` frames, ``g`` pitches.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from musisep_cli.errors import MusisepError
from musisep_cli.frames.framewise import Derived
from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.frames.spectra import Spectra
from musisep_cli.inspection.note_list import sounding
from musisep_cli.inspection.separation import Separation
from musisep_cli.sound import audio_file
from musisep_cli.sound.blockwise import Total
from musisep_cli.sound.recording import Recording
from musisep_cli.sound.turn import heard
from musisep_cli.tones.certificate import CertificateConfig, pitch_grid
from musisep_cli.tones.dictionary import DictionaryConfig, start_dictionary
from musisep_cli.tones.missed import Missed, MissedConfig, missed_tones
from musisep_cli.tones.objective import ObjectiveConfig
from musisep_cli.tones.tones import Tones
from musisep_cli.tones.tracks import PitchTracks

FRAME = FrameConfig(max_frequency_hz=12_000.0, rms_level=0.1)
"""One representation for all methods: the excess is comparable between their runs."""
HOPS, MOST_FRAMES = 4, 4096
"""Every so many frames are looked at, 43 ms apart; of a recording longer than three minutes, so
many in all."""


@dataclass(frozen=True)
class MissedTones:
    """Where tones were missed.

    Attributes:
        times_s: frame centres, ``[n]``.
        pitches_midi: ``[g]``.
        excess: certificate over bound, ``[n, g]``.
        played_hz: what the instruments play there, 0 for nothing, ``[i, n]``.
        share: of the sounding frames, in which a tone was missed.
    """

    times_s: NDArray[np.float64]
    pitches_midi: NDArray[np.float32]
    excess: NDArray[np.float32]
    played_hz: NDArray[np.float64]
    share: float


def find_missed(separation: Separation) -> MissedTones | None:
    """Return where tones were missed; None if the stems are not all there to be read."""
    mixture = _mixture(separation)
    if mixture is None or not mixture.samples.any():
        return None
    frame = GaborFrame(FRAME, mixture.sample_rate_hz)
    spectra = Spectra(mixture, frame)
    hops = max(HOPS, -(-len(spectra) // MOST_FRAMES))
    centres = spectra.centres[::hops]
    times_s = centres.numpy() / mixture.sample_rate_hz
    played_hz = played_at(separation.tracks, times_s)
    n_bins = frame.n_network_bins
    some = Derived(centres, lambda part: frame.analyse(spectra.mean, part)[:, :n_bins])
    found = missed_tones(
        some,
        _tones(played_hz, frame),
        pitch_grid(_dictionary(separation), frame, CertificateConfig(), ObjectiveConfig()),
        MissedConfig(reach_frames=max(1, -(-MissedConfig().reach_frames // hops))),
    )
    return _as_arrays(found, times_s, played_hz)


def played_at(tracks: PitchTracks, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the pitches of all voices at some times, 0 where they rest, ``[v, n]``."""
    if not len(tracks.times_s):
        return np.zeros((len(tracks.f0_hz), len(times_s)))
    after = np.searchsorted(tracks.times_s, times_s).clip(1, max(len(tracks.times_s) - 1, 1))
    after = after.clip(0, len(tracks.times_s) - 1)
    before = (after - 1).clip(0)
    is_before = times_s - tracks.times_s[before] < tracks.times_s[after] - times_s
    nearest = np.where(is_before, before, after)
    playing: NDArray[np.float64] = np.where(sounding(tracks), tracks.f0_hz, 0.0)[:, nearest]
    return np.nan_to_num(playing)


def _tones(played_hz: NDArray[np.float64], frame: GaborFrame) -> Tones:
    f0_bins = torch.from_numpy(played_hz.T / frame.bin_hz).float()
    return Tones((f0_bins > 0).float(), f0_bins.clamp_min(1.0), torch.zeros_like(f0_bins))


def _dictionary(separation: Separation) -> torch.Tensor:
    """Return the run's columns ``[h, i]``, beside the untrained one that any tone resembles."""
    untrained = start_dictionary(DictionaryConfig(), 1)
    if separation.dictionary is None or len(separation.dictionary) != len(untrained):
        return untrained
    return torch.cat([torch.from_numpy(separation.dictionary), untrained], 1)


def _mixture(separation: Separation) -> Recording | None:
    """Return what is heard of the stems and the residual together; None if not all are there.

    They are read a block at a time: of an hour in stereo, all stems would fill the memory.
    """
    paths = [separation.sound_path(stem["name"]) for stem in separation.manifest["stems"]]
    found = [path for path in paths if path is not None]
    if not found or len(found) < len(paths):
        return None
    try:
        parts = [audio_file.Stored(path) for path in found]
        if len({tuple(part.shape) for part in parts}) > 1:
            return None
        samples = heard(Total(parts))
    except MusisepError:
        return None
    rate_hz = int(separation.manifest["input"]["sample_rate_hz"])
    return Recording(samples=samples[:, None], sample_rate_hz=rate_hz)


def _as_arrays(
    found: Missed, times_s: NDArray[np.float64], played_hz: NDArray[np.float64]
) -> MissedTones:
    return MissedTones(
        times_s=times_s,
        pitches_midi=found.pitches_midi.numpy(),
        excess=found.excess.numpy(),
        played_hz=played_hz,
        share=found.share,
    )
