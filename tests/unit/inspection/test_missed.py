from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from musisep_cli.inspection.missed import find_missed, played_at
from musisep_cli.inspection.separation import Separation
from musisep_cli.tones.tracks import PitchTracks
from tests.signals import harmonic_tone

RATE = 16_000
AMPLITUDES = (0.1, 0.06, 0.04, 0.02)


def tracks(*lines_hz: float, n_frames: int = 100) -> PitchTracks:
    f0_hz = np.repeat(np.array(lines_hz)[:, None], n_frames, 1)
    return PitchTracks(
        times_s=np.arange(n_frames) / 100,
        f0_hz=f0_hz,
        amplitude=np.full(f0_hz.shape, 0.1),
        on=np.ones(f0_hz.shape, bool),
    )


def separation(folder: Path, sounding_hz: tuple[float, ...], found: PitchTracks) -> Separation:
    """A run whose first stem holds all tones that sound."""
    signal = sum(
        harmonic_tone(f0_hz, amplitudes=AMPLITUDES, duration_s=1.0, sample_rate_hz=RATE)
        for f0_hz in sounding_hz
    )
    names = ["instrument-1", "residual"]
    for name, sound in zip(names, (signal, np.zeros(RATE)), strict=True):
        soundfile.write(folder / f"{name}.wav", sound, RATE, subtype="FLOAT")
    manifest = {
        "input": {"sample_rate_hz": RATE},
        "stems": [{"name": name} for name in names],
        "files": [f"{name}.wav" for name in names] + ["manifest.json"],
    }
    other: Any = None
    return Separation(
        folder=folder, manifest=manifest, config=other, dictionary=None, tracks=found, curves={}
    )


def test_a_tone_that_no_instrument_plays_is_found(tmp_path: Path) -> None:
    found = find_missed(separation(tmp_path, (220.0, 311.1), tracks(220.0)))
    assert found is not None
    assert found.share > 0.9
    assert found.excess.shape == (len(found.times_s), len(found.pitches_midi))
    inside = (found.times_s > 0.1) & (found.times_s < 0.9)
    midi = found.pitches_midi[found.excess[inside].argmax(1)]
    np.testing.assert_allclose(midi, 69 + 12 * np.log2(311.1 / 440), atol=0.35)


def test_where_all_tones_are_played_none_is_missed(tmp_path: Path) -> None:
    found = find_missed(separation(tmp_path, (220.0, 311.1), tracks(220.0, 311.1)))
    assert found is not None
    assert found.share == 0


def test_a_tone_whose_channels_cancel_is_missed_too(tmp_path: Path) -> None:
    run = separation(tmp_path, (220.0,), tracks(220.0))
    middle, _ = soundfile.read(tmp_path / "instrument-1.wav")
    hidden = harmonic_tone(311.1, amplitudes=AMPLITUDES, duration_s=1.0, sample_rate_hz=RATE)
    for name, sound, right in (("instrument-1", middle, 1), ("residual", hidden, -1)):
        stereo = np.stack([sound, right * sound], 1)
        soundfile.write(tmp_path / f"{name}.wav", stereo, RATE, subtype="FLOAT")
    found = find_missed(run)
    assert found is not None
    assert found.share > 0.9


def test_without_the_sound_nothing_is_said(tmp_path: Path) -> None:
    run = separation(tmp_path, (220.0,), tracks(220.0))
    (tmp_path / "residual.wav").unlink()
    assert find_missed(run) is None


def test_silence_has_nothing_to_be_missed(tmp_path: Path) -> None:
    run = separation(tmp_path, (220.0,), tracks(220.0))
    soundfile.write(tmp_path / "instrument-1.wav", np.zeros(RATE), RATE)
    assert find_missed(run) is None


@pytest.mark.parametrize("n_frames", [0, 1, 2, 50])
def test_pitches_are_those_of_the_nearest_frame(n_frames: int) -> None:
    found = tracks(220.0, n_frames=n_frames)
    if n_frames == 50:
        found.f0_hz[0, 30:] = 440.0
    played = played_at(found, np.array([0.0, 0.294, 0.296, 2.0]))
    expected = {0: [0.0] * 4, 50: [220.0, 220.0, 440.0, 440.0]}.get(n_frames, [220.0] * 4)
    np.testing.assert_allclose(played[0], expected)
