"""Inharmonicity: known strings, pipes beside them, and what it is worth for their stems."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.stems.fitting import Fitter
from musisep_cli.stems.one_window import ResynthesisConfig
from musisep_cli.stems.wiener import WienerFilter
from musisep_cli.tones.inharmonicity import PER_OCTAVE, Inharmonicity
from musisep_cli.tones.notes import NotesAround
from musisep_cli.tones.objective import ObjectiveConfig
from musisep_cli.tones.timbre import LOWEST_SEMITONE
from musisep_cli.tones.tones import Tones
from tests.signals import harmonic_tone

RATE_HZ = 16_000
NOTE_S = 0.6
FRAME = GaborFrame(FrameConfig(), RATE_HZ)
N_HARMONICS = 25
STRING = tuple(float(0.1 * 0.8**h) for h in range(N_HARMONICS))
PIPE = tuple(0.1 / h if h % 2 else 0.002 for h in range(1, N_HARMONICS + 1))
NOTES = {60: 2e-4, 67: 4e-4}
"""Of the string: b by pitch."""
PIPED = (74, 76)
LARGEST_RATIO = 2 ** (0.75 / PER_OCTAVE)
"""The nearest value is half a step away; a quarter more for the noise."""


def hz(semitone: float) -> float:
    return float(440 * 2 ** ((semitone - 69) / 12))


def recording() -> tuple[Tones, Tensor, Tensor]:
    """Tones [n, i] with b = 0, spectra of both [n, f], and of each [i, n, f]; the string first."""
    form = {"duration_s": NOTE_S, "sample_rate_hz": RATE_HZ}
    lines = [
        [harmonic_tone(hz(g), amplitudes=STRING, inharmonicity=NOTES[g], **form) for g in NOTES],
        [harmonic_tone(hz(g), amplitudes=PIPE, **form) for g in PIPED],
    ]
    samples = torch.from_numpy(np.array([np.concatenate(line) for line in lines])).float()
    centres = FRAME.centres(samples.shape[-1])
    parts = FRAME.analyse(samples, centres)[..., : FRAME.n_network_bins]
    second = (centres >= NOTE_S * RATE_HZ).long()
    semitones = torch.tensor([list(NOTES), list(PIPED)], dtype=torch.float32)[:, second].T
    f0_bins = 440 * 2 ** ((semitones - 69) / 12) / FRAME.bin_hz
    return Tones(torch.ones_like(f0_bins), f0_bins, 0 * f0_bins), parts.sum(0), parts


def test_strings_are_found_and_pipes_are_not() -> None:
    played, spectra, _ = recording()
    learned = Inharmonicity.learn(played, spectra, FRAME, N_HARMONICS)
    for semitone, b in NOTES.items():
        found = float(learned.table[0, semitone - LOWEST_SEMITONE])
        assert b / LARGEST_RATIO < found < b * LARGEST_RATIO
    assert bool((learned.table[1] == 0).all())
    far = [semitone for semitone in range(120) if min(abs(semitone + 12 - g) for g in NOTES) > 6]
    assert bool((learned.table[0, far] == 0).all())


def test_only_b_changes() -> None:
    played, spectra, _ = recording()
    stretched = Inharmonicity.learn(played, spectra, FRAME, N_HARMONICS).of(played)
    assert_close(stretched.f0_bins, played.f0_bins)
    assert_close(stretched.on, played.on)
    assert bool((stretched.inharmonicity[:, 0] > 0).all())


def test_silence_and_rests_have_none() -> None:
    played, spectra, _ = recording()
    for tones, heard in (
        (played, torch.zeros_like(spectra)),
        (replace(played, on=0 * played.on), spectra),
    ):
        learned = Inharmonicity.learn(tones, heard, FRAME, N_HARMONICS)
        assert bool((learned.table == 0).all())


@pytest.mark.parametrize("instrument", [0, 1])
def test_stems_are_better_with_it(instrument: int) -> None:
    played, spectra, parts = recording()
    dictionary = torch.tensor([STRING, PIPE]).T / 0.1
    channels = spectra[:, None]

    def error(config: ResynthesisConfig) -> float:
        tones = NotesAround(played, 0)
        fitter = Fitter(tones, channels, lambda _: channels, dictionary, FRAME, config)
        stems = WienerFilter(fitter, dictionary, ObjectiveConfig()).explain(spectra[None])[:, 0]
        return float((stems - parts)[instrument].abs().square().sum())

    config = ResynthesisConfig(stems="wiener", change_window=1.0)
    assert error(config) < 0.5 * error(replace(config, stretched=False))
