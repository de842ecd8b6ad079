"""Decoding: Viterbi against all paths, and scenes in which one cue alone can tell what is right."""

import itertools
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import ModuleType
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import Generator
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from musisep_cli.errors import OutputError
from musisep_cli.frames.leaves import leafwise
from musisep_cli.frames.spool import Spool
from musisep_cli.players import path as decoding_path
from musisep_cli.players import scene as decoding_scene
from musisep_cli.players import viterbi
from musisep_cli.players.costs import UNISON_SEMITONES, Candidates, DecodingConfig
from musisep_cli.players.path import Excerpt, decode, decode_again, order_like
from musisep_cli.players.scene import Decoding
from musisep_cli.players.voices import Voices

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

CONFIG = DecodingConfig()
DUET = Voices.single(2)
NO_CUE = replace(
    CONFIG,
    weight_timbre=0.0,
    weight_register=0.0,
    weight_level=0.0,
    weight_order=0.0,
    weight_leap=0.0,
)
BY_TIMBRE = replace(NO_CUE, weight_timbre=CONFIG.weight_timbre)
BY_REGISTER = replace(NO_CUE, weight_register=CONFIG.weight_register)
BY_LEVEL = replace(NO_CUE, weight_level=CONFIG.weight_level)
BY_ORDER = replace(NO_CUE, weight_order=CONFIG.weight_order)
BY_CONTINUITY = replace(NO_CUE, weight_leap=CONFIG.weight_leap)
BY_EVIDENCE = NO_CUE
MIN_SHARE_RIGHT = 0.95
N_HARMONICS = 8
FLUTE = np.array([1.0, 0.3, 0.1, 0.05, 0.02, 0.01, 0.01, 0.01])
CLARINET = np.array([1.0, 0.02, 0.7, 0.02, 0.5, 0.02, 0.4, 0.02])
STRING = np.array([0.5, 1.0, 0.8, 0.9, 0.4, 0.5, 0.3, 0.3])
SEEDS = st.integers(0, 2**20)


# Tracks: pitch [n, i] and magnitudes [n, i, h] by instrument, then the tones of a frame shuffled


def sounds(timbres: list[Array], n_frames: int, generator: Generator) -> Array:
    """Magnitudes of steady timbres with a little irregularity, [n, i, h]."""
    exact = np.broadcast_to(np.stack(timbres), (n_frames, len(timbres), N_HARMONICS))
    return exact * np.exp(0.1 * generator.normal(size=exact.shape))


