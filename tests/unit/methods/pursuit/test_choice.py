from contextlib import closing
from dataclasses import replace

import numpy as np
import torch

from musisep_cli.machine.threads import CALLERS_OWN, Threads
from musisep_cli.methods.pursuit.choice import Choice
from musisep_cli.methods.pursuit.configs import LearningConfig, PursuitConfig
from musisep_cli.methods.pursuit.learning import dictionary_of
from musisep_cli.methods.pursuit.log_axis import N_BINS
from musisep_cli.methods.pursuit.settings import PursuitSettings
from musisep_cli.methods.pursuit.tone import log_spectrum
from musisep_cli.methods.pursuit.transcription import FoundTones, LogFrames, found_tones, misfit
from tests.unit.methods.pursuit.problems import some_atoms, some_tones

SETTINGS = PursuitSettings(
    pursuit=PursuitConfig(n_steps=20, tolerance=1e-3),
    training=LearningConfig(iterations=520, dictionaries=3),
)


def frames() -> LogFrames:
    """Frames of two tones each."""
    generator = np.random.default_rng(0)
    columns = some_atoms(generator, 2)
    spectra = [
        log_spectrum(some_tones(generator, 2), np.array([0, 1]), columns, N_BINS) for _ in range(40)
    ]
    return LogFrames(torch.from_numpy(np.stack(spectra).astype(np.float32)))


def test_the_dictionary_of_least_misfit_is_kept() -> None:
    choice = Choice(frames(), SETTINGS, 2, seed=1)
    misfits, least = [], np.inf
    for _ in choice.run():
        if not choice.underway:  # a dictionary is done
            misfits.append(choice.least)
    assert len(misfits) == 3
    assert misfits == sorted(misfits, reverse=True)
    assert choice.best is not None
    least = misfit(found_tones(frames(), choice.best, SETTINGS.pursuit))
    assert least == choice.least


def test_it_goes_on_from_any_state_to_the_same_bytes() -> None:
    whole = Choice(frames(), SETTINGS, 2, seed=1)
    n_done = []
    states = []
    for done, _ in whole.run():
        n_done.append(done)
        states.append(whole.state_dict())
    assert n_done == [500, 520, 1020, 1040, 1540, 1560]
    for state in (states[0], states[1], states[2], states[5]):
        resumed = Choice(frames(), SETTINGS, 2, seed=1)
        resumed.load_state_dict(state)
        assert resumed.n_done in n_done
        for _ in resumed.run():
            pass
        assert resumed.best is not None
        assert whole.best is not None
        np.testing.assert_array_equal(resumed.best, whole.best)


def test_any_number_of_threads_learns_the_same_dictionary() -> None:
    alone = Choice(frames(), SETTINGS, 2, seed=1)
    for _ in alone.run():
        pass
    assert alone.best is not None
    with closing(Threads(2)) as two, closing(Threads(4)) as four:
        together = Choice(frames(), SETTINGS, 2, seed=1, threads=two)
        n_done, states = [], []
        for done, _ in together.run():
            n_done.append(done)
            states.append(together.state_dict())
        assert n_done == [1000, 1040, 1540, 1560]
        assert together.best is not None
        np.testing.assert_array_equal(together.best, alone.best)
        for state, threads in ((states[0], CALLERS_OWN), (states[0], four), (states[2], two)):
            resumed = Choice(frames(), SETTINGS, 2, seed=1, threads=threads)
            resumed.load_state_dict(state)
            for _ in resumed.run():
                pass
            assert resumed.best is not None
            np.testing.assert_array_equal(resumed.best, alone.best)
            assert resumed.least == alone.least


def test_on_the_way_the_best_after_any_renewal_is_kept() -> None:
    training = LearningConfig(iterations=2500, on_the_way=True)
    settings = replace(SETTINGS, training=training)
    choice = Choice(frames(), settings, 2, seed=1)
    on_the_way = {}
    for n_done, _ in choice.run():
        for underway in choice.underway:
            assert underway.learned is not None
            columns = dictionary_of(underway.learned.state, 2)
            on_the_way[n_done] = misfit(found_tones(frames(), columns, settings.pursuit))
    last = Choice(frames(), replace(settings, training=LearningConfig(iterations=2500)), 2, seed=1)
    for _ in last.run():
        pass
    assert last.best is not None
    misfits = [on_the_way[n] for n in (1000, 1500, 2000)]
    misfits.append(misfit(found_tones(frames(), last.best, settings.pursuit)))
    assert choice.least == min(misfits)
    assert on_the_way.keys() == {500, 1000, 1500, 2000}


def test_the_misfit_is_the_mean_over_the_frames_that_sound() -> None:
    found = FoundTones(
        tones=torch.zeros(3, 1, 1, 4),
        distance=torch.tensor([1.0, 0.0, 3.0]),
        level=torch.tensor([2.0, 0.0, 4.0]),
    )
    assert misfit(found) == (0.5 + 0.75) / 2
    silent = FoundTones(torch.zeros(1, 1, 1, 4), torch.zeros(1), torch.zeros(1))
    assert misfit(silent) == 0.0
