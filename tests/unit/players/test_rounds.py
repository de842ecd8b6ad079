"""Transcription: hypotheses heard again as the instruments would play them."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from torch import Tensor
from torch.testing import assert_close

from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.players import path as decoding_path
from musisep_cli.players import rounds as decoding_rounds
from musisep_cli.players.costs import DecodingConfig
from musisep_cli.players.decoded import dictionary_of_timbres
from musisep_cli.players.hypotheses import Hypotheses
from musisep_cli.players.rests import with_rests
from musisep_cli.players.rounds import Misfits, Rounds
from musisep_cli.players.voices import Voices
from musisep_cli.run.settings.compose import compose
from musisep_cli.tones.dictionary import DictionaryConfig, start_dictionary
from musisep_cli.tones.identity import N_HARMONICS as IDENTITY_HARMONICS
from musisep_cli.tones.identity import Identity
from musisep_cli.tones.timbre import LOWEST_SEMITONE, N_SEMITONES, Timbres
from musisep_cli.tones.tones import Tones
from tests import dense
from tests.unit.tones.test_likeness import instrument

FRAME = GaborFrame(FrameConfig(), 8_000)
spectrum = partial(
    dense.with_random_phases, width=FRAME.ideal_width_bins, n_bins=FRAME.n_network_bins
)
ODD = np.array([1.0, 0.01, 0.6, 0.01, 0.4, 0.01, 0.3, 0.01])
FALLING = np.array([1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1])
N_HARMONICS = len(ODD)
DUET = Voices.single(2)
UPPER, LOWER = (114.3, 57.15), (87.7, 43.85)
"""Of each instrument's pitches one is an octave above the other."""
OCTAVES = ((1.0, 1.0), (0.5, 1.0))
"""What the hypotheses of a frame make of its two pitches."""


def scene(n_notes: int = 24, length: int = 4) -> tuple[Hypotheses, Tensor, NDArray[np.int64]]:
    """Two lines; hypotheses of octaves in random order, alike in all but pitch; the true one [n].

    The tones of every hypothesis are in random order as well.
    """
    generator = np.random.default_rng(0)
    f0_bins = np.repeat(
        np.stack([generator.permutation(np.resize(p, n_notes)) for p in (UPPER, LOWER)], 1),
        length,
        0,
    )
    n = len(f0_bins)
    spectra = np.stack(
        [
            spectrum(f0_bins[k, 0], ODD, k) + spectrum(f0_bins[k, 1], FALLING, n + k)
            for k in range(n)
        ]
    )
    hypotheses = f0_bins[:, None] * np.array(OCTAVES)  # n, s, i
    order = np.argsort(generator.random(hypotheses.shape[:2]), 1)
    hypotheses = np.take_along_axis(hypotheses, order[..., None], 1)
    swap = generator.random(hypotheses.shape[:2]) < 0.5
    hypotheses[swap] = hypotheses[swap][:, ::-1]
    lifted = np.sqrt(np.stack([ODD, FALLING]) / np.stack([ODD, FALLING]).sum(1, keepdims=True))
    timbre = np.broadcast_to(lifted, (*hypotheses.shape, N_HARMONICS)).copy()
    timbre[swap] = timbre[swap][:, ::-1]
    blank = torch.zeros(hypotheses.shape[:2])
    found = Hypotheses(
        log_prob=blank,
        misfit=blank,
        tones=Tones(
            on=torch.ones(hypotheses.shape, dtype=torch.bool),
            f0_bins=torch.from_numpy(hypotheses).float(),
            inharmonicity=torch.zeros(hypotheses.shape),
        ),
        loudness=torch.ones(hypotheses.shape),
        timbre=torch.from_numpy(timbre).half(),
        place=torch.ones(*hypotheses.shape, 1),
    )
    return found, torch.from_numpy(spectra).to(torch.complex64), order.argmin(1)


def rounds(config: DecodingConfig) -> Rounds:
    dictionary = DictionaryConfig(n_harmonics=N_HARMONICS)
    return Rounds(frame=FRAME, voices=DUET, config=config, dictionary=dictionary, seed=0)