def notes(low: float, high: float, n_frames: int, length: int, generator: Generator) -> Array:
    """Random pitches of a register, all notes of one length, [n]."""
    return np.repeat(generator.uniform(low, high, -(-n_frames // length)), length)[:n_frames]


def shuffled(values: Array, orders: Labels) -> Array:
    index = orders if values.ndim == 2 else orders[..., None]
    return np.take_along_axis(values, index, 1)


def candidates(pitch: Array, magnitudes: Array) -> Candidates:
    """One hypothesis per frame, from pitch [n, i] and magnitudes [n, i, h]: all that is left to
    decide is who plays what.
    """
    loudness = magnitudes.sum(-1)
    timbres = np.sqrt(magnitudes / np.maximum(loudness, 1e-300)[..., None])
    blank = np.zeros((len(pitch), 1))
    return Candidates(blank, blank, pitch[:, None], loudness[:, None], timbres[:, None])


def label_tones(pitch: Array, magnitudes: Array, config: DecodingConfig, seed: int) -> Decoding:
    voices = Voices.single(pitch.shape[1])
    return decode(candidates(pitch, magnitudes), voices, config, seed)


def share_right(found: Decoding, orders: Labels, *, up_to_names: bool = False) -> float:
    """Share of frames in which all tones are labelled right.

    `orders` says whose tone is at which place; `up_to_names`: which instrument is which is free.
    """
    players = np.take_along_axis(orders, found.tones, 1)  # n, i: who really plays i's tone
    names = itertools.permutations(range(orders.shape[1]))
    right = [float((players == np.array(name)).all(1).mean()) for name in names]
    return max(right) if up_to_names else right[0]


def label(
    pitch: Array,
    magnitudes: Array,
    config: DecodingConfig = CONFIG,
    *,
    shuffle_seed: int = 9,
) -> tuple[Decoding, Labels]:
    """Labels of tones in random order, and that order."""
    orders = np.argsort(np.random.default_rng(shuffle_seed).random(pitch.shape), 1)
    found = label_tones(shuffled(pitch, orders), shuffled(magnitudes, orders), config, 0)
    return found, orders


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("config", [CONFIG, BY_TIMBRE])
def test_timbre_alone_tells_instruments_of_one_register_apart(
    config: DecodingConfig, seed: int
) -> None:
    # Both leap anywhere in the same octave, at the same times: the lines cross all the time.
    generator = np.random.default_rng(seed)
    n = 120
    pitch = np.stack([notes(60.5, 72.5, n, 4, generator), notes(60, 72, n, 4, generator)], 1)
    found, orders = label(pitch, sounds([FLUTE, CLARINET], n, generator), config)
    assert share_right(found, orders, up_to_names=True) >= MIN_SHARE_RIGHT


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("config", [CONFIG, BY_REGISTER])
def test_register_alone_tells_instruments_of_one_timbre_apart(
    config: DecodingConfig, seed: int
) -> None:
    # All notes change at once and anywhere: nothing continues.
    generator = np.random.default_rng(seed)
    n = 120
    pitch = np.stack([notes(74, 84, n, 1, generator), notes(55, 65, n, 1, generator)], 1)
    found, orders = label(pitch, sounds([FLUTE, FLUTE], n, generator), config)
    assert share_right(found, orders) >= MIN_SHARE_RIGHT


@pytest.mark.parametrize("seed", range(3))
def test_continuity_alone_tells_instruments_of_one_timbre_and_register_apart(seed: int) -> None:
    # In turns one holds a note and the other leaps anywhere, above it and below. A register of its
    # own would be learned for the higher tones, whoever plays them: it has to stay out.
    generator = np.random.default_rng(seed)
    n, turn = 160, 20
    leaping = notes(58, 74, n, 4, generator)
    pitch = np.stack([leaping, leaping], 1)
    for number, start in enumerate(range(0, n, turn)):  # the last note of a turn is held
        pitch[start : start + turn, number % 2] = pitch[max(start - 1, 0), number % 2]
    found, orders = label(pitch, sounds([FLUTE, FLUTE], n, generator), BY_CONTINUITY)
    assert share_right(found, orders, up_to_names=True) >= MIN_SHARE_RIGHT


@pytest.mark.parametrize("seed", range(3))
def test_crossing_lines_of_different_timbres_keep_their_players(seed: int) -> None:
    generator = np.random.default_rng(seed)
    n = 150
    time = np.linspace(0, 1, n)
    pitch = np.stack([76 - 14 * time, 61 + 14 * time], 1)
    found, orders = label(pitch, sounds([FLUTE, CLARINET], n, generator))
    assert share_right(found, orders, up_to_names=True) >= MIN_SHARE_RIGHT


@pytest.mark.parametrize("n_instruments", [3, 4])
def test_three_and_four_instruments_are_told_apart(n_instruments: int) -> None:
    generator = np.random.default_rng(n_instruments)
    n = 120
    registers = [(76, 86), (66, 78), (55, 68), (43, 55)]
    timbres = [FLUTE, CLARINET, STRING, FLUTE]
    pitch = np.stack([notes(*registers[i], n, 5 + i, generator) for i in range(n_instruments)], 1)
    found, orders = label(pitch, sounds(timbres[:n_instruments], n, generator))
    assert share_right(found, orders) >= MIN_SHARE_RIGHT
    assert_allclose(found.instruments.register_semitones, pitch.mean(0), atol=0.5)


def test_what_is_learned_of_the_instruments_is_their_timbre_and_register() -> None:
    pitch, magnitudes = duet(100)
    found, orders = label(pitch, magnitudes)
    assert share_right(found, orders) == 1
    assert found.instruments.timbres.shape == (2, N_HARMONICS)
    assert_allclose(np.linalg.norm(found.instruments.timbres, axis=1), 1)
    for timbre, truth in zip(found.instruments.timbres, (FLUTE, CLARINET), strict=True):
        assert_allclose(timbre, np.sqrt(truth / truth.sum()), atol=0.02)
    assert_allclose(found.instruments.register_semitones, pitch.mean(0), atol=0.01)


def duet(n_frames: int, seed: int = 0) -> tuple[Array, Array]:
    """An easy pair: pitch [n, i] and magnitudes [n, i, h]."""
    generator = np.random.default_rng(seed)
    pitch = np.stack(
        [notes(70, 82, n_frames, 7, generator), notes(58, 72, n_frames, 9, generator)], 1
    )
    return pitch, sounds([FLUTE, CLARINET], n_frames, generator)


def hard_trio(n_frames: int, seed: int = 0) -> tuple[Array, Array]:
    """Irregular timbres and overlapping registers, where the starts end differently."""
    generator = np.random.default_rng(seed)
    pitch = np.stack([notes(60, 75, n_frames, 3, generator) for _ in range(3)], 1)
    magnitudes = sounds([FLUTE, CLARINET, STRING], n_frames, generator)
    return pitch, magnitudes * np.exp(0.6 * generator.normal(size=magnitudes.shape))


@given(SEEDS)
def test_the_order_of_the_tones_in_a_frame_does_not_matter(seed: int) -> None:
    pitch, magnitudes = hard_trio(25)
    plain = label_tones(pitch, magnitudes, CONFIG, 0)
    found, orders = label(pitch, magnitudes, shuffle_seed=seed)
    assert_array_equal(np.take_along_axis(orders, found.tones, 1), plain.tones)
    assert_allclose(found.instruments.timbres, plain.instruments.timbres, atol=1e-9)
    assert found.cost == pytest.approx(plain.cost)


@pytest.mark.parametrize("level", [2.0**-20, 0.03, 1e3])
def test_the_level_of_the_recording_does_not_matter(level: float) -> None:
    pitch, magnitudes = hard_trio(40)
    plain = label_tones(pitch, magnitudes, CONFIG, 0)
    found = label_tones(pitch, level * magnitudes, CONFIG, 0)
    assert_array_equal(found.tones, plain.tones)
    assert_allclose(found.instruments.timbres, plain.instruments.timbres, atol=1e-9)


@given(SEEDS, st.integers(1, 12), st.integers(1, 4))
def test_every_instrument_plays_one_tone_of_every_frame(
    seed: int, n_frames: int, n_instruments: int
) -> None:
    generator = np.random.default_rng(seed)
    shape = (n_frames, n_instruments)
    sounding = generator.random((*shape, 1)) < 0.7
    magnitudes = generator.random((*shape, N_HARMONICS)) * sounding
    found = label_tones(40 + 40 * generator.random(shape), magnitudes, CONFIG, seed)
    assert found.tones.shape == shape
    assert_array_equal(np.sort(found.tones, 1), np.tile(np.arange(n_instruments), (n_frames, 1)))
    for values in (*vars(found.instruments).values(), found.cost):
        assert np.isfinite(values).all()
    registers = found.instruments.register_semitones
    assert_array_equal(registers, np.sort(registers)[::-1])


def test_instrument_0_is_the_highest() -> None:
    pitch, magnitudes = duet(60)
    for order in ([0, 1], [1, 0]):
        found = label_tones(pitch[:, order], magnitudes[:, order], CONFIG, 0)
        assert found.instruments.register_semitones[0] > found.instruments.register_semitones[1]
        assert_array_equal(found.tones, np.tile(order, (60, 1)))


def test_silent_and_faint_frames_have_no_say() -> None:
    pitch, magnitudes = duet(90)
    plain = label_tones(pitch, magnitudes, CONFIG, 0)
    # Between two loud parts, tones that are all wrong, too faint to count.
    generator = np.random.default_rng(1)
    wrong = (30 + 60 * generator.random((20, 2)), generator.random((20, 2, N_HARMONICS)))
    for level in (0.0, 1e-4):
        found = label_tones(
            np.concatenate([pitch[:45], wrong[0], pitch[45:]]),
            np.concatenate([magnitudes[:45], level * wrong[1], magnitudes[45:]]),
            CONFIG,
            0,
        )
        assert_array_equal(np.delete(found.tones, slice(45, 65), 0), plain.tones)
        # What counts as loud moves a little with every frame.
        assert_allclose(found.instruments.timbres, plain.instruments.timbres, atol=1e-3)
        assert_allclose(
            found.instruments.register_semitones, plain.instruments.register_semitones, atol=0.01
        )


@pytest.mark.parametrize("level", [0.0, 1e-6])
def test_a_short_recording_in_a_long_rest_is_labelled_like_one_without(level: float) -> None:
    pitch, magnitudes = duet(40)
    plain = label_tones(pitch, magnitudes, CONFIG, 0)
    generator = np.random.default_rng(2)
    rest_pitch = 30 + 60 * generator.random((600, 2))
    rest = level * generator.random((600, 2, N_HARMONICS))
    found = label_tones(
        np.concatenate([pitch, rest_pitch]), np.concatenate([magnitudes, rest]), CONFIG, 0
    )
    assert_array_equal(found.tones[:40], plain.tones)
    assert_allclose(found.instruments.timbres, plain.instruments.timbres, atol=1e-2)


def test_all_silent_is_labelled_without_nan() -> None:
    pitch, _ = duet(10)
    found = label_tones(pitch, np.zeros((10, 2, N_HARMONICS)), CONFIG, 0)
    assert_array_equal(np.sort(found.tones, 1), np.tile([0, 1], (10, 1)))
    assert np.isfinite(found.instruments.timbres).all()
    assert np.isfinite(found.instruments.register_semitones).all()
    assert found.cost == 0


@pytest.mark.parametrize("n_instruments", [1, 2, 3])
def test_one_frame_is_labelled_by_pitch(n_instruments: int) -> None:
    pitch = np.array([[60.0, 72.0, 66.0]])[:, :n_instruments]
    magnitudes = np.stack([FLUTE, CLARINET, STRING])[None, :n_instruments]
    found = label_tones(pitch, magnitudes, CONFIG, 0)
    assert_array_equal(found.tones, np.argsort(-pitch, 1))
    assert_allclose(found.instruments.register_semitones, np.sort(pitch[0])[::-1])


def test_fewer_loud_frames_than_starts_are_enough() -> None:
    pitch, magnitudes = duet(8)
    magnitudes[2:] = 0
    found = label_tones(pitch, magnitudes, replace(CONFIG, starts=30), 0)
    assert_array_equal(found.tones[:2], [[0, 1], [0, 1]])


def test_one_start_and_one_round_are_enough_where_pitch_tells_it_all() -> None:
    pitch, magnitudes = duet(30)
    pitch[:, 0] += 20
    found = label_tones(pitch, magnitudes, replace(CONFIG, starts=1, rounds=1), 0)
    assert_array_equal(found.tones, np.tile([0, 1], (30, 1)))


def test_the_same_seed_gives_the_same_labels() -> None:
    pitch, magnitudes = hard_trio(40)
    first, again = (label_tones(pitch, magnitudes, CONFIG, 3) for _ in range(2))
    assert_array_equal(first.tones, again.tones)
    assert_array_equal(first.instruments.timbres, again.instruments.timbres)
    assert first.cost == again.cost


def test_more_starts_never_cost_more() -> None:
    for seed in range(5):
        pitch, magnitudes = hard_trio(40, seed)
        costs = [
            label_tones(pitch, magnitudes, replace(CONFIG, starts=n), 0).cost for n in (1, 4, 12)
        ]
        assert costs[0] >= costs[1] >= costs[2]


def test_an_instrument_that_is_never_heard_has_no_timbre() -> None:
    # A held note, and in the second slot what is left over, too faint to have a say.
    magnitudes = duet(40)[1]
    magnitudes[:, 1] *= 1e-4
    pitch = np.stack([np.full(40, 76.0), np.random.default_rng(0).uniform(40, 70, 40)], 1)
    found = label_tones(pitch, magnitudes, CONFIG, 0)
    assert_array_equal(found.tones, np.tile([0, 1], (40, 1)))
    assert_allclose(found.instruments.timbres[0], np.sqrt(FLUTE / FLUTE.sum()), atol=0.02)
    assert_array_equal(found.instruments.timbres[1], np.zeros(N_HARMONICS))
    assert np.isfinite(found.instruments.register_semitones).all()


def test_a_faint_tone_beside_few_loud_ones_has_no_say() -> None:
    # Most frames are silent to the last bit: what is loud is told by those that are not.
    pitch, magnitudes = duet(240)
    magnitudes[20:] = 0
    plain = label_tones(pitch, magnitudes, CONFIG, 0)
    magnitudes[20:25] = 1e-6 * np.random.default_rng(0).random((5, 2, N_HARMONICS))
    found = label_tones(pitch, magnitudes, CONFIG, 0)
    assert_allclose(found.instruments.timbres, plain.instruments.timbres, atol=0.02)


@given(SEEDS, st.integers(1, 5))
def test_the_order_like_a_reference_is_the_best_of_all(seed: int, n_instruments: int) -> None:
    generator = np.random.default_rng(seed)
    reference = generator.random((n_instruments, N_HARMONICS)) * 10 ** generator.uniform(
        -3, 3, (n_instruments, 1)
    )
    estimate = generator.random((n_instruments, N_HARMONICS))

    def likeness(order: tuple[int, ...]) -> float:
        return sum(
            float(r @ estimate[o] / np.linalg.norm(r) / np.linalg.norm(estimate[o]))
            for r, o in zip(reference, order, strict=True)
        )

    found = order_like(reference=reference, estimate=estimate)
    best = max(itertools.permutations(range(n_instruments)), key=likeness)
    assert likeness(tuple(found.tolist())) == pytest.approx(likeness(best))


def test_the_order_of_permuted_timbres_is_the_permutation() -> None:
    reference = np.stack([FLUTE, CLARINET, STRING])
    estimate = np.stack([STRING, FLUTE, np.zeros(N_HARMONICS)])  # one was never heard
    assert order_like(reference=reference, estimate=estimate).tolist() == [1, 2, 0]


# Hypotheses: several sets of tones per frame

OCTAVE = 12.0


@dataclass
class Scene:
    """Sets of tones of every frame, at first all alike but for their pitches: [n, s, i]."""

    pitch: Array
    magnitudes: Array
    log_prob: Array
    misfit: Array

    @classmethod
    def of(cls, *pitches: Array, timbres: list[Array], seed: int = 0) -> "Scene":
        """Hypotheses of pitches [n, i] each, played by instruments of steady timbres."""
        pitch = np.stack(pitches, 1)
        n_frames, n_sets, _ = pitch.shape
        generator = np.random.default_rng(seed)
        magnitudes = np.stack([sounds(timbres, n_frames, generator) for _ in pitches], 1)
        blank = np.zeros((n_frames, n_sets))
        return cls(pitch, magnitudes, blank - 1.0, blank + 0.2)

    def decoded(self, config: DecodingConfig = CONFIG, seed: int = 0) -> Decoding:
        voices = Voices.single(self.pitch.shape[2])
        return decode(self.candidates(), voices, config, seed)

    def candidates(self) -> Candidates:
        loudness = self.magnitudes.sum(-1)
        timbres = np.sqrt(self.magnitudes / np.maximum(loudness, 1e-300)[..., None])
        return Candidates(self.log_prob, self.misfit, self.pitch, loudness, timbres)

    def mixed(self, seed: int = 3) -> tuple["Scene", Labels]:
        """With the hypotheses of every frame in random order; where the first one is now, [n]."""
        order = np.argsort(np.random.default_rng(seed).random(self.misfit.shape), 1)

        def moved(values: Array) -> Array:
            index = order.reshape(order.shape + (1,) * (values.ndim - 2))
            return np.take_along_axis(values, index, 1)

        scene = Scene(*(moved(getattr(self, field.name)) for field in fields(self)))
        return scene, np.argmin(order, 1)


def held(n_frames: int) -> Array:
    """Two lines of notes of 12 and 15 frames, [n, i]."""
    generator = np.random.default_rng(5)
    return np.stack(
        [notes(72, 84, n_frames, 15, generator), notes(55, 67, n_frames, 12, generator)], 1
    )


def anywhere(n_frames: int, seed: int) -> Array:
    return np.random.default_rng(seed).uniform(55, 84, (n_frames, 2))


@pytest.mark.parametrize("config", [CONFIG, BY_CONTINUITY])
def test_continuity_alone_tells_which_tones_sound(config: DecodingConfig) -> None:
    scene, right = Scene.of(
        held(90), anywhere(90, 1), anywhere(90, 2), timbres=[FLUTE, FLUTE]
    ).mixed()
    found = scene.decoded(config)
    assert (found.hypotheses == right).mean() >= MIN_SHARE_RIGHT


@pytest.mark.parametrize("name", ["misfit", "log_prob"])
def test_misfit_or_probability_alone_tells_which_tones_sound(name: str) -> None:
    # Nothing continues, and all sound alike.
    scene = Scene.of(*(anywhere(60, seed) for seed in range(3)), timbres=[FLUTE, FLUTE])
    getattr(scene, name)[:, 1:] += {"misfit": 0.8, "log_prob": -50.0}[name]
    mixed, right = scene.mixed()
    assert_array_equal(mixed.decoded(BY_EVIDENCE).hypotheses, right)
    assert (mixed.decoded().hypotheses == right).mean() >= MIN_SHARE_RIGHT


def test_timbre_alone_tells_which_tones_sound() -> None:
    # Nothing continues. Where the first hypothesis is wrong, its tones sound like no instrument.
    n, generator = 120, np.random.default_rng(1)
    scene = Scene.of(anywhere(n, 1), anywhere(n, 2), timbres=[FLUTE, CLARINET])
    scene.magnitudes[:, 1] = generator.random((n, 2, N_HARMONICS)) ** 4 + 1e-3
    wrong = generator.random(n) < 0.3
    for values in (scene.pitch, scene.magnitudes):
        values[wrong] = values[wrong][:, ::-1]
    found = scene.decoded(BY_TIMBRE)
    assert (found.hypotheses == wrong).mean() >= MIN_SHARE_RIGHT


def test_octave_errors_in_held_notes_are_repaired() -> None:
    # In a fifth of the frames, in short runs, the likelier set has one tone an octave low.
    n = 180
    truth = held(n)
    wrong = truth.copy()
    generator = np.random.default_rng(2)
    erring = np.flatnonzero((np.arange(n) % 15 >= 5) & (np.arange(n) % 15 < 8))
    wrong[np.arange(n), generator.integers(0, 2, n)] -= OCTAVE
    scene = Scene.of(truth, wrong, timbres=[FLUTE, CLARINET])
    scene.log_prob[:, 1] = -3.0
    scene.log_prob[erring] = [-2.0, -0.2]
    scene.misfit[erring] += [0.02, 0.0]
    found = scene.decoded()
    assert len(erring) == n // 5
    assert_array_equal(found.hypotheses, 0)
    assert_array_equal(found.tones, np.tile([0, 1], (n, 1)))
    # Each frame by itself would have believed them.
    alone = scene.decoded(replace(CONFIG, weight_leap=0.0, weight_timbre=0.0, weight_register=0.0))
    assert_array_equal(np.flatnonzero(alone.hypotheses), erring)


def test_the_path_is_the_cheapest_of_all_by_its_documented_cost() -> None:
    # All equally loud, nothing known of instruments: leaps, unisons, misfit and probability add up.
    generator = np.random.default_rng(4)
    n, s = 4, 3
    config = replace(BY_CONTINUITY, leap_limit=2.0)
    for _ in range(5):
        scene = Scene.of(
            *(generator.uniform(60, 66, (n, 2)) for _ in range(s)), timbres=[FLUTE, FLUTE]
        )
        scene.magnitudes[:] = FLUTE
        scene.misfit = 0.1 * generator.random((n, s))
        scene.log_prob = -5 * generator.random((n, s))
        totals = {}
        for path in itertools.product(itertools.product(range(s), [(0, 1), (1, 0)]), repeat=n):
            lines = [scene.pitch[k, chosen, list(tones)] for k, (chosen, tones) in enumerate(path)]
            leaps = np.abs(np.diff(lines, axis=0))
            cost = np.minimum(np.log1p(leaps / config.leap_scale_semitones), config.leap_limit)
            chosen = [choice for choice, _ in path]
            totals[path] = config.weight_leap * cost.sum() + sum(
                config.weight_misfit * scene.misfit[k, c]
                - config.weight_probability * scene.log_prob[k, c]
                + config.weight_unison * (abs(np.diff(scene.pitch[k, c])[0]) < UNISON_SEMITONES)
                for k, c in enumerate(chosen)
            )
        best = min(totals, key=lambda path: totals[path])
        found = scene.decoded(config)
        assert found.hypotheses.tolist() == [choice for choice, _ in best]
        assert found.cost == pytest.approx(totals[best], rel=1e-5)


def random_scene(seed: int, n_frames: int, n_sets: int, n_instruments: int) -> Scene:
    """Anything, with many rests and some silent frames."""
    generator = np.random.default_rng(seed)
    shape = (n_frames, n_sets, n_instruments)
    sounding = (generator.random(shape) < 0.6) & (generator.random(n_frames) < 0.7)[:, None, None]
    magnitudes = generator.random((*shape, N_HARMONICS)) * sounding[..., None]
    log_prob = -60 * generator.random((n_frames, n_sets))
    return Scene(
        generator.uniform(12, 130, shape),
        magnitudes,
        log_prob,
        2 * generator.random((n_frames, n_sets)),
    )


@given(SEEDS, st.integers(1, 9), st.integers(1, 5), st.integers(1, 4))
def test_whatever_is_decoded_is_a_choice_and_finite(
    seed: int, n_frames: int, n_sets: int, n_instruments: int
) -> None:
    scene = random_scene(seed, n_frames, n_sets, n_instruments)
    config = replace(CONFIG, starts=3)
    found = scene.decoded(config, seed)
    assert found.hypotheses.shape == (n_frames,)
    assert set(found.hypotheses.tolist()) <= set(range(n_sets))
    assert_array_equal(np.sort(found.tones, 1), np.tile(np.arange(n_instruments), (n_frames, 1)))
    for values in (*vars(found.instruments).values(), found.cost):
        assert np.isfinite(values).all()
    registers = found.instruments.register_semitones
    assert_array_equal(registers, np.sort(registers)[::-1])
    again = scene.decoded(config, seed)
    assert_array_equal(again.hypotheses, found.hypotheses)
    assert_array_equal(again.tones, found.tones)
    assert again.cost == found.cost


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (viterbi, "TRANSITIONS_AT_ONCE"),
        (viterbi, "STEPS_AT_ONCE"),
        (decoding_scene, "FRAMES_AT_ONCE"),
    ],
)
@pytest.mark.parametrize("at_once", [1, 7, 500])
def test_blocks_do_not_change_what_is_decoded(
    module: ModuleType, name: str, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = random_scene(7, 40, 3, 2)
    plain = scene.decoded()
    monkeypatch.setattr(module, name, at_once)
    found = scene.decoded()
    assert_array_equal(found.hypotheses, plain.hypotheses)
    assert_array_equal(found.tones, plain.tones)
    # To rounding: what the blocks' tones say of an instrument is added up block by block.
    assert found.cost == pytest.approx(plain.cost, rel=1e-12)
    assert_allclose(found.instruments.timbres, plain.instruments.timbres, atol=1e-12)


def test_no_more_frames_are_held_than_a_block_has(monkeypatch: pytest.MonkeyPatch) -> None:
    # Of one tone per frame: of many the transitions hold fewer at once.
    n, most = 300, 32
    scene = Scene.of(held(n)[:, :1], timbres=[FLUTE])
    monkeypatch.setattr(decoding_scene, "FRAMES_AT_ONCE", most)
    monkeypatch.setattr(viterbi, "STEPS_AT_ONCE", most)
    monkeypatch.setattr(decoding_path, "STRETCH_FRAMES", most // decoding_path.EXCERPT_STRETCHES)
    known, asked = scene.candidates(), []

    class Watched:
        def __len__(self) -> int:
            return n

        def __getitem__(self, frames: slice) -> Candidates:
            block = known[frames]
            asked.append(len(block))
            return block

    decode(Watched(), Voices.single(1), CONFIG, 0)
    assert max(asked) == most + 1  # with the frame that the last transition leads to
    assert sum(asked) > n


def test_the_work_can_be_ended_at_every_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding_scene, "FRAMES_AT_ONCE", 10)
    monkeypatch.setattr(viterbi, "STEPS_AT_ONCE", 10)
    known = random_scene(3, 40, 2, 2).candidates()
    undisturbed = Mock()
    decode(known, DUET, CONFIG, 0, pause=undisturbed)
    n_pauses = undisturbed.call_count
    assert n_pauses > 40 // 10 * 4
    for n_before in (0, n_pauses // 2, n_pauses - 1):
        pause = Mock(side_effect=[*[None] * n_before, KeyboardInterrupt])
        with pytest.raises(KeyboardInterrupt):
            decode(known, DUET, CONFIG, 0, pause=pause)


def test_a_disk_that_is_full_ends_the_work() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("the system has no full device")
    with pytest.raises(OutputError, match="No space left on device"):
        decode(
            random_scene(3, 40, 2, 2).candidates(),
            DUET,
            CONFIG,
            0,
            scratch=lambda: Spool(full.open("rb+", buffering=0), full),
        )


class Endless:
    """Frames that are made when they are asked for: the same notes again and again."""

    def __init__(self, n_frames: int) -> None:
        self.n_frames = n_frames
        scene, _ = Scene.of(*(held(300) + k for k in range(8)), timbres=[FLUTE, CLARINET]).mixed()
        self.known = scene.candidates()

    def __len__(self) -> int:
        return self.n_frames

    def __getitem__(self, frames: slice) -> Candidates:
        rows = np.arange(*frames.indices(self.n_frames)) % len(self.known)
        return Candidates(*(getattr(self.known, x.name)[rows] for x in fields(self.known)))


def test_memory_grows_by_the_chosen_tones_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    # Of two instruments 8 bytes of hypothesis and 16 of tones, of two paths. The hypotheses of a
    # frame take 1200, and the costs of choosing between them 10,000.
    monkeypatch.setattr(decoding_path, "STRETCH_FRAMES", 32)
    monkeypatch.setattr(decoding_scene, "FRAMES_AT_ONCE", 256)
    monkeypatch.setattr(viterbi, "STEPS_AT_ONCE", 256)
    config = replace(CONFIG, starts=2, rounds=2)

    def peak_bytes(n_frames: int) -> int:
        frames = Endless(n_frames)
        tracemalloc.start()
        decode(frames, DUET, config, 0)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    short, long = 1_000, 3_000
    assert peak_bytes(long) - peak_bytes(short) < 150 * (long - short)


def test_a_hypothesis_that_explains_nothing_changes_nothing() -> None:
    truth = held(80)
    one = Scene.of(truth, timbres=[FLUTE, CLARINET])
    two = Scene.of(truth, anywhere(80, 1), timbres=[FLUTE, CLARINET])
    two.misfit[:, 1] = 1e3
    alone, found = one.decoded(), two.decoded()
    assert_array_equal(found.hypotheses, 0)
    assert_array_equal(found.tones, alone.tones)


def test_timbres_in_half_precision_as_they_are_stored() -> None:
    scene, _ = Scene.of(held(90), anywhere(90, 1), timbres=[FLUTE, CLARINET]).mixed()
    exact = scene.candidates()
    single = {
        name: getattr(exact, name).astype(np.float32)
        for name in ("log_prob", "misfit", "pitch_semitones", "loudness")
    }
    found = decode(Candidates(timbres=exact.timbres.astype(np.float16), **single), DUET, CONFIG, 0)
    plain = decode(exact, DUET, CONFIG, 0)
    assert_array_equal(found.hypotheses, plain.hypotheses)
    assert_array_equal(found.tones, plain.tones)
    assert_allclose(found.instruments.timbres, plain.instruments.timbres, atol=2e-3)


def test_rests_are_taken_where_they_explain_the_frame() -> None:
    # The second half is a solo: a second tone there is a bad guess, and the rest as good.
    n = 80
    truth = held(n)
    scene = Scene.of(
        truth, np.stack([truth[:, 0], anywhere(n, 6)[:, 1]], 1), timbres=[FLUTE, CLARINET]
    )
    scene.magnitudes[n // 2 :, 0, 1] = 0
    scene.misfit[: n // 2, 1] += 0.3
    scene.misfit[n // 2 :, 1] += 0.3
    found = scene.decoded()
    assert_array_equal(found.hypotheses, 0)
    assert_allclose(
        found.instruments.register_semitones,
        [truth[:, 0].mean(), truth[: n // 2, 1].mean()],
        atol=0.5,
    )


def test_what_is_learned_is_learned_from_the_tones_that_were_chosen() -> None:
    # The others are elsewhere and sound like nothing, and lie at any place of their frames.
    n, truth = 90, held(90)
    scene = Scene.of(truth, anywhere(n, 1), timbres=[FLUTE, CLARINET])
    scene.magnitudes[:, 1] = np.random.default_rng(1).random((n, 2, N_HARMONICS))
    scene.misfit[:, 1] += 0.8
    mixed, right = scene.mixed()
    found = mixed.decoded()
    assert_array_equal(found.hypotheses, right)
    assert_allclose(found.instruments.register_semitones, truth.mean(0), atol=0.2)
    assert_allclose(found.instruments.spread_semitones, truth.std(0), atol=0.3)
    for timbre, magnitudes in zip(found.instruments.timbres, (FLUTE, CLARINET), strict=True):
        assert_allclose(timbre, np.sqrt(magnitudes / magnitudes.sum()), atol=0.02)


def test_a_long_recording_is_decoded_by_what_is_learned_from_stretches_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    n = 300
    scene, right = Scene.of(held(n), anywhere(n, 1), timbres=[FLUTE, CLARINET]).mixed()
    whole = Excerpt.of(right).candidates(scene.candidates())
    assert_array_equal(whole.pitch_semitones[:, 0], scene.pitch[np.arange(n), right])
    monkeypatch.setattr(decoding_path, "EXCERPT_STRETCHES", 4)
    monkeypatch.setattr(decoding_path, "STRETCH_FRAMES", 20)
    part = Excerpt.of(right).candidates(scene.candidates())
    assert_array_equal(part.pitch_semitones[:20], whole.pitch_semitones[:20])
    assert_array_equal(part.timbres[-20:], whole.timbres[-20:])
    assert len(part.log_prob) == 80
    found = scene.decoded()
    assert (found.hypotheses == right).mean() >= MIN_SHARE_RIGHT
    assert_array_equal(found.tones, np.tile([0, 1], (n, 1)))
    assert_allclose(found.instruments.register_semitones, held(n).mean(0), atol=0.3)


# Who says which labels are the best


def crossing(n_frames: int, seed: int) -> Candidates:
    """Two lines of one register and tones of any timbre: where labels end depends on the start."""
    generator = np.random.default_rng(seed)
    pitch = np.stack([notes(55, 75, n_frames, 6, generator) for _ in range(2)], 1)
    return candidates(pitch, generator.random((n_frames, 2, N_HARMONICS)))


def test_a_judge_sees_all_labels_once_the_cheapest_first_and_takes_one() -> None:
    judged: list[Decoding] = []

    def last(excerpt: Excerpt, labelled: Sequence[Decoding]) -> Decoding:
        assert excerpt.parts == [slice(0, 120)]
        assert_array_equal(excerpt.hypotheses, 0)
        judged.extend(labelled)
        return labelled[-1]

    frames = crossing(120, 1)
    found = decode(frames, DUET, CONFIG, 0, judge=last)
    costs = [labelled.cost for labelled in judged]
    assert len(costs) > 1
    assert costs == sorted(costs)
    for one, other in itertools.combinations(judged, 2):
        assert (one.tones == other.tones).mean() < decoding_path.SAME
    assert_array_equal(found.tones, judged[-1].tones)
    assert decode(frames, DUET, CONFIG, 0).cost == pytest.approx(costs[0])


def test_there_is_nothing_to_judge_where_all_starts_end_in_the_same_labels() -> None:
    scene = Scene.of(held(90), timbres=[FLUTE, CLARINET])
    judge = Mock()
    decode(scene.candidates(), DUET, CONFIG, 0, judge=judge)
    judge.assert_not_called()


# Again, with what is known of the timbres at all pitches


def test_decoded_again_the_harmonics_decide_where_nothing_else_does() -> None:
    n, generator = 60, np.random.default_rng(6)
    scene = Scene.of(*(anywhere(n, seed) for seed in range(3)), timbres=[FLUTE, FLUTE])
    known = scene.decoded(BY_EVIDENCE)
    hypotheses, choice = generator.integers(0, 3, n), generator.integers(0, 2, n)
    misfits = generator.uniform(0.3, 0.5, (n, 3, 2))
    misfits[np.arange(n), hypotheses, choice] = 0.1

    def told(frames: slice, names: Labels) -> Array:
        return np.take_along_axis(misfits[frames].reshape(len(names), -1), names, 1)

    found = decode_again(scene.candidates(), known, told, BY_EVIDENCE)
    assert_array_equal(found.hypotheses, hypotheses)
    assert_array_equal(found.tones, DUET.assignments[choice])
    alone = replace(BY_EVIDENCE, weight_rest=0.0, weight_misfit=0.0, weight_probability=0.0)
    found = decode_again(scene.candidates(), known, told, alone)
    assert found.cost == pytest.approx(alone.weight_harmonics * 0.1 * n, rel=0.2)  # of faint: less


def test_decoded_again_with_nothing_new_to_say_nothing_changes() -> None:
    scene, _ = Scene.of(
        held(90), anywhere(90, 1), anywhere(90, 2), timbres=[FLUTE, CLARINET]
    ).mixed()
    known = scene.decoded()
    found = decode_again(scene.candidates(), known, lambda _, names: 0.0 * names, CONFIG)
    assert_array_equal(found.hypotheses, known.hypotheses)
    assert_array_equal(found.tones, known.tones)
    assert_allclose(found.instruments.timbres, known.instruments.timbres)


# Voices: a line over chords, tones of equal timbre shuffled within every frame


def led(seed: int, levels: Sequence[float]) -> tuple[Candidates, NDArray[np.bool_]]:
    """Three tones of one register at these levels, and which of them the line plays, [n, m]."""
    generator, n_frames = np.random.default_rng(seed), 200
    pitch = np.stack([notes(55, 75, n_frames, 20, generator) for _ in levels], 1)
    magnitudes = sounds([FLUTE] * len(levels), n_frames, generator) * np.array(levels)[:, None]
    orders = np.argsort(generator.random(pitch.shape), 1)
    return candidates(shuffled(pitch, orders), shuffled(magnitudes, orders)), orders == 0


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("voices", [(1, 2), (2, 1)])
def test_a_line_is_told_from_chords_by_its_level(seed: int, voices: tuple[int, int]) -> None:
    given, of_line = led(seed, (1.0, 0.3, 0.4))
    found = decode(given, Voices(voices), BY_LEVEL, seed)
    line = found.tones[:, found.voices.players == voices.index(1)]
    assert np.take_along_axis(of_line, line, 1).mean() >= MIN_SHARE_RIGHT


def test_of_single_lines_the_level_says_nothing() -> None:
    given, _ = led(0, (1.0, 0.3, 0.4))
    by_level, without = (decode(given, Voices.single(3), c, 0) for c in (BY_LEVEL, NO_CUE))
    assert_array_equal(by_level.tones, without.tones)
    assert by_level.cost == without.cost


def test_chords_may_rest_where_single_lines_may_not() -> None:
    """One tone that explains the frame is cheaper than it with two more that say hardly more."""
    given, _ = led(0, (1.0, 0.5, 0.5))
    both = leafwise(lambda values: np.concatenate([values, values], 1), given)
    both.loudness[:, 1, 1:] = 0.0
    both.misfit[:, 1] = 0.05
    single = decode(both, Voices.single(3), BY_EVIDENCE, 0)
    assert (single.hypotheses == 0).all()  # two rests cost more than the better fit is worth
    both.misfit[:, 0], both.misfit[:, 1] = 0.12, 0.05
    assert (decode(both, Voices((3,)), BY_EVIDENCE, 0).hypotheses == 1).all()
