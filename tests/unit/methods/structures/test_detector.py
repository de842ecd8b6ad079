import numpy as np
import torch

from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.methods.structures.detector import Detector
from musisep_cli.methods.structures.settings import DetectorSettings
from tests.signals import Signal, melody

RATE = 16_000
FLUTE, CLARINET = (1.0, 0.3, 0.1, 0.03, 0.01), (0.6, 0.02, 0.6, 0.02, 0.5, 0.02, 0.4, 0.02, 0.3)
MELODIES = ((74, 77, 76, 72, 79, 81), (61, 63, 66, 68, 59))
"""No tone has all its harmonics in common with one of the other: octaves and twelfths."""
NOTES_S = (0.5, 0.7)


def lines(duration_s: float) -> list[Signal]:
    """Two instruments, [t] each."""
    return [
        melody(pitches, note_s=note_s, amplitudes=row, duration_s=duration_s, sample_rate_hz=RATE)
        for pitches, note_s, row in zip(MELODIES, NOTES_S, (FLUTE, CLARINET), strict=True)
    ]


def midi_at(times_s: np.ndarray) -> np.ndarray:
    """What both play, MIDI numbers, [n, i]."""
    columns = [
        np.array(pitches)[(times_s / note_s).astype(int) % len(pitches)]
        for pitches, note_s in zip(MELODIES, NOTES_S, strict=True)
    ]
    return np.stack(columns, 1)


def test_who_plays_what_in_a_duet_is_found() -> None:
    frame = GaborFrame(FrameConfig(), RATE)
    mix = torch.from_numpy(sum(lines(6))).float()
    centres = frame.centres(len(mix))
    spectra = frame.analyse(mix, centres)[:, : frame.n_network_bins]
    detector = Detector(frame, 2, DetectorSettings())
    known = detector.learn(spectra[::4])
    f0_bins = np.concatenate([detector.play(heard, known) for heard in detector.hear(spectra)])
    with np.errstate(divide="ignore"):
        found = 69 + 12 * np.log2(f0_bins * frame.bin_hz / 440)
    right = np.abs(found - midi_at(centres.numpy() / RATE)) < 0.5
    assert right.mean(0).min() > 0.85  # the highest instrument first


def test_learning_can_be_ended() -> None:
    frame = GaborFrame(FrameConfig(), RATE)
    heard: list[int] = []
    spectra = torch.zeros(130, frame.n_network_bins, dtype=torch.complex64)
    known = Detector(frame, 2, DetectorSettings()).learn(spectra, heard.append)
    assert heard[:3] == [64, 128, 130]
    assert known.n_tones.tolist() == [0, 0]  # silence
