"""Hypotheses: tones of known mixtures are fitted as they are, and silence has none."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import Tensor
from torch.testing import assert_close

from musisep_cli.frames.leaves import leafwise
from musisep_cli.players.hypotheses import Hypotheses, SetFit, relative_misfit
from musisep_cli.tones.objective import ObjectiveConfig
from musisep_cli.tones.tones import Tones

N_BINS, WIDTH = 256, 1.91
FIT = SetFit(n_harmonics=4, width_bins=WIDTH, objective=ObjectiveConfig(), refined_pitch=False)
PITCHES = torch.tensor([[31.3, 47.9]])
MAGNITUDES = np.array([[1.0, 0.5, 0.25, 0.125], [0.4, 0.3, 0.2, 0.1]])
GAINS = np.array([[1.0, 0.6], [0.2, 0.8]])
"""Of the two tones in two channels."""


def channels() -> Tensor:
    """A frame with two tones, [1, c, f]."""
    generator = np.random.default_rng(0)
    f, h = np.arange(N_BINS), np.arange(1, 5)
    c = MAGNITUDES * np.exp(2j * math.pi * generator.random((2, 4)))
    places = PITCHES[0].double().numpy()[:, None] * h
    peaks = np.exp(-0.5 * ((f - places[..., None]) / WIDTH) ** 2)
    tones = np.einsum("ih,ihf->if", c, peaks)
    return torch.from_numpy(np.einsum("ic,if->cf", GAINS, tones))[None].to(torch.complex64)


def sets(*f0_bins: list[float]) -> Tones:
    """Sets of tones of one frame, [1, s, i]."""
    pitches = torch.tensor([f0_bins])
    return Tones(torch.ones_like(pitches), pitches, torch.zeros_like(pitches))


def fitted(tones: Tones, fit: SetFit = FIT) -> Hypotheses:
    return fit(torch.zeros(tones.on.shape[:2]), tones, channels())


def test_the_right_tones_explain_all_and_others_do_not() -> None:
    found = fitted(sets([31.3, 47.9], [31.3, 60.2], [15.65, 47.9]))
    assert float(found.misfit[0, 0]) < 1e-3
    assert float(found.misfit[0, 1:].min()) > 0.05


def test_loudness_timbre_and_place_are_those_of_the_tones() -> None:
    found = fitted(sets([31.3, 47.9]))
    mean = MAGNITUDES * GAINS.mean(1)[:, None]
    assert_allclose(found.loudness[0, 0], mean.sum(1), rtol=0.02)
    timbre = np.sqrt(MAGNITUDES / MAGNITUDES.sum(1, keepdims=True))
    assert_allclose(found.timbre[0, 0].float(), timbre, atol=0.02)
    assert found.timbre.dtype == torch.float16
    place = np.sqrt(GAINS / GAINS.sum(1, keepdims=True))
    assert_allclose(found.place[0, 0], place, atol=0.01)


def test_a_tone_that_is_off_is_nothing_and_takes_nothing() -> None:
    tones = sets([31.3, 47.9], [31.3, 47.9])
    tones.on[0, 1, 0] = 0
    found = fitted(tones)
    assert found.tones.on.dtype == torch.bool
    assert found.tones.on[0].tolist() == [[True, True], [False, True]]
    for values in (found.loudness, found.timbre.norm(dim=-1), found.place.norm(dim=-1)):
        assert float(values[0, 1, 0]) == 0
        assert float(values[0, 1, 1]) > 0
    assert float(found.misfit[0, 1]) > 0.2


def test_pitches_that_are_off_come_nearer_where_asked() -> None:
    tones = sets([31.7, 47.5])
    plain, refined = fitted(tones), fitted(tones, replace(FIT, refined_pitch=True))
    assert_close(plain.tones.f0_bins, tones.f0_bins)
    before, after = ((found.tones.f0_bins[0] - PITCHES).abs() for found in (plain, refined))
    assert bool((after < before - 0.05).all())
    assert float(refined.misfit[0, 0]) < float(plain.misfit[0, 0])


def test_every_frame_is_fitted_by_itself() -> None:
    one = channels()
    frames = torch.cat([one, 0 * one, 2 * one])
    tones = leafwise(lambda values: values.expand(3, 1, 2), sets([31.3, 47.9]))
    found = FIT(torch.zeros(3, 1), tones, frames)
    alone = FIT(torch.zeros(1, 1), sets([31.3, 47.9]), one)
    assert_close(found.misfit[0], alone.misfit[0], atol=1e-5, rtol=1e-3)
    assert_close(found.loudness[2], 2 * found.loudness[0], atol=1e-5, rtol=1e-3)
    assert float(found.loudness[1].abs().max()) == pytest.approx(0, abs=1e-12)


def test_in_frames_that_are_silent_no_tone_is_heard() -> None:
    tones = leafwise(lambda values: values.expand(2, 1, 2).clone(), sets([31.3, 47.9]))
    found = FIT(torch.zeros(2, 1), tones, torch.cat([channels()] * 2))
    heard = found.heard(torch.tensor([True, False]))
    assert heard.tones.on[:, 0].tolist() == [[True, True], [False, False]]
    for name in ("loudness", "timbre", "place"):
        assert_close(getattr(heard, name)[0], getattr(found, name)[0], atol=0, rtol=0)
        assert float(getattr(heard, name)[1].abs().max()) == 0
    assert_close(heard.misfit, found.misfit, atol=0, rtol=0)


def test_a_misfit_is_relative_to_silence() -> None:
    spectra = channels()[:, 0]
    config = ObjectiveConfig()
    assert float(relative_misfit(spectra, 0 * spectra, config)) == pytest.approx(1.0)
    assert float(relative_misfit(spectra, spectra, config)) == pytest.approx(0.0, abs=1e-9)
    turned = spectra * torch.exp(torch.tensor(0.7j))  # phases do not count
    assert float(relative_misfit(spectra, turned, config)) == pytest.approx(0.0, abs=1e-6)
    assert float(relative_misfit(0 * spectra, 0 * spectra, config)) == 0.0
