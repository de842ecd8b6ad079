"""How long notes ring: of made-up duets whose notes end at once, die away, or hide in noise."""

import numpy as np
import pytest
import torch

from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.frames.spectra import Spectra
from musisep_cli.sound.recording import Recording
from musisep_cli.tones.notes import NotesAround
from musisep_cli.tones.ringing import LEAST_DB, LONGEST_S, ringing_frames, with_ringing
from musisep_cli.tones.tones import Tones

RATE, NOTE_S, N_NOTES = 16_000, 0.4, 20
FRAME = GaborFrame(FrameConfig(hop_zetas=1.0), RATE)
HOP_S = FRAME.hop_samples / RATE
LINES = ((660.0, 742.0, 835.0), (262.0, 311.0, 349.0))


def pitch_hz(line: tuple[float, ...], note: int) -> float:
    return line[note % len(line)]


def duet(fall_db: float, n_notes: int = N_NOTES, lines: tuple = LINES) -> tuple[Tones, Spectra]:
    """Two lines whose notes last ``NOTE_S`` and then fall by so many dB a second."""
    n_samples = round(n_notes * NOTE_S * RATE)
    times_s = np.arange(n_samples) / RATE
    samples = np.zeros(n_samples)
    for line in lines:
        for note in range(n_notes):
            since = times_s - note * NOTE_S
            level = np.where(
                since < NOTE_S, 1.0, 10 ** (-fall_db * np.maximum(since - NOTE_S, 0) / 20)
            )
            level = np.where(since >= 0, level, 0.0)
            for h in range(1, 9):
                samples += 0.02 / h * level * np.sin(2 * np.pi * h * pitch_hz(line, note) * since)
    spectra = Spectra(
        Recording(samples=samples[:, None].astype(np.float32), sample_rate_hz=RATE), FRAME
    )
    at = (FRAME.centres(n_samples).numpy() / RATE / NOTE_S).astype(int).clip(0, n_notes - 1)
    f0 = np.array([[pitch_hz(line, n) for line in lines] for n in at]) / FRAME.bin_hz
    f0_bins = torch.from_numpy(f0).float()
    return Tones(torch.ones_like(f0_bins), f0_bins, torch.zeros_like(f0_bins)), spectra


def ringing(fall_db: float, n_notes: int = N_NOTES) -> int:
    tones, spectra = duet(fall_db, n_notes)
    return ringing_frames(tones, spectra.of_mean, FRAME)


def test_notes_that_end_do_not_ring() -> None:
    assert ringing(2000.0) <= 2


@pytest.mark.parametrize("fall_db", [40.0, 60.0])
def test_notes_ring_until_they_have_fallen(fall_db: float) -> None:
    expected = -LEAST_DB / fall_db / HOP_S
    assert abs(ringing(fall_db) - expected) <= 3


def test_no_note_is_followed_for_longer_than_it_counts() -> None:
    assert ringing(10.0) == round(LONGEST_S / HOP_S)


def test_few_notes_tell_nothing() -> None:
    assert ringing(40.0, n_notes=6) == 0


def test_what_rises_again_does_not_ring() -> None:
    tones, spectra = duet(40.0)
    falling = spectra.of_mean[0 : len(spectra)]
    swelling = falling.clone()
    # From 0.1 s after each change on there is noise in all bins, louder and louder.
    at = (torch.arange(len(falling)) * HOP_S) % NOTE_S
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(falling.shape, generator=generator) * falling.abs().amax()
    swelling += noise * ((at - 0.1).clamp_min(0) * 2)[:, None]
    assert ringing_frames(tones, falling, FRAME) > 2
    assert ringing_frames(tones, swelling, FRAME) == 0


def test_one_voice_that_rings_is_no_hall() -> None:
    ringing_tones, alone = duet(20.0, lines=LINES[:1])
    dry_tones, other = duet(2000.0, lines=LINES[1:])
    both = alone.of_mean[0 : len(alone)] + other.of_mean[0 : len(other)]
    tones = ringing_tones.beside(dry_tones)
    assert ringing_frames(ringing_tones, alone.of_mean, FRAME) > 10
    assert ringing_frames(tones, both, FRAME) <= 2


def test_notes_reach_as_far_as_they_ring_and_no_less_than_before() -> None:
    tones, spectra = duet(40.0)
    far = ringing_frames(tones, spectra.of_mean, FRAME)
    assert with_ringing(NotesAround(tones, 2), spectra.of_mean, FRAME).reach == far
    assert with_ringing(NotesAround(tones, far + 5), spectra.of_mean, FRAME).reach == far + 5


def test_silence_and_no_tones_ring_for_no_time() -> None:
    tones, spectra = duet(40.0)
    off = Tones(torch.zeros_like(tones.on), tones.f0_bins, tones.inharmonicity)
    assert ringing_frames(off, spectra.of_mean, FRAME) == 0
    silent = torch.zeros_like(spectra.of_mean[0 : len(spectra)])
    assert ringing_frames(tones, silent, FRAME) == 0
