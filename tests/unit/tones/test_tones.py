"""Tones: rows of frames, and pitches as MIDI numbers against the table of keys."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.frames.leaves import leaves
from musisep_cli.tones.tones import LOWEST_HZ, NOTE_SEMITONES, Tones, pitch_semitones

FRAME = GaborFrame(FrameConfig(), 8_000)
KEYS_HZ = {"A0": (21, 27.5), "E2": (40, 82.4069), "C4": (60, 261.6256), "G#7": (104, 3322.438)}


def test_keys_have_their_midi_numbers() -> None:
    for midi, f0_hz in KEYS_HZ.values():
        found = pitch_semitones(torch.tensor([f0_hz / FRAME.bin_hz]), FRAME)
        assert_close(found, torch.tensor([float(midi)]), atol=1e-3, rtol=0)


@given(st.floats(20, 4_000), st.floats(0.5, 2))
def test_a_ratio_of_pitches_is_a_difference_of_semitones(f0_hz: float, ratio: float) -> None:
    bins = torch.tensor([f0_hz, ratio * f0_hz], dtype=torch.float64) / FRAME.bin_hz
    first, second = pitch_semitones(bins.clamp_min(LOWEST_HZ / FRAME.bin_hz), FRAME)
    expected = 12 * torch.log2(bins.clamp_min(LOWEST_HZ / FRAME.bin_hz)).diff().squeeze()
    assert_close(second - first, expected, atol=1e-9, rtol=0)


def test_what_nothing_plays_has_the_lowest_pitch_and_is_finite() -> None:
    found = pitch_semitones(torch.tensor([0.0, -3.0, 1e-30]), FRAME)
    assert_close(found, pitch_semitones(torch.tensor([LOWEST_HZ / FRAME.bin_hz] * 3), FRAME))


def test_a_semitone_is_another_note_and_a_vibrato_is_not() -> None:
    assert 0.5 < NOTE_SEMITONES < 1  # +- 50 cents of vibrato; neighbouring keys


def test_tones_are_cut_and_joined_in_all_their_fields() -> None:
    tones = Tones(*(k + torch.arange(12.0).view(4, 3) for k in (0, 100, 200)))
    assert len(tones) == 4
    for name, values in leaves(tones[1:3].beside(tones[2:4])).items():
        whole = leaves(tones)[name]
        assert_close(values, torch.cat([whole[1:3], whole[2:4]], 1), atol=0, rtol=0)
