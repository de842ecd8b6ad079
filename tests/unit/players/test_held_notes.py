"""Held notes: further hypotheses from what is played in the frames around."""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from torch import Tensor
from torch.testing import assert_close

from musisep_cli.frames.framewise import FrameRows
from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.frames.leaves import leaves
from musisep_cli.frames.spool import Spool, SpooledFrames
from musisep_cli.players.costs import DecodingConfig
from musisep_cli.players.held_notes import Held, held_tones, with_held
from musisep_cli.players.hypotheses import LEAST_LOG_PROB, Hypotheses, SetFit
from musisep_cli.players.rounds import Rounds
from musisep_cli.players.scene import Decoding
from musisep_cli.players.voices import Voices
from musisep_cli.tones.dictionary import DictionaryConfig
from musisep_cli.tones.notes import NeighbourTones
from musisep_cli.tones.objective import ObjectiveConfig
from musisep_cli.tones.tones import Tones
from tests import decodings, dense

FRAME = GaborFrame(FrameConfig(), 8_000)
N_HARMONICS = 8
spectrum = partial(
    dense.with_random_phases, width=FRAME.ideal_width_bins, n_bins=FRAME.n_network_bins
)
NATS = 5.0
FIT = SetFit(
    n_harmonics=N_HARMONICS,
    width_bins=FRAME.ideal_width_bins,
    objective=ObjectiveConfig(),
    refined_pitch=False,
)
ODD = np.array([1.0, 0.01, 0.6, 0.01, 0.4, 0.01, 0.3, 0.01])
FALLING = np.array([1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1])
LOW, HIGH = 40.0, 80.0
"""The high tone hides in the low one's even harmonics."""


def around(n: int, i: int, seed: int) -> NeighbourTones:
    """Tones of frames and the notes around, all of different pitches."""
    generator = np.random.default_rng(seed)
    f0_bins = torch.from_numpy(generator.permutation(n * 3 * i).reshape(n, 3 * i) + 10.0)
    on = torch.from_numpy(generator.random((n, 3 * i)) < 0.6).double()
    return NeighbourTones.split(Tones(on, f0_bins, torch.from_numpy(generator.random((n, 3 * i)))))


@given(st.integers(0, 2**20), st.integers(1, 4))
def test_every_note_around_is_held_alone_and_all_of_a_side_together(seed: int, i: int) -> None:
    tones = around(5, i, seed)
    sets, are_new = held_tones(tones)

    def sounding(tones: Tones, n: int) -> dict[int, float]:
        return {j: float(tones.f0_bins[n, j]) for j in range(i) if tones.on[n, j] > 0}

    for n in range(5):
        own = sounding(tones.own, n)
        expected = []
        for side in (tones.before, tones.after):
            held = sounding(side, n)
            expected += [own | {j: f0} for j, f0 in held.items()]
            expected += [own | held] * (len(held) > 1)
        found = [sounding(sets[:, s], n) for s in are_new[n].nonzero()[:, 0]]
        unique = {tuple(sorted(each.items())) for each in found}
        assert unique == {tuple(sorted(each.items())) for each in expected}


def scene(n: int = 48, hidden: tuple[int, int] = (20, 24)) -> tuple[Hypotheses, Tensor]:
    """A low and a high line; in some frames no hypothesis has the high tone, which sounds there.

    The low line rests in the first quarter and the high one in the last, so that each is known.
    """
    on = np.ones((n, 2), bool)
    on[: n // 4, 0] = on[-n // 4 :, 1] = False
    spectra = [
        on[k, 0] * spectrum(LOW, FALLING, k) + on[k, 1] * 0.7 * spectrum(HIGH, ODD, n + k)
        for k in range(n)
    ]
    heard = torch.from_numpy(on)
    heard[slice(*hidden), 1] = False
    f0_bins = torch.tensor([LOW, HIGH]).repeat(n, 1)
    sets = Tones(heard[:, None], f0_bins[:, None], torch.zeros(n, 1, 2))
    channels = torch.from_numpy(np.stack(spectra)).to(torch.complex64)[:, None]
    return FIT(torch.zeros(n, 1), sets, channels), channels


def test_a_note_that_its_frames_do_not_show_is_held() -> None:
    found, channels = scene()
    spectra = channels[:, 0]
    opened = []

    def widen(found: FrameRows, decoding: Decoding) -> FrameRows:
        spool = Spool.temporary()
        opened.append(spool)
        kept = SpooledFrames(Hypotheses, spool, torch.device("cpu"))
        return with_held(Held(found, decoding, channels, FIT, NATS), kept, lambda: None)

    def on(widen: object) -> np.ndarray:
        rounds = Rounds(
            frame=FRAME,
            voices=Voices.single(2),
            config=DecodingConfig(),
            dictionary=DictionaryConfig(n_harmonics=8),
            seed=0,
            widen=widen,
        )
        wider, decoding = rounds.decode(found, spectra)
        rows = np.arange(len(found))[:, None]
        hypotheses = decoding.hypotheses[:, None]
        return wider[:].tones.on.numpy()[rows, hypotheses, decoding.tones]

    plain, held = on(None), on(widen)
    assert_array_equal(plain[20:24, 0], False)  # the high line is instrument 0
    assert_array_equal(held[20:24, 0], True)
    # Nothing else is changed: no rest is filled.
    assert_array_equal(np.delete(plain, range(20, 24), 0), np.delete(held, range(20, 24), 0))
    for spool in opened:
        spool.close()


def test_what_is_not_new_has_no_tones_and_is_never_taken() -> None:
    found, channels = scene()
    zeros = np.zeros(len(found), np.int64)
    tones = np.tile([0, 1], (len(found), 1))
    decoding = decodings.decoding(zeros, tones, np.ones((2, N_HARMONICS)))
    held = Held(found, decoding, channels, FIT, NATS)
    _, are_new = held_tones(held.notes[:])
    assert are_new.any()
    assert not are_new.all()
    whole = held[:]
    assert_array_equal(whole.tones.on[~are_new].numpy(), False)
    assert_array_equal(whole.log_prob[~are_new].numpy(), 2 * LEAST_LOG_PROB)
    assert_close(whole.log_prob[are_new], torch.full_like(whole.log_prob[are_new], -NATS))
    for block in (slice(0, 7), slice(7, 8), slice(8, None)):
        for name, values in leaves(held[block]).items():
            assert_close(values, leaves(whole[block])[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n_channels", [1, 2])
def test_frames_without_notes_around_have_none(n_channels: int) -> None:
    found, channels = scene()
    resting = found.heard(torch.zeros(len(found), dtype=torch.bool))
    zeros = np.zeros(len(found), np.int64)
    tones = np.tile([0, 1], (len(found), 1))
    decoding = decodings.decoding(zeros, tones, np.ones((2, 8)))
    held = Held(resting, decoding, channels.repeat(1, n_channels, 1), FIT, NATS)[:]
    assert held.place.shape[-1] == n_channels
    assert not bool(held.tones.on.any())