def known() -> Timbres:
    return Timbres(
        torch.from_numpy(np.stack([ODD, FALLING])).float()[:, None].repeat(1, N_SEMITONES, 1)
    )


def of_all_states(
    found: Hypotheses, spectra: Tensor, frames: slice | None = None
) -> NDArray[np.floating[Any]]:
    """Misfits of all hypotheses in all assignments, [n, s a]."""
    block = frames or slice(0, len(spectra))
    n_states = found.tones.on.shape[1] * len(DUET.assignments)
    names = np.tile(np.arange(n_states), (block.stop - block.start, 1))
    return Misfits(found, spectra, FRAME, known(), DUET)(block, names)


def test_the_right_tones_by_the_right_players_fit_best() -> None:
    found, spectra, right = scene()
    misfits = of_all_states(found, spectra)
    frames = np.arange(len(right))
    best = misfits.reshape(len(right), -1).argmin(1)
    assert_array_equal(best // 2, right)
    true = found.tones.f0_bins[frames, right].numpy()  # n, i
    players = DUET.assignments[best % 2]
    upper, lower = np.take_along_axis(true, players, 1).T
    assert np.isin(upper, np.float32(UPPER)).all()
    assert np.isin(lower, np.float32(LOWER)).all()


def test_misfits_are_those_of_frames_one_by_one() -> None:
    found, spectra, _ = scene()
    misfits = of_all_states(found, spectra)
    for block in (slice(0, 5), slice(5, 6), slice(6, len(spectra))):
        part = of_all_states(found, spectra, block)
        assert_close(part, misfits[block], rtol=1e-5, atol=1e-7)


def test_misfits_of_some_states_are_those_among_all() -> None:
    found, spectra, _ = scene()
    whole = of_all_states(found, spectra)
    names = np.random.default_rng(0).integers(0, whole.shape[1], (len(spectra), 3))
    told = Misfits(found, spectra, FRAME, known(), DUET)(slice(0, len(spectra)), names)
    assert_close(told, np.take_along_axis(whole, names, 1), rtol=1e-5, atol=1e-7)


def test_a_silent_frame_fits_whatever_is_said_of_it() -> None:
    found, spectra, _ = scene()
    silent = replace(found, tones=replace(found.tones, on=torch.zeros_like(found.tones.on)))
    misfits = of_all_states(silent, 0 * spectra)
    assert np.isfinite(misfits).all()
    assert np.abs(misfits).max() < 1e-6


def test_notes_that_are_an_octave_off_as_a_whole_are_repaired() -> None:
    # The network is sure of most frames; in some of the high notes it is sure of an octave error.
    found, spectra, right = scene()
    frames = np.arange(len(right))
    high = found.tones.f0_bins[frames, right].amax(1).numpy() > UPPER[0] - 1
    erring = high & (frames // 4 % 3 == 0)
    believed = np.where(erring, 1 - right, right)
    log_prob = torch.full(found.log_prob.shape, -12.0)
    log_prob[frames, believed] = 0.0
    found = replace(found, log_prob=log_prob)
    once, again = (
        float((rounds(config).decode(found, spectra)[1].hypotheses == right).mean())
        for config in (DecodingConfig(weight_harmonics=0.0), DecodingConfig())
    )
    assert once < 0.9
    assert again == 1.0


def told(number: int) -> tuple[Hypotheses, Tensor, NDArray[np.int64], Identity]:
    """The scene with the right octaves all but told, and the identity of one of its instruments."""
    found, spectra, right = scene()
    log_prob = torch.full(found.log_prob.shape, -12.0)
    log_prob[np.arange(len(right)), right] = 0.0
    amplitudes = np.full(IDENTITY_HARMONICS, 1e-3)
    amplitudes[:N_HARMONICS] = (ODD, FALLING)[number]
    pitch = 69 + 12 * np.log2((UPPER, LOWER)[number][0] * FRAME.bin_hz / 440)
    one = instrument(20 * np.log10(amplitudes), round(pitch))
    return replace(found, log_prob=log_prob), spectra, right, one


@pytest.mark.parametrize("number", [0, 1])
def test_where_nothing_is_mixed_up_a_known_instrument_changes_nothing(number: int) -> None:
    found, spectra, right, one = told(number)
    _, blind = rounds(DecodingConfig()).decode(found, spectra)
    _, steered = replace(rounds(DecodingConfig()), known=[[one]]).decode(found, spectra)
    assert_array_equal(steered.hypotheses, right)
    assert_array_equal(steered.tones, blind.tones)


def formant(f0_bins: float, centre_bins: float) -> NDArray[np.float64]:
    """Harmonics of an instrument with a body that favours a frequency, the strongest 1."""
    harmonic = np.arange(1, N_HARMONICS + 1)
    octaves = np.log(f0_bins * harmonic / centre_bins) / 0.15
    amplitudes: NDArray[np.float64] = np.exp(-0.5 * octaves**2) + 0.1 / harmonic
    return amplitudes / amplitudes.max()


def one_register(seed: int) -> tuple[Hypotheses, Tensor, NDArray[np.int64]]:
    """Two lines in one register, by instruments whose timbre changes with the pitch.

    One hypothesis per frame, its tones in random order: whose tone is at which place, ``[n, i]``.
    """
    generator = np.random.default_rng(seed)
    scale = 60 * 2 ** (np.arange(8) / 6)
    lines = np.stack([generator.choice(scale, 40) for _ in range(2)], 1)
    f0_bins = np.repeat(lines, 6, 0)
    f0_bins[f0_bins[:, 0] == f0_bins[:, 1], 1] *= 2 ** (1 / 12)
    n = len(f0_bins)
    sounds = np.stack(
        [[formant(f0, c) for f0, c in zip(f0s, (150, 240), strict=True)] for f0s in f0_bins]
    )
    spectra = np.stack(
        [spectrum(f0_bins[k, i], sounds[k, i], i * n + k) for k in range(n) for i in range(2)]
    ).reshape(n, 2, -1)
    order = np.argsort(generator.random((n, 2)), 1)
    lifted = np.sqrt(sounds / sounds.sum(2, keepdims=True))
    blank = torch.zeros(n, 1)
    found = Hypotheses(
        log_prob=blank,
        misfit=blank,
        tones=Tones(
            on=torch.ones(n, 1, 2, dtype=torch.bool),
            f0_bins=torch.from_numpy(np.take_along_axis(f0_bins, order, 1)).float()[:, None],
            inharmonicity=torch.zeros(n, 1, 2),
        ),
        loudness=torch.ones(n, 1, 2),
        timbre=torch.from_numpy(np.take_along_axis(lifted, order[..., None], 1)).half()[:, None],
        place=torch.ones(n, 1, 2, 1),
    )
    return found, torch.from_numpy(spectra.sum(1)).to(torch.complex64), order


@pytest.mark.parametrize("seed", [6, 7])
def test_labels_that_mix_up_two_instruments_of_one_register_are_told_by_their_timbres(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, spectra, order = one_register(seed)

    def share_right() -> float:
        tones = rounds(DecodingConfig()).decode(found, spectra)[1].tones
        players = np.take_along_axis(order, tones, 1)
        first = (players[:, 0] == 0).mean()
        return float(max(first, 1 - first))

    assert share_right() == 1.0
    monkeypatch.setattr(decoding_path, "SAME", 0.0)  # as if all starts ended in the cheapest labels
    assert share_right() < 0.8


def solo(centre_bins: float) -> Identity:
    """Identity of an instrument of ``one_register``, from every second pitch of its."""
    level_db, heard_s = np.zeros((N_SEMITONES, IDENTITY_HARMONICS)), np.zeros(N_SEMITONES)
    for f0_bins in 60 * 2 ** (np.arange(0, 8, 2) / 6):
        energy = np.full(IDENTITY_HARMONICS, 1e-6)
        energy[:N_HARMONICS] = formant(f0_bins, centre_bins) ** 2
        g = round(69 + 12 * np.log2(f0_bins * FRAME.bin_hz / 440)) - LOWEST_SEMITONE
        level_db[g], heard_s[g] = 10 * np.log10(energy / energy.sum()), 1.0
    reach = np.full(N_SEMITONES, IDENTITY_HARMONICS)
    return Identity(
        level_db=level_db, spread_db=np.zeros_like(level_db), heard_s=heard_s, reach=reach
    )


@pytest.mark.parametrize("seed", [6, 7])
@pytest.mark.parametrize("centre_bins", [150.0, 240.0])
def test_labels_that_are_mixed_up_are_told_by_a_solo_of_one_of_the_two(
    seed: int, centre_bins: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, spectra, order = one_register(seed)
    monkeypatch.setattr(decoding_path, "SAME", 0.0)  # as above: blind, labels are mixed up
    asked = replace(rounds(DecodingConfig()), known=[[solo(centre_bins)]])
    tones = asked.decode(found, spectra)[1].tones
    first = (np.take_along_axis(order, tones, 1)[:, 0] == 0).mean()
    assert max(first, 1 - first) == 1.0


@pytest.mark.slow
def test_a_solo_puts_most_notes_into_the_right_hands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding_path, "SAME", 0.0)
    blind, asked = [], []
    for seed in range(4, 12):
        found, spectra, order = one_register(seed)
        for known, shares in (([], blind), ([[solo(150.0)]], asked), ([[solo(240.0)]], asked)):
            tones = replace(rounds(DecodingConfig()), known=known).decode(found, spectra)[1].tones
            first = (np.take_along_axis(order, tones, 1)[:, 0] == 0).mean()
            shares.append(max(first, 1 - first))
    assert np.mean(blind) < 0.75
    assert np.mean(asked) > 0.92


def test_what_a_rest_costs_follows_from_the_most_probable_hypotheses() -> None:
    found, spectra, _ = scene()
    loudness = found.loudness.clone()
    loudness[:, 0, 1] = 0  # in them the second instrument always rests, in all others never
    with pytest.MonkeyPatch.context() as patch:
        heard: list[NDArray[np.floating[Any]]] = []

        def kept(
            config: DecodingConfig, loudness: NDArray[np.floating[Any]], n_instruments: int
        ) -> DecodingConfig:
            heard.append(loudness)
            return with_rests(config, loudness, n_instruments)

        patch.setattr(decoding_rounds, "with_rests", kept)
        rounds(DecodingConfig()).decode(replace(found, loudness=loudness), spectra)
    assert_array_equal(heard[0], loudness[:, 0].numpy())


def test_two_instruments_of_one_kind_are_told_by_where_they_are() -> None:
    found, spectra, order = one_register(6)
    same = found.timbre[:1, :1, :1].expand_as(found.timbre)  # as if both had one timbre
    gains = np.sqrt([[0.8, 0.2], [0.35, 0.65]])  # instrument, channel
    panned = torch.from_numpy(gains[order]).float()[:, None]
    for place, least, most in ((found.place, 0.5, 0.8), (panned, 1.0, 1.0)):
        config = DecodingConfig(weight_harmonics=0.0)
        heard = replace(found, timbre=same, place=place)
        tones = rounds(config).decode(heard, spectra)[1].tones
        first = (np.take_along_axis(order, tones, 1)[:, 0] == 0).mean()
        assert least <= max(first, 1 - first) <= most


def test_the_second_decoding_and_the_second_note_can_be_switched_off() -> None:
    config = compose("standard", {"decoding": {"weight_harmonics": 0.0, "note_reach": 0}})
    standard = compose("standard").settings.decoding
    assert config.settings.decoding == replace(standard, weight_harmonics=0.0, note_reach=0)


def test_the_dictionary_of_timbres_is_squared_with_maximum_1_and_a_floor() -> None:
    config = DictionaryConfig(n_harmonics=3)
    timbres = torch.tensor([[0.8, 0.4, 0.0], [0.1, 0.2, 0.1]], dtype=torch.float64)
    expected = torch.tensor([[1.0, 0.25], [0.25, 1.0], [1e-3, 0.25]])
    assert_close(dictionary_of_timbres(timbres, config), expected)


def test_the_dictionary_of_an_instrument_without_timbre_is_the_untrained_one() -> None:
    config = DictionaryConfig(n_harmonics=3)
    found = dictionary_of_timbres(torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]), config)
    assert_close(found[:, 0], torch.tensor([1.0, 1e-3, 1e-3]))
    assert_close(found[:, 1], start_dictionary(config, 2)[:, 1])
