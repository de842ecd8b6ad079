"""Notes: decoded tones, and the other notes near by."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from torch import Tensor
from torch.testing import assert_close

from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.players.decoded import Decoded
from musisep_cli.players.hypotheses import Hypotheses
from musisep_cli.tones.notes import NotesAround
from musisep_cli.tones.tones import Tones, pitch_semitones
from tests import decodings

FRAME = GaborFrame(FrameConfig(), 8_000)
SEEDS = st.integers(0, 2**20)


def test_pitches_in_semitones() -> None:
    bins = torch.tensor([440.0, 880.0, 27.5, 1e-9]) / FRAME.bin_hz
    found = pitch_semitones(bins, FRAME)
    assert_close(found[:3], torch.tensor([69.0, 81.0, 21.0]), atol=1e-3, rtol=0)
    assert 0 < float(found[3]) < 21  # as low as anything is played, and finite


@given(SEEDS, st.integers(0, 4))
def test_the_notes_around_are_the_nearest_others_of_the_same_instrument(
    seed: int, reach: int
) -> None:
    generator = np.random.default_rng(seed)
    n, i = 12, 2
    # Runs of few pitches, with vibrato that is no note of its own, and rests.
    notes = np.repeat(generator.choice([30.0, 40.0, 60.0], (n // 3, i)), 3, 0)
    f0_bins = notes * 2 ** (generator.uniform(-0.3, 0.3, (n, i)) / 12)
    on = np.repeat(generator.random((n // 2, i)) < 0.7, 2, 0)
    played = Tones(
        torch.from_numpy(on).float(), torch.from_numpy(f0_bins).float(), torch.zeros(n, i)
    )
    around = NotesAround(played, reach)[:].in_a_row
    found_on = around.on.view(n, 3, i).numpy()
    found_f0 = around.f0_bins.view(n, 3, i).numpy()
    for k in range(n):
        for j in range(i):
            known = [notes[k, j]] if on[k, j] else []
            for place, step in ((1, -1), (2, 1)):
                frames = [k + step * d for d in range(1, reach + 1) if 0 <= k + step * d < n]
                others = [m for m in frames if on[m, j] and notes[m, j] not in known]
                assert found_on[k, place, j] == (len(others) > 0)
                if others:
                    assert found_f0[k, place, j] == pytest.approx(f0_bins[others[0], j], rel=1e-6)
                    known.append(notes[others[0], j])
    assert_array_equal(found_on[:, 0], played.on.numpy())
    assert_array_equal(found_f0[:, 0], played.f0_bins.numpy())
    for block in (slice(0, 5), slice(5, 6), slice(6, 12)):
        part = NotesAround(played, reach)[block].in_a_row
        for name, values in vars(part).items():
            assert_close(values * part.on, (getattr(around, name) * around.on)[block])


def test_the_tones_are_what_was_decoded_of_the_hypotheses() -> None:
    n, s, i, h = 7, 3, 2, 4
    generator = torch.Generator().manual_seed(0)

    def numbers(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator)

    found = Hypotheses(
        log_prob=numbers(n, s),
        misfit=numbers(n, s),
        tones=Tones(
            on=numbers(n, s, i) < 0.7,
            f0_bins=numbers(n, s, i),
            inharmonicity=numbers(n, s, i),
        ),
        loudness=numbers(n, s, i),
        timbre=torch.nn.functional.normalize(numbers(n, s, i, h), dim=-1).half(),
        place=torch.ones(n, s, i, 1),
    )
    rows = np.random.default_rng(0)
    decoded = decodings.decoding(
        rows.integers(0, s, n), np.argsort(rows.random((n, i)), 1), np.ones((i, h))
    ).ordered(np.array([1, 0]))
    played = Decoded(found, decoded)[:]
    later = Decoded(found, decoded)[3:5]
    assert_close(later.f0_bins, played.f0_bins[3:5], atol=0, rtol=0)
    for k in range(n):
        for instrument in range(i):
            place = k, decoded.hypotheses[k], decoded.tones[k, instrument]
            assert float(played.on[k, instrument]) == float(found.tones.on[place])
            assert played.f0_bins[k, instrument] == found.tones.f0_bins[place]
            assert played.inharmonicity[k, instrument] == found.tones.inharmonicity[place]


def test_voices_of_an_instrument_are_its_tones() -> None:
    blank = torch.zeros(3, 4)
    notes = NotesAround(Tones(blank, blank, blank), 1, np.array([0, 1, 0, 1]))
    assert notes.instruments.tolist() == [0, 1, 0, 1] * 3
    assert NotesAround(Tones(blank, blank, blank), 1).instruments.tolist() == [0, 1, 2, 3] * 3
