import numpy as np
import pytest
import torch

from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.tones.certificate import CertificateConfig, PitchGrid, pitch_grid
from musisep_cli.tones.dictionary import DictionaryConfig, start_dictionary
from musisep_cli.tones.missed import Missed, MissedConfig, covered, log_rows, missed_tones
from musisep_cli.tones.objective import ObjectiveConfig
from musisep_cli.tones.tones import Tones
from tests.signals import harmonic_tone

RATE = 16_000
FRAME = GaborFrame(FrameConfig(), RATE)
N_FRAMES = 20
PLAYED_HZ, OTHER_HZ = 220.0, 311.1


def grid() -> PitchGrid:
    dictionary = start_dictionary(DictionaryConfig(n_harmonics=20), 1)
    return pitch_grid(dictionary, FRAME, CertificateConfig(highest_hz=2000), ObjectiveConfig())


def spectra(*tones_hz: float) -> torch.Tensor:
    signal = np.zeros(RATE // 2)
    for f0_hz in tones_hz:
        signal += harmonic_tone(
            f0_hz,
            amplitudes=tuple(0.1 * 0.6**h for h in range(10)),
            duration_s=0.5,
            sample_rate_hz=RATE,
        )
    centres = torch.arange(N_FRAMES) * 170 + 2400
    return FRAME.analyse(torch.from_numpy(signal).float(), centres)[:, : FRAME.n_network_bins]


def playing(*tones_hz: float) -> Tones:
    f0_bins = torch.tensor(tones_hz).repeat(N_FRAMES, 1) / FRAME.bin_hz
    return Tones(torch.ones_like(f0_bins), f0_bins, torch.zeros_like(f0_bins))


def missed(sounding_hz: tuple[float, ...], played: Tones) -> Missed:
    return missed_tones(spectra(*sounding_hz), played, grid(), MissedConfig())


def test_where_all_tones_are_known_none_is_missed() -> None:
    found = missed((PLAYED_HZ, OTHER_HZ), playing(PLAYED_HZ, OTHER_HZ))
    assert found.share == 0
    assert bool(found.sounding.all())


def test_a_missed_tone_is_seen_at_its_pitch() -> None:
    found = missed((PLAYED_HZ, OTHER_HZ), playing(PLAYED_HZ))
    assert found.share == 1
    expected_midi = 69 + 12 * np.log2(OTHER_HZ / 440)
    pitches = found.pitches_midi[found.excess.argmax(1)]
    np.testing.assert_allclose(pitches, expected_midi, atol=0.35)


def test_a_tone_that_was_found_too_high_by_a_semitone_is_missed() -> None:
    assert missed((PLAYED_HZ,), playing(PLAYED_HZ * 2 ** (1 / 12))).share == 1


def test_silence_misses_nothing() -> None:
    silence = torch.zeros(N_FRAMES, FRAME.n_network_bins, dtype=torch.complex64)
    found = missed_tones(silence, playing(PLAYED_HZ), grid(), MissedConfig())
    assert found.share == 0
    assert not found.frames.any()


def test_what_dies_away_in_a_rest_is_not_missed() -> None:
    frames = spectra(PLAYED_HZ)
    frames[10:] *= 1e-3
    tones = playing(PLAYED_HZ)
    tones.on[10:] = 0
    found = missed_tones(frames, tones, grid(), MissedConfig(reach_frames=1))
    assert not found.frames.any()


def test_a_tone_covers_the_frames_near_by_and_no_others() -> None:
    tones = playing(PLAYED_HZ)
    tones.on[:] = 0
    tones.on[8] = 1
    mask = covered(tones, grid(), 3)
    place = round(PLAYED_HZ / FRAME.bin_hz)
    assert mask[:, place].tolist() == [float(5 <= n <= 11) for n in range(N_FRAMES)]
    assert float(mask[:, place - 20].max()) == 0


def test_blocks_join_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = missed((PLAYED_HZ, OTHER_HZ), playing(PLAYED_HZ))
    monkeypatch.setattr("musisep_cli.tones.missed.FRAMES_AT_ONCE", 6)
    parts = missed((PLAYED_HZ, OTHER_HZ), playing(PLAYED_HZ))
    torch.testing.assert_close(parts.excess, whole.excess, rtol=1e-4, atol=1e-4)


def test_rows_are_thirds_of_a_semitone() -> None:
    midi, row_of = log_rows(grid())
    torch.testing.assert_close(midi.diff(), torch.full_like(midi[1:], 1 / 3))
    assert int(row_of.max()) == len(midi) - 1
    a4 = int(row_of[(grid().pitches_bins - 440 / FRAME.bin_hz).abs().argmin()])
    assert float(midi[a4]) == pytest.approx(69, abs=0.2)
