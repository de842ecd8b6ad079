"""Finished runs of a known duet, with seeds whose stems and pitches nobody had to compute."""

from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
import soundfile
from numpy.typing import NDArray

from musisep_cli import pictures
from musisep_cli.methods import registry
from musisep_cli.run.folder import differences, layout, made_seeds, make_seed, manifest
from musisep_cli.run.folder.layout import RunFolder
from musisep_cli.run.in_folder import deliver
from musisep_cli.run.ranking import best_first
from musisep_cli.run.result import SeedResult
from musisep_cli.run.settings.compose import compose
from musisep_cli.sound import audio_file
from musisep_cli.tones.tracks import PitchTracks
from tests.signals import (
    CLARINET_MELODY,
    CLARINET_NOTE_S,
    FLUTE_MELODY,
    FLUTE_NOTE_S,
    Signal,
    duet,
)

RATE_HZ = 16_000
HOP_S = 0.01
REST = 0.003
"""Peak of the noise that no instrument explains."""

DICTIONARY = np.array([[1.0, 0.6], [0.3, 0.02], [0.1, 0.6]], np.float32)


@dataclass(frozen=True, kw_only=True)
class Run:
    """A finished run: its folder, and what its instruments really play, flute first, ``[i, t]``."""

    folder: Path
    recording: Path
    truth: Signal


def finished_run(
    out: Path,
    *,
    track: str = "duet",
    n_seeds: int = 3,
    duration_s: float = 3.0,
    sample_rate_hz: int = RATE_HZ,
    n_channels: int = 1,
    without: bool = False,
    sound: layout.SoundFormat | None = None,
    template: str = layout.DEFAULT_TEMPLATE,
) -> Run:
    """A run whose seed 0 is right, whose seed 1 swaps the second half, and whose others are right.

    The odd seeds count the instruments the other way round.
    """
    lines = duet(duration_s=duration_s, sample_rate_hz=sample_rate_hz)
    truth = 0.3 * np.stack([lines["flute"], lines["clarinet"]])
    noise = REST * np.random.default_rng(0).uniform(-1, 1, truth.shape[1])
    pan = 1 / np.arange(1, n_channels + 1)
    path = out / "recordings" / f"{track}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.outer(truth.sum(0) + noise, pan), sample_rate_hz, subtype="FLOAT")
    recording = audio_file.read(path)
    config = compose("standard", {"run": {"instruments": 2, "seeds": n_seeds}})
    folder = RunFolder(
        out=out,
        track=track,
        without=without,
        sound=sound or layout.SoundFormat(),
        template=template,
    )
    layout.prepare(folder, 2, n_channels)
    content = manifest.identity(recording, config, folder)
    run = differences.fingerprint(content)
    tracks = true_tracks(duration_s)
    for seed in range(n_seeds):
        layout.make_folder(folder.seed(seed))
        result = _seed(seed, truth, tracks, pan)
        essence = differences.essence(content)
        method = registry.get(config.run.method)
        make_seed.write(folder, result, sample_rate_hz, run, essence, method)
    ranking = best_first(made_seeds.found(folder, run))
    with patch.object(pictures, "write_spectrogram", lambda path, *_, **__: path.touch()):
        made_on = {"device": "cpu", "wall_s": 1.0, "machine": {}}
        deliver(folder, recording, content, ranking, made_on=lambda: made_on)
    return Run(folder=folder.folder, recording=path, truth=truth)


def true_tracks(duration_s: float) -> PitchTracks:
    """What the duet plays, flute first."""
    times_s = np.arange(HOP_S / 2, duration_s, HOP_S)
    f0_hz = np.stack(
        [
            _pitches_hz(FLUTE_MELODY, FLUTE_NOTE_S, times_s),
            _pitches_hz(CLARINET_MELODY, CLARINET_NOTE_S, times_s),
        ]
    )
    return PitchTracks(
        times_s=times_s,
        f0_hz=f0_hz,
        amplitude=np.full(f0_hz.shape, 0.1),
        on=np.ones(f0_hz.shape, bool),
    )


def _pitches_hz(
    melody: tuple[int, ...], note_s: float, times_s: NDArray[np.float64]
) -> NDArray[np.float64]:
    midi = np.array(melody)[(times_s / note_s).astype(int) % len(melody)]
    return 440.0 * 2.0 ** ((midi - 69) / 12)


def _seed(seed: int, truth: Signal, tracks: PitchTracks, pan: Signal) -> SeedResult:
    stems, f0_hz = truth, tracks.f0_hz
    if seed == 1:
        stems, f0_hz = _swapped(stems), _swapped(f0_hz)
    if seed % 2:
        stems, f0_hz = stems[::-1], f0_hz[::-1]
    return SeedResult(
        stems=(stems[:, :, None] * pan).astype(np.float32),
        tracks=PitchTracks(
            times_s=tracks.times_s, f0_hz=f0_hz, amplitude=tracks.amplitude, on=tracks.on
        ),
        objective=0.5 + 0.1 * seed,
        dictionary=DICTIONARY,
        files={},
        seed=seed,
        curve=(),
        wall_s=1.0,
    )


def _swapped(lines: NDArray[np.float64]) -> NDArray[np.float64]:
    """Two lines that change places in their last third."""
    swapped = lines.copy()
    late = slice(2 * lines.shape[1] // 3, None)
    swapped[:, late] = lines[::-1, late]
    return swapped
