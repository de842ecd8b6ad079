"""Labels: which decoded frames count as clear, in closed form and with the truth decoded."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from musisep_cli.frames.framewise import BLOCK_FRAMES, Derived
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.methods.decoding import clear_frames
from musisep_cli.methods.decoding.clear_frames import (
    BEST_SHARE,
    STEADY_FRAMES,
    clear,
    clear_labels,
    goes_on,
    passages,
    usual_level,
    without_faint,
)
from musisep_cli.methods.decoding.rehearsal import Labels
from musisep_cli.players.decoded import Decoded
from musisep_cli.players.hypotheses import Hypotheses
from musisep_cli.tones import timbre
from musisep_cli.tones.tones import Tones
from tests import decodings
from tests.unit.run.test_one_seed import FALLING, NOTES_S, ODD, RATE_HZ, players, tiny, truth

DURATION_S = 2.4
CONFIG = tiny()
FRAME = GaborFrame(CONFIG.settings.frame, RATE_HZ)
SIGNAL = torch.from_numpy(players(DURATION_S).sum(0)).float()
CENTRES = FRAME.centres(len(SIGNAL))
DICTIONARY = torch.tensor([ODD, FALLING]).T


def test_frames_count_where_nothing_changes_within_reach() -> None:
    n = 20
    on = torch.ones(n, 2, dtype=torch.bool)
    semitones = torch.full((n, 2), 60.0)
    assert bool(goes_on(on, semitones).all())  # at the ends too
    semitones[:, 1] += 0.3 * torch.sin(torch.arange(n))  # vibrato
    assert bool(goes_on(on, semitones).all())
    semitones[10:, 0] += 1.0
    expected = torch.ones(n, dtype=torch.bool)
    expected[10 - STEADY_FRAMES : 10 + STEADY_FRAMES] = False
    assert_close(goes_on(on, semitones), expected)


def test_the_beginning_of_a_rest_is_a_change_but_what_is_found_in_it_is_not() -> None:
    n = 20
    on = torch.ones(n, 1, dtype=torch.bool)
    on[8:] = False
    semitones = torch.full((n, 1), 60.0)
    semitones[8:, 0] = torch.arange(n - 8) * 10.0
    expected = torch.ones(n, dtype=torch.bool)
    expected[8 - STEADY_FRAMES : 8 + STEADY_FRAMES] = False
    assert_close(goes_on(on, semitones), expected)


def test_faint_tones_count_as_rests() -> None:
    tones = Tones(torch.tensor([[1.0, 1.0], [1.0, 1.0], [0.0, 1.0]]), *torch.ones(2, 3, 2))
    loudness = torch.tensor([[1.0, 0.02], [1e-3, 0.02], [0.0, 5.0]])
    found = without_faint(tones, loudness, 0.01, torch.tensor(1.0))
    assert_close(found.on, torch.tensor([[1.0, 1.0], [0.0, 1.0], [0.0, 1.0]]))
    found = without_faint(tones, 100 * loudness, 0.05, torch.tensor(1.0))  # beside a loud one
    assert_close(found.on[0], torch.tensor([1.0, 0.0]))
    assert float(usual_level(torch.zeros(4, 2))) == 0.0


def test_the_best_steady_frames_with_tones_count() -> None:
    n = 100
    on = torch.ones(n, 2, dtype=torch.bool)
    on[:20] = False  # these have no tone and so no misfit, and no say in which are the best
    on[20:40, 1] = False
    misfits = torch.arange(n).float() / n * on.any(1)
    steady = torch.arange(n) % 2 == 0
    found = clear(on, steady, misfits).nonzero()[:, 0]
    assert_close(found, torch.arange(20, 20 + round(BEST_SHARE * 80), 2))


@pytest.mark.parametrize(("on", "steady"), [(False, True), (True, False)])
def test_nothing_counts_in_silence_or_where_all_changes(on: bool, steady: bool) -> None:
    found = clear(torch.full((5, 2), on), torch.full((5,), steady), torch.zeros(5))
    assert found.tolist() == [False] * 5


def test_a_passage_lasts_as_long_as_all_notes() -> None:
    on = torch.tensor([[1, 1], [1, 1], [1, 1], [1, 0], [1, 0], [1, 0], [0, 1]]) > 0
    semitones = torch.tensor(
        [[60.0, 50], [60.3, 50], [60.3, 52], [60.3, 52], [60.0, 70], [60.8, 70], [60.8, 70]]
    )
    assert passages(on, semitones).tolist() == [0, 0, 1, 2, 2, 3, 4]
    assert passages(on[:0], semitones[:0]).tolist() == []


# With the truth decoded


def spectra_of(signal: Tensor) -> Derived[Tensor, Tensor]:
    return Derived(
        CENTRES, lambda centres: FRAME.analyse(signal, centres)[:, : FRAME.n_network_bins]
    )


def gather(found: Hypotheses, signal: Tensor = SIGNAL) -> Labels:
    decoding = decodings.decoding(
        np.zeros(len(found), np.int64),
        np.tile(np.arange(2), (len(found), 1)),
        np.sqrt(np.array([ODD, FALLING])),
    )
    return clear_labels(
        Decoded(found, decoding),
        spectra_of(signal),
        CENTRES,
        DICTIONARY,
        FRAME,
        note_reach=4,
        faint=0.01,
    )


def known() -> Hypotheses:
    return truth(DURATION_S, CONFIG, shuffle_seed=None)


def with_tones(found: Hypotheses, **changes: Tensor) -> Hypotheses:
    return replace(found, tones=replace(found.tones, **changes))


def test_labels_are_true_tones_away_from_changes_of_note() -> None:
    found, exact = gather(known()), known()
    assert 0.2 * len(CENTRES) < len(found) < BEST_SHARE * len(CENTRES)
    rows = torch.searchsorted(CENTRES, found.centres)
    assert_close(CENTRES[rows], found.centres)
    assert_close(found.tones.f0_bins, exact.tones.f0_bins[rows, 0])
    assert bool((found.tones.on == 1).all())
    times_s = found.centres.double().numpy() / RATE_HZ
    hop_s = FRAME.hop_samples / RATE_HZ
    for note_s in NOTES_S:
        to_change = np.abs((times_s + note_s / 2) % note_s - note_s / 2)
        inner = (times_s > note_s / 2) & (times_s < DURATION_S - note_s / 2)
        assert to_change[inner].min() >= (STEADY_FRAMES - 1) * hop_s


def test_octave_errors_are_left_out_first() -> None:
    exact = known()
    n = len(exact)
    wrong = torch.zeros(n, dtype=torch.bool)
    wrong[round(0.45 * n) : round(0.58 * n)] = True  # within one note of either
    factor = torch.where(wrong, 0.5, 1.0)[:, None, None] ** torch.tensor([1.0, 0.0])
    found = gather(with_tones(exact, f0_bins=exact.tones.f0_bins * factor))
    rows = torch.searchsorted(CENTRES, found.centres)
    assert len(found) > 0.2 * n
    assert not bool(wrong[rows].any())


def test_what_plays_in_every_frame_is_a_label_too() -> None:
    exact = known()
    on = exact.tones.on & torch.tensor([True, False])
    found = gather(with_tones(replace(exact, loudness=exact.loudness * on), on=on))
    assert len(found) > 0
    assert_close(found.tones.on, torch.tensor([[1.0, 0.0]]).expand(len(found), 2))


def test_silence_has_no_labels() -> None:
    exact = known()
    silent = with_tones(
        replace(exact, loudness=0 * exact.loudness), on=torch.zeros_like(exact.tones.on)
    )
    assert len(gather(silent, torch.zeros_like(SIGNAL))) == 0
    assert len(gather(silent)) == 0


def test_a_long_recording_is_gone_through_in_blocks_of_an_excerpt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []
    plain = Decoded._chosen

    def chosen(self: Decoded, block: slice):  # type: ignore[no-untyped-def]
        found, which = plain(self, block)
        asked.append(len(found))
        return found, which

    monkeypatch.setattr(Decoded, "_chosen", chosen)
    for module in (clear_frames, timbre):
        monkeypatch.setattr(module, "EXCERPT_STRETCHES", 2)
        monkeypatch.setattr(module, "STRETCH_FRAMES", 70)
    found = gather(known())
    assert max(asked) <= BLOCK_FRAMES + 8
    rows = torch.searchsorted(CENTRES, found.centres)
    assert 0 < int((rows < 70).sum()) < len(rows)
    assert bool(((rows < 70) | (rows >= len(CENTRES) - 70)).all())
