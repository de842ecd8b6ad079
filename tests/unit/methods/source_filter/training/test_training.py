"""Training of the start weights: phrases, mixtures, and a program that goes on where it stopped."""

from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from musisep_cli.methods.source_filter.network import Network
from musisep_cli.methods.source_filter.training import __main__ as program
from musisep_cli.methods.source_filter.training.mixing import MIXTURE_RMS, Mixer
from musisep_cli.methods.source_filter.training.school import (
    School,
    SchoolConfig,
    examine,
    lesson,
)
from musisep_cli.methods.source_filter.training.simulator import N_FRAMES, phrase
from tests.small import seeded
from tests.unit.methods.source_filter.made import SMALL


def test_phrases_have_the_pitch_that_they_say() -> None:
    for seed in range(4):
        made = phrase(np.random.default_rng(seed))
        assert made.sound.shape == (N_FRAMES * 256,)
        assert made.f0_hz.shape == (N_FRAMES,)
        assert np.isfinite(made.sound).all()
        assert np.sqrt(np.square(made.sound).mean()) == pytest.approx(0.1, rel=1e-3)
        sounding = made.f0_hz > 0
        assert sounding[0]
        assert made.f0_hz[sounding].min() > 30
    same = phrase(np.random.default_rng(3))
    np.testing.assert_array_equal(same.sound, made.sound)


def test_harmonics_are_where_the_pitch_says() -> None:
    made = phrase(np.random.default_rng(1))
    frames = np.flatnonzero(made.f0_hz[8:-8] > 0) + 8
    shares = []
    for n in frames[::20]:
        around = made.sound[256 * n - 1024 : 256 * n + 1024] * np.hanning(2048)
        power = np.square(np.abs(np.fft.rfft(around)))
        ratio = np.arange(len(power)) * 16_000 / 2048 / made.f0_hz[n]
        near = np.abs(ratio - ratio.round()) < 0.15
        shares.append(power[near & (ratio < 6.5)].sum() / power[ratio < 6.5].sum())
    assert np.median(shares) > 0.8


def test_mixtures_follow_from_their_number_and_have_one_level() -> None:
    mixer = Mixer(4, 0, batch_size=2)
    one, again = mixer.batch(5, 2), Mixer(4, 0, batch_size=2).batch(5, 2)
    torch.testing.assert_close(one.sounds, again.sounds, rtol=0, atol=0)
    assert one.sounds.shape == (2, 2, N_FRAMES * 256)
    rms = one.mixture.square().mean(-1).sqrt()
    torch.testing.assert_close(rms, torch.full((2,), MIXTURE_RMS), rtol=1e-3, atol=0)
    assert not bool((mixer.batch(6, 2).sounds == one.sounds).all())


def test_a_few_steps_help_and_a_stop_changes_nothing(tmp_path: Path) -> None:
    def school(steps: int) -> School:
        with seeded(0):
            network = Network(SMALL)
        return School(SchoolConfig(steps=steps, warmup_steps=2), Mixer(4, 0, 1), network)

    whole = school(3)
    losses = list(whole.run())
    assert losses[-1] < losses[0]
    first = school(3)
    next(first.run())
    first.save(tmp_path / "checkpoint.pt")
    again = school(3)
    again.resume(tmp_path / "checkpoint.pt")
    list(again.run())
    for name, value in whole.average.items():
        torch.testing.assert_close(again.average[name], value, rtol=0, atol=0)
    asked = [Mixer(2, 1, 1).batch(0, 2)]
    exam = examine(whole.network, asked)
    assert exam.loss == pytest.approx(float(lesson(whole.network, asked[0]).detach()), rel=1e-5)
    assert exam.sdr_db < exam.ideal_sdr_db


@pytest.mark.slow
def test_the_program_leaves_weights_and_a_curve_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "NetworkConfig", lambda: SMALL)
    monkeypatch.setattr(program, "EXAM_BATCHES", 1)
    app = typer.Typer()
    app.command()(program.main)
    for steps in (1, 2):
        arguments = ["--out", str(tmp_path), "--steps", str(steps), "--phrases", "4"]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
    assert "going on from step 1" in result.output
    rows = (tmp_path / "curve.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["step", "1", "2"]
    assert (tmp_path / "voices.safetensors").stat().st_size > 1000
