import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from musisep_cli.methods.lasso.measures import Measures, Peaked, products
from musisep_cli.methods.lasso.sliding_frank_wolfe import (
    Frames,
    FrankWolfeConfig,
    in_order,
    left,
    merged,
    settled,
    sliding_frank_wolfe,
)
from tests.unit.methods.lasso.atoms import LIFT, N_BINS, frames_of, grid, measures

CONFIG = FrankWolfeConfig()


def found_in(truth: Measures, *decays: float, share: float = 0.1, room: int = 5) -> Measures:
    pitches = grid(*decays)
    frames = frames_of(truth, pitches, share)
    none = Measures.none(len(frames.alpha), room, frames.data)
    return sliding_frank_wolfe(frames, none, pitches, CONFIG)


@pytest.mark.parametrize("pitch_bins", [15.1, 64.87, 300.4])
@pytest.mark.parametrize("player", [0, 1])
def test_one_tone_is_found_with_its_height_less_alpha(pitch_bins: float, player: int) -> None:
    truth = measures([[2.0]], [[pitch_bins]], [[player]])
    found = found_in(truth, 0.5, 0.2, share=0.25)
    assert int((found.heights > 0).sum()) == 1
    assert int(found.players[0, 0]) == player
    assert float(found.pitches_bins[0, 0]) == pytest.approx(pitch_bins, abs=0.02)
    assert float(found.heights[0, 0]) == pytest.approx(1.5, abs=0.02)


def test_a_tone_fainter_than_alpha_vanishes() -> None:
    assert int((found_in(measures([[1.0]], [[50.0]]), 0.5, share=1.1).heights > 0).sum()) == 0


@given(st.floats(20, 200), st.floats(0.03, 0.95), st.integers(1, 6), st.floats(0.5, 1.0))
@settings(max_examples=8)
def test_two_tones_are_both_found(
    first: float, beyond: float, harmonic: int, height: float
) -> None:
    second = first * (harmonic + beyond)
    assume(second < 650)  # the grid's highest pitch is 700
    assume(abs(second - round(second / first) * first) > 4)  # more than a lifted peak is wide
    found = found_in(measures([[1.0, height]], [[first, second]]), 0.5)
    pitches = found.pitches_bins[found.heights > 0]
    for pitch in (first, second):
        assert float((pitches - pitch).abs().min()) < 0.05


@pytest.mark.parametrize("ratio", [1.25, 1.5, 2.0, 3.0])
def test_tones_in_simple_ratios_are_found_and_exact_as_alpha_falls(ratio: float) -> None:
    truth = measures([[1.0, 0.8]], [[50.2, 50.2 * ratio]])
    errors = []
    for share in (0.1, 0.01):
        found = found_in(truth, 0.5, share=share)
        pitches = found.pitches_bins[0, :2].sort().values
        errors.append(float((pitches - truth.pitches_bins[0]).abs().max()))
    assert errors[0] < 0.1
    assert errors[1] < 0.02


def test_stiff_strings_are_found() -> None:
    found = found_in(measures([[1.0]], [[60.0]], None, [[5e-4]]), 0.7, share=0.02)
    assert float(found.inharmonicity[0, 0]) == pytest.approx(5e-4, rel=0.05)


def test_the_certificate_is_kept_at_the_end() -> None:
    pitches = grid(0.5)
    frames = frames_of(measures([[1.0, 0.6, 0.4]], [[41.0, 66.3, 97.7]]), pitches, 0.1)
    found = sliding_frank_wolfe(frames, Measures.none(1, 5, frames.data), pitches, CONFIG)
    certificate = pitches.certificate(left(frames, found, pitches))
    assert float(certificate.max()) <= 1.01 * float(frames.alpha)


def test_sliding_never_raises_the_objective() -> None:
    pitches = grid(0.5)
    frames = frames_of(measures([[1.0, 0.6]], [[41.0, 66.3]]), pitches, 0.3)
    start = measures([[0.5, 0.3]], [[41.6, 65.7]])
    objectives = []
    for n_slides in range(6):
        found = settled(frames, start, pitches, CONFIG, n_slides=n_slides)
        inner = products(Peaked(pitches, found), frames.matched)
        objectives.append(float(inner.objective(found.heights, frames.alpha)))
    assert objectives == sorted(objectives, reverse=True)
    assert objectives[-1] < objectives[0] - 1e-3


@given(st.floats(0.01, 100))
@settings(max_examples=3)
def test_it_is_linear_in_scale(scale: float) -> None:
    pitches = grid(0.5)
    frames = frames_of(measures([[1.0, 0.5]], [[41.0, 66.3]]), pitches, 0.1)
    louder = Frames(scale * frames.data, scale * frames.matched, scale * frames.alpha)
    none = Measures.none(1, 4, frames.data)
    one, other = (sliding_frank_wolfe(each, none, pitches, CONFIG) for each in (frames, louder))
    torch.testing.assert_close(scale * one.heights, other.heights, rtol=1e-3, atol=0)
    torch.testing.assert_close(one.pitches_bins, other.pitches_bins, rtol=1e-4, atol=0)


def test_instruments_permute() -> None:
    truth = measures([[1.0, 0.7]], [[41.0, 66.3]], [[0, 1]])
    swapped = measures([[1.0, 0.7]], [[41.0, 66.3]], [[1, 0]])
    one, other = found_in(truth, 0.6, 0.1), found_in(swapped, 0.1, 0.6)
    torch.testing.assert_close(one.pitches_bins, other.pitches_bins)
    sounding = one.heights > 0
    assert one.players[sounding].tolist() == (1 - other.players[sounding]).tolist()


def test_frames_do_not_depend_on_each_other() -> None:
    truth = measures([[1.0, 0.7], [0.2, 3.0]], [[41.0, 66.3], [120.0, 55.0]])
    together = found_in(truth, 0.5)
    for n in range(2):
        alone = found_in(truth[n : n + 1], 0.5)
        torch.testing.assert_close(alone.pitches_bins[0], together.pitches_bins[n])
        torch.testing.assert_close(alone.heights[0], together.heights[n])


def test_silence_has_no_tones() -> None:
    zeros = torch.zeros(2, N_BINS)
    frames = Frames(zeros, LIFT.matched(zeros), torch.zeros(2))
    found = sliding_frank_wolfe(frames, Measures.none(2, 4, zeros), grid(0.5), CONFIG)
    assert not found.heights.any()


def test_atoms_of_one_instrument_that_meet_are_one() -> None:
    near = measures([[1.0, 2.0, 0.5]], [[40.0, 40.3, 40.1]], [[0, 0, 1]])
    found = in_order(merged(near, 0.5))
    assert found.heights.tolist() == [[3.0, 0.5, 0.0]]
    assert found.players[0, :2].tolist() == [0, 1]
    assert float(found.pitches_bins[0, 0]) == pytest.approx(40.3)
