import numpy as np
import pytest

from musisep_cli.methods.pursuit.configs import LearningConfig, PursuitConfig
from musisep_cli.methods.pursuit.learning import Learned, adam_step, dictionary_of, learn
from musisep_cli.methods.pursuit.log_axis import LINE_WIDTH, N_BINS
from musisep_cli.methods.pursuit.tone import log_spectrum
from tests.unit.methods.pursuit.problems import Array, some_atoms

FAST = PursuitConfig(n_steps=20, tolerance=1e-3)


def test_a_constant_gradient_steps_by_the_rate_over_its_root_mean_square() -> None:
    generator = np.random.default_rng(0)
    columns, gradient = np.full((2, 5), 0.5), generator.normal(size=(2, 5))
    before = columns.copy()
    momentum, power, age = np.zeros((2, 5)), np.zeros(2), np.zeros(2, np.int64)
    for _ in range(3):
        adam_step(columns, momentum, power, age, gradient, 1e-3)
    rms = np.sqrt((gradient**2).mean(1, keepdims=True))
    np.testing.assert_allclose(columns - before, -3e-3 * gradient / rms, rtol=1e-5)
    assert age.tolist() == [3, 3]


def test_a_step_keeps_the_shape_of_the_momentum_and_stays_between_0_and_1() -> None:
    generator = np.random.default_rng(1)
    columns = np.full((1, 25), 0.5)
    momentum, power, age = np.zeros((1, 25)), np.zeros(1), np.zeros(1, np.int64)
    for _ in range(4):
        before = columns.copy()
        adam_step(columns, momentum, power, age, generator.normal(size=(1, 25)), 1e-3)
        step = columns - before
        np.testing.assert_allclose(
            step / np.linalg.norm(step), -momentum / np.linalg.norm(momentum), rtol=1e-9
        )
    adam_step(columns, momentum, power, age, np.full((1, 25), 9.0), 10.0)
    assert (columns == 0).all()


def test_it_is_adam_where_all_harmonics_have_gradients_of_one_size() -> None:
    generator = np.random.default_rng(2)
    columns, first, second = np.full((1, 8), 0.5), np.zeros(8), 0.0
    momentum, power, age = np.zeros((1, 8)), np.zeros(1), np.zeros(1, np.int64)
    expected = columns[0].copy()
    for k in range(1, 6):
        size = generator.uniform(0.1, 2)
        gradient = size * generator.choice([-1.0, 1.0], 8)
        adam_step(columns, momentum, power, age, gradient[None], 1e-3)
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * size**2
        root = np.sqrt(second / (1 - 0.999**k)) + 1e-8
        expected -= 1e-3 * first / (1 - 0.9**k) / root
    np.testing.assert_allclose(columns[0], expected, rtol=1e-9)


def duet(n_frames: int, columns: Array, seed: int = 0) -> Array:
    """Frames of one tone of each atom, as the authors' experiment has them, ``[n, f]``."""
    generator = np.random.default_rng(seed)
    frames = np.empty((n_frames, N_BINS), np.float32)
    for n in range(n_frames):
        tones = np.zeros((len(columns), 4))
        tones[:, 0] = generator.random(len(columns))
        tones[:, 1] = generator.uniform(0, 500, len(columns))
        tones[:, 2] = LINE_WIDTH
        frames[n] = log_spectrum(tones, np.arange(len(columns)), columns, N_BINS)
    return frames


def states(frames: Array, iterations: int, seed: int = 0, **more: object) -> list[Learned]:
    return list(
        learn(
            lambda chosen: frames[chosen],
            len(frames),
            more.pop("generator", None) or np.random.default_rng(seed),
            n_instruments=2,
            n_harmonics=25,
            config=LearningConfig(iterations=iterations),
            pursuit=FAST,
            **more,  # type: ignore[arg-type]
        )
    )


def test_it_goes_on_from_any_state_to_the_same_bytes() -> None:
    frames = duet(100, some_atoms(np.random.default_rng(0), 2))
    whole = states(frames, 1100)
    assert [s.iteration for s in whole] == [500, 1000, 1100]
    generator = np.random.default_rng(0)
    first = states(frames, 500, generator=generator)[-1]
    rest = states(frames, 1100, generator=generator, state=first)
    np.testing.assert_array_equal(rest[-1].state.columns, whole[-1].state.columns)
    np.testing.assert_array_equal(
        dictionary_of(rest[-1].state, 2), dictionary_of(whole[-1].state, 2)
    )


def test_a_given_dictionary_is_what_is_started_from() -> None:
    start = some_atoms(np.random.default_rng(3), 2)
    silence = np.zeros((4, N_BINS), np.float32)
    (learned,) = states(silence, 10, start=start)
    np.testing.assert_array_equal(learned.state.columns[:2], start)


@pytest.mark.parametrize("n_frames", [1, 2])
def test_silence_and_single_frames_are_learned_from(n_frames: int) -> None:
    (learned,) = states(np.zeros((n_frames, N_BINS), np.float32), 20)
    dictionary = dictionary_of(learned.state, 2)
    assert dictionary.shape == (2, 25)
    assert np.isfinite(dictionary).all()


@pytest.mark.slow
def test_two_random_atoms_are_recovered() -> None:
    # The authors' own experiment: 10,000 iterations, atoms up to order and scale.
    columns = some_atoms(np.random.default_rng(7), 2)
    frames = duet(2000, columns, seed=1)
    errors = []
    for seed in range(3):
        found = dictionary_of(states(frames, 10_000, seed=seed)[-1].state, 2)
        pairs = [(found, columns), (found[::-1], columns)]
        errors.append(min(np.linalg.norm(one - two) / np.linalg.norm(two) for one, two in pairs))
    assert sorted(errors)[1] < 0.05  # two of three seeds
