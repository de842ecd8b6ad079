"""Pipeline: runs with a tiny network, and with the truth in the network's place."""

import json
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from torch import Tensor
from torch.testing import assert_close

from musisep_cli import separate
from musisep_cli.errors import InputError
from musisep_cli.frames.framewise import BLOCK_FRAMES
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.frames.leaves import leafwise
from musisep_cli.methods import registry
from musisep_cli.methods.decoding import rehearsal
from musisep_cli.methods.decoding import separate as decoding
from musisep_cli.methods.decoding.rehearsal import Labels, Rehearsal
from musisep_cli.methods.method import Progress, Result, Settings, Work
from musisep_cli.players.hypotheses import Hypotheses
from musisep_cli.run import journal, one_seed
from musisep_cli.run.one_seed import run_seed
from musisep_cli.run.result import SeedResult
from musisep_cli.run.settings.compose import compose
from musisep_cli.run.settings.config import Config
from musisep_cli.sound.recording import Recording
from musisep_cli.stems.wiener import WienerFilter
from musisep_cli.tones.dictionary import FORMAT
from musisep_cli.tones.tones import Tones
from tests.signals import harmonic_tone, melody
from tests.small import seeded
from tests.small_method import CrossoverMethod

Signal = NDArray[np.float64]

CPU = torch.device("cpu")
RATE_HZ = 8_000
N_HARMONICS = 8
TINY: Settings = {
    "run": {"instruments": 2, "threads": 1},
    "dictionary": {"n_harmonics": N_HARMONICS},
    "network": {"base_channels": 4},
    "training": {"iterations": 2, "batch_size": 2},
    "warmstart": {"weights": ""},
}
NARROW: Settings = {"search": {"beam": 2, "hypotheses": 3}}
"""Of standard only: quick does not search."""
# Odd harmonics above ones that fall slowly; the pitches lie between the keys, so that harmonics of
# the two seldom coincide.
ODD = (1.0, 0.05, 0.6, 0.05, 0.4, 0.03, 0.1, 0.02)
FALLING = (0.8, 1.0, 0.5, 0.4, 0.3, 0.2, 0.1, 0.1)
PITCHES = ((74.4, 77.3, 71.2), (57.0, 60.2, 55.1))
NOTES_S = (0.4, 0.6)
LEVEL = 0.3
EVERY_STAGE = ["listening", "decoding", "training", "transcription", "decoding", "resynthesis"]
MAX_PITCH_ERROR_BINS = 0.11
"""Tones are refined in steps of 0.1 bin."""


def tiny(preset: str = "standard", **sections: dict[str, Any]) -> Config:
    return compose(preset, TINY, NARROW if preset == "standard" else {}, sections)


def recorded(*channels: Signal, rate_hz: int = RATE_HZ) -> Recording:
    return Recording(samples=np.stack(channels, 1).astype(np.float32), sample_rate_hz=rate_hz)


def players(duration_s: float) -> Signal:
    """Each of the two instruments, the higher first, [i, t]."""
    return LEVEL * np.stack(
        [
            melody(
                PITCHES[i],
                note_s=NOTES_S[i],
                amplitudes=(ODD, FALLING)[i],
                duration_s=duration_s,
                sample_rate_hz=RATE_HZ,
            )
            for i in range(2)
        ]
    )


def run(
    recording: Recording, config: Config, *, seed: int = 0
) -> tuple[SeedResult, list[Progress]]:
    events: list[Progress] = []
    return run_seed(recording, config, seed, CPU, events.append), events


def panned_duet() -> Recording:
    high, low = players(0.9)
    return recorded(high + 0.3 * low, 0.4 * high + low)


# Runs of a tiny network


def test_stems_have_the_recordings_shape_and_are_finite() -> None:
    recording = panned_duet()
    result, _ = run(recording, tiny())
    assert result.stems.shape == (2, *recording.samples.shape)
    assert result.stems.dtype == np.float32
    assert result.dictionary.shape == (N_HARMONICS, 2)
    n_frames = len(result.tracks.times_s)
    for track in (result.tracks.f0_hz, result.tracks.amplitude, result.tracks.on):
        assert track.shape == (2, n_frames)
    for values in (result.stems, result.dictionary, result.tracks.f0_hz, result.tracks.amplitude):
        assert np.isfinite(values).all()
    assert np.isfinite(result.objective)
    assert result.n_skipped == 0
    # Shares never add up to more than 1.
    assert np.linalg.norm(result.stems.sum(0)) < 1.01 * np.linalg.norm(recording.samples)
    assert np.abs(result.stems).max() > 0.01


def test_stages_come_in_order_and_each_to_its_end(
    monkeypatch: pytest.MonkeyPatch, every_frame_is_clear: None
) -> None:
    monkeypatch.setattr(Rehearsal, "loss_held_out", lambda self: -float(self.iteration))
    result, events = run(panned_duet(), tiny())
    assert stages(events) == EVERY_STAGE
    assert [report.iteration for report in result.curve] == [1, 2]
    assert result.n_skipped == 0


def test_the_curve_is_of_stretches_and_of_the_steps_that_are_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(journal, "CURVE_POINTS", 2)
    result, events = run(panned_duet(), tiny("quick", training={"iterations": 5}))
    steps = [event.report for event in events if event.report]
    assert [row.iteration for row in result.curve] == [3, 5]
    for row, stretch in zip(result.curve, (steps[:3], steps[3:]), strict=True):
        mean = np.mean([step.terms["objective"] for step in stretch])
        assert row.terms["objective"] == pytest.approx(mean)


def test_where_nothing_is_clear_nothing_is_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "clear_labels", lambda *_, **__: Labels.none(2))
    result, events = run(panned_duet(), tiny())
    notes = [(event.stage, event.note) for event in events if event.note]
    [(stage, note)] = notes
    assert stage == "decoding"
    assert note.startswith("not trained: ")
    assert [stage for stage, _ in groupby(event.stage for event in events)] == [
        "listening",
        "decoding",
        "resynthesis",
    ]
    plain, _ = run(panned_duet(), tiny(training={"iterations": 0}))
    assert result.curve == ()
    assert result.stems.tobytes() == plain.stems.tobytes()


def test_training_that_helps_nobody_leaves_everything_as_it_was(
    monkeypatch: pytest.MonkeyPatch, every_frame_is_clear: None
) -> None:
    plain, _ = run(panned_duet(), tiny(training={"iterations": 0}))
    monkeypatch.setattr(Rehearsal, "loss_held_out", lambda self: float(self.iteration))
    monkeypatch.setattr(rehearsal, "CHECK_STEPS", 1)
    result, events = run(panned_duet(), tiny(training={"iterations": 5}))
    assert [event.note for event in events if event.note] == [
        "stopped after 2 of 5 training steps, step 0 is kept: notes that are held out from "
        "training are no longer heard better"
    ]
    stages_of = [stage for stage, _ in groupby(event.stage for event in events)]
    assert stages_of == ["listening", "decoding", "training", "resynthesis"]
    assert [report.iteration for report in result.curve] == [1, 2]
    assert result.stems.tobytes() == plain.stems.tobytes()


def test_a_recording_of_a_single_click_keeps_everything_finite() -> None:
    click = np.zeros(round(0.6 * RATE_HZ))
    click[len(click) // 2] = 0.5
    result, _ = run(recorded(click), tiny())
    assert result.n_skipped == 0
    for values in (result.stems, result.dictionary):
        assert np.isfinite(values).all()


def test_the_dictionary_stays_as_it_was_decoded(
    monkeypatch: pytest.MonkeyPatch, every_frame_is_clear: None
) -> None:
    know(truth(1.2, tiny()), monkeypatch)
    result, events = run(recorded(players(1.2).sum(0)), tiny())
    assert sum(event.report is not None for event in events) == 2
    expected = np.stack([ODD, FALLING], 1)
    assert_allclose(result.dictionary, expected, atol=2e-3)  # timbres are kept in half precision


def test_nothing_is_listened_to_where_nothing_is_labelled() -> None:
    result, events = run(panned_duet(), tiny("quick"))
    assert stages(events) == ["training", "resynthesis"]
    assert np.isfinite(result.stems).all()


def stages(events: list[Progress]) -> list[str]:
    """The stages in order, each checked to count upwards to its end."""
    order = []
    for stage, group in groupby(events, key=lambda event: event.stage):
        steps = [event for event in group if not event.note]
        assert [e.done for e in steps] == sorted({e.done for e in steps})
        assert steps[-1].done == steps[-1].total == steps[0].total
        assert all((e.report is not None) == (stage == "training") for e in steps)
        order.append(stage)
    return order


def test_the_same_seed_gives_the_same_bytes_and_another_other_ones() -> None:
    (first, _), (again, _), (other, _) = (
        run(panned_duet(), tiny(), seed=seed) for seed in (4, 4, 5)
    )
    assert first.stems.tobytes() == again.stems.tobytes()
    assert first.dictionary.tobytes() == again.dictionary.tobytes()
    assert first.files == again.files
    assert first.objective == again.objective
    assert first.stems.tobytes() != other.stems.tobytes()


def test_a_run_gives_the_generator_and_the_threads_back() -> None:
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    run(panned_duet(), tiny())
    assert torch.get_num_threads() == threads
    assert_close(torch.get_rng_state(), state, atol=0, rtol=0)


def test_without_training_the_number_of_threads_changes_nothing() -> None:
    # More frames than are fitted at once: threads run ahead.
    recording = recorded(players(6.0).sum(0))
    settings = {"training": {"iterations": 0}, "warmstart": {"weights": "builtin"}}
    sizes = {"dictionary": TINY["dictionary"], **NARROW}
    (one, _), *others = (
        run(
            recording,
            compose("standard", {"run": {"instruments": 2, "threads": n}}, settings, sizes),
        )
        for n in (1, 2, 3)
    )
    for other, _ in others:
        assert other.stems.tobytes() == one.stems.tobytes()
        assert other.dictionary.tobytes() == one.dictionary.tobytes()


def test_stems_and_residual_are_the_recording() -> None:
    recording = panned_duet()
    separation = separate(
        recording.samples, RATE_HZ, 2, preset="standard", settings={**TINY, **NARROW}, device="cpu"
    )
    total = separation.stems.sum(0, dtype=np.float64) + separation.residual
    assert_allclose(total, recording.samples, atol=1e-6)
    assert separation.sum_error < 1e-6


@pytest.mark.parametrize("shape", [(0,), (0, 2)])
def test_an_array_without_samples_is_refused_as_a_file_is(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="the recording: holds no samples"):
        separate(np.zeros(shape), RATE_HZ, 2)


def test_the_level_of_the_recording_is_that_of_the_stems() -> None:
    recording = panned_duet()
    quiet = replace(recording, samples=recording.samples / np.float32(128))
    (loud_result, _), (quiet_result, _) = (run(r, tiny()) for r in (recording, quiet))
    assert_array_equal(quiet_result.stems * 128, loud_result.stems)
    assert_array_equal(quiet_result.tracks.f0_hz, loud_result.tracks.f0_hz)
    assert_allclose(quiet_result.tracks.amplitude * 128, loud_result.tracks.amplitude, rtol=1e-6)


def test_stems_stay_where_the_instrument_is_panned() -> None:
    # One instrument after the other, each at its own place: whatever shares a network gives, a stem
    # has the ratio of what it was taken from between channels. Of two, places have a say in it.
    # Every frame for itself: a tone of both halves that is followed has something of both places.
    gains = ((1.0, 0.3, 0.5), (0.2, 0.9, 0.5))
    n, half = round(1.2 * RATE_HZ), round(0.6 * RATE_HZ)
    alone = players(1.2)
    alone[0, half:] = 0
    alone[1, :half] = 0
    recording = recorded(*(sum(gains[i][c] * alone[i] for i in range(2)) for c in range(3)))
    result, _ = run(recording, tiny(resynthesis={"steady_s": 0.0}))
    margin = round(0.15 * RATE_HZ)  # six widths of the window
    for i, part in enumerate((slice(0, half - margin), slice(half + margin, n))):
        for stem in result.stems[:, part].astype(np.float64):
            scale = np.abs(result.stems[:, part]).max()
            # Every channel has its own right-hand side, in float64: they differ by 2e-7 here.
            # 1 % of the other channel's rest would be 1.5e-3.
            for channel in (1, 2):
                one, other = stem[:, 0] * gains[i][channel], stem[:, channel] * gains[i][0]
                assert_allclose(one, other, atol=1e-4 * scale)


def test_one_channel_is_as_good_as_two_equal_ones() -> None:
    mono = players(0.6).sum(0)
    one, two = (run(recorded(*[mono] * n), tiny())[0] for n in (1, 2))
    # The two are equal but for the last bit: the covariance between channels is inverted.
    assert_allclose(two.stems[..., 0], two.stems[..., 1], atol=1e-6)
    assert_allclose(one.stems[..., 0], two.stems[..., 0], atol=1e-6)


def test_digital_silence_stays_silent_in_all_stems() -> None:
    signal = players(1.6).sum(0)
    rest = slice(round(0.6 * RATE_HZ), round(1.2 * RATE_HZ))
    signal[rest] = 0
    result, _ = run(recorded(signal), tiny())
    reach = round(0.26 * RATE_HZ)  # the whole window
    assert float(np.abs(result.stems[:, rest][:, reach:-reach]).max()) < 1e-9
    times = result.tracks.times_s
    silent = (times > 0.6 + 0.13) & (times < 1.2 - 0.13)
    assert silent.any()
    assert_array_equal(result.tracks.amplitude[:, silent], 0)
    assert_array_equal(result.tracks.on[:, silent], 0)


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 96_000])
@pytest.mark.parametrize("n_instruments", [1, 3])
def test_any_rate_and_number_of_instruments_runs(rate_hz: int, n_instruments: int) -> None:
    signal = 0.3 * harmonic_tone(330.0, amplitudes=ODD, duration_s=0.3, sample_rate_hz=rate_hz)
    config = tiny(run={"instruments": n_instruments}, policy={"exponents": [1.0]})
    result, _ = run(recorded(signal, rate_hz=rate_hz), config)
    assert result.stems.shape == (n_instruments, len(signal), 1)
    assert np.isfinite(result.stems).all()


def test_the_shipped_weights_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Rehearsal, "loss_held_out", lambda self: -float(self.iteration))
    changes: Settings = {"run": TINY["run"], "training": TINY["training"]}
    result, events = run(panned_duet(), compose("standard", changes))
    assert stages(events) == EVERY_STAGE
    assert np.isfinite(result.stems).all()
    assert np.isfinite(result.dictionary).all()
    assert result.n_skipped == 0


# The truth in the network's place


def truth(duration_s: float, config: Config, *, shuffle_seed: int | None = 0) -> Hypotheses:
    """What a perfect listener finds of `players`, the tones of every frame in random order.

    One hypothesis per frame, or with a seed a second one: an octave too low, and likelier.
    """
    frame = GaborFrame(config.settings.frame, RATE_HZ)
    times_s = frame.centres(round(duration_s * RATE_HZ)).double().numpy() / RATE_HZ
    midi = np.stack(
        [
            np.array(PITCHES[i])[(times_s // NOTES_S[i]).astype(int) % len(PITCHES[i])]
            for i in range(2)
        ],
        1,
    )  # n, i
    n_frames = len(times_s)
    f0_bins = torch.from_numpy(440 * 2 ** ((midi - 69) / 12) / frame.bin_hz).float()[:, None]
    harmonics = LEVEL / 2 * torch.tensor([ODD, FALLING]).expand(n_frames, 1, 2, -1)
    steady = torch.ones(n_frames, 1, 2)
    loudness = harmonics.sum(-1)
    exact = Hypotheses(
        log_prob=torch.zeros(n_frames, 1),
        misfit=torch.full((n_frames, 1), 0.05),
        tones=Tones(steady.bool(), f0_bins, 0 * steady),
        loudness=loudness,
        timbre=(harmonics / loudness[..., None]).sqrt().half(),
        place=steady[..., None],
    )
    if shuffle_seed is None:
        return exact
    generator = np.random.default_rng(shuffle_seed)
    order = torch.from_numpy(np.argsort(generator.random(midi.shape), 1))[:, None]
    low = replace(exact, tones=replace(exact.tones, f0_bins=f0_bins / 2), misfit=exact.misfit + 0.4)
    both = [np.where(generator.random(n_frames) < 0.3, -1.0, 0.0), np.full(n_frames, -0.5)]

    def shuffled(values: torch.Tensor) -> torch.Tensor:
        if values.ndim < 3:
            return values
        return values.gather(
            2, (order if values.ndim == 3 else order[..., None]).expand(values.shape)
        )

    found = leafwise(shuffled, exact).beside(leafwise(shuffled, low))
    return replace(found, log_prob=torch.from_numpy(np.stack(both, 1)).float())


def know(found: Hypotheses, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes every run find this."""
    monkeypatch.setattr(decoding._Scene, "_hear", lambda *_: found)


def sdr_db(reference: Signal, estimate: Signal) -> float:
    error = ((estimate - reference) ** 2).sum()
    return float(10 * np.log10((reference**2).sum() / error))


def test_true_tones_in_any_order_separate_a_duet(monkeypatch: pytest.MonkeyPatch) -> None:
    duration_s = 2.4
    references = players(duration_s)
    know(truth(duration_s, tiny()), monkeypatch)
    result, _ = run(recorded(references.sum(0)), tiny())
    exact = truth(duration_s, tiny(), shuffle_seed=None)
    bin_hz = GaborFrame(tiny().settings.frame, RATE_HZ).bin_hz
    deviation_bins = result.tracks.f0_hz / bin_hz - exact.tones.f0_bins[:, 0].T.numpy()
    assert np.median(np.abs(deviation_bins)) < MAX_PITCH_ERROR_BINS
    for reference, stem in zip(references, result.stems[..., 0].astype(np.float64), strict=True):
        assert sdr_db(reference, stem) > 12


def test_the_first_dictionary_is_that_of_the_tones_found(monkeypatch: pytest.MonkeyPatch) -> None:
    know(truth(1.2, tiny()), monkeypatch)
    result, _ = run(recorded(players(1.2).sum(0)), tiny(training={"iterations": 0}))
    expected = np.stack([ODD, FALLING], 1)
    assert_allclose(result.dictionary, expected, atol=2e-3)  # timbres are kept in half precision


@pytest.mark.parametrize("first", ["higher", "lower"])
def test_stems_are_in_the_order_of_a_given_dictionary(
    first: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = [list(ODD), list(FALLING)][:: 1 if first == "higher" else -1]
    path = tmp_path / "dictionary.json"
    path.write_text(
        json.dumps({"format": FORMAT, "n_harmonics": N_HARMONICS, "instruments": columns})
    )
    duration_s = 1.2
    references = players(duration_s)[:: 1 if first == "higher" else -1]
    know(truth(duration_s, tiny()), monkeypatch)
    config = tiny(dictionary={"init_file": str(path), "frozen": True})
    result, events = run(recorded(references.sum(0)), config)
    assert stages(events) == ["decoding", "training", "resynthesis"]
    assert_allclose(result.dictionary, np.array(columns).T, atol=1e-6)
    for reference, stem in zip(references, result.stems[..., 0].astype(np.float64), strict=True):
        assert sdr_db(reference, stem) > 10


def test_an_instrument_that_is_never_heard_keeps_everything_finite(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    duration_s = 1.2
    exact = truth(duration_s, tiny(), shuffle_seed=None)
    know(replace(exact, loudness=exact.loudness * torch.tensor([1.0, 1e-5])), monkeypatch)
    result, _ = run(recorded(players(duration_s)[0]), tiny())
    assert result.n_skipped == 0
    for values in (result.stems, result.dictionary):
        assert np.isfinite(values).all()


# Parts


def test_a_run_never_explains_more_frames_at_once_than_a_block_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Blocks keep memory flat.
    lengths: list[int] = []
    plain = WienerFilter.explain

    def explain(self: WienerFilter, channels: Tensor) -> Tensor:
        lengths.append(channels.shape[1])
        return plain(self, channels)

    monkeypatch.setattr(WienerFilter, "explain", explain)
    result, _ = run(panned_duet(), tiny())
    assert max(lengths) <= BLOCK_FRAMES
    assert sum(lengths) == len(result.tracks.times_s)


@pytest.mark.parametrize("right", [1.0, -1.0])
def test_a_method_hears_instruments_of_any_polarity(
    right: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cancels in the mean of the channels is turned into it; the stems are turned back."""
    low, high = (
        harmonic_tone(f0_hz, amplitudes=(LEVEL,), duration_s=1.0, sample_rate_hz=RATE_HZ)
        for f0_hz in (200.0, 1500.0)
    )
    samples = np.stack([low + high, low + right * high], 1).astype(np.float32)
    recording = Recording(samples=samples, sample_rate_hz=RATE_HZ)
    method, seen = registry.get(CrossoverMethod.name), []
    plain = method.separate

    def separate_and_look(given: Recording, *rest: Any) -> Any:
        seen.append(given)
        return plain(given, *rest)

    monkeypatch.setattr(method, "separate", separate_and_look)
    config = compose("crossover", {}, {"run": {"instruments": 2, "threads": 1}})
    result = run_seed(recording, config, 0, CPU, lambda _: None)
    # Both are in the mean of what the method is given.
    spectrum = np.abs(np.fft.rfft(seen[0].mono))
    assert spectrum[[200, 1500]].min() > 0.1 * LEVEL * RATE_HZ
    # Its filters work on every channel alike: turned back, stems are as if nothing was turned.
    assert_allclose(sum(result.stems), samples, atol=1e-5)
    monkeypatch.setattr(one_seed.Turn, "of", lambda _: None)
    expected = run_seed(recording, config, 0, CPU, lambda _: None)
    assert_allclose(np.asarray(result.stems), np.asarray(expected.stems), atol=1e-5)


class Borrower(CrossoverMethod):
    """Gives back the tracks that the default preset finds, and draws a number after them."""

    name = "borrower"
    drawn = 0.0

    def separate(
        self, recording: Recording, n_instruments: int, settings: Any, work: Work
    ) -> Result:
        tracks = work.blind_tracks("filtering", recording, n_instruments)
        Borrower.drawn = float(torch.rand(1))
        return replace(super().separate(recording, n_instruments, settings, work), tracks=tracks)


def test_blind_tracks_are_those_of_the_default_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "DEFAULTS", ("quick",))
    monkeypatch.setattr(one_seed, "compose", lambda preset, run, **_: compose(preset, run, TINY))
    preset = replace(CrossoverMethod.presets["crossover"], method="borrower")
    monkeypatch.setattr(Borrower, "presets", {"borrower": preset})
    monkeypatch.setitem(registry._added, "borrower", Borrower())
    mix = players(1.0).sum(0)
    told: list[Progress] = []
    found = separate(mix, RATE_HZ, 2, preset="borrower", device="cpu", on_progress=told.append)
    own = separate(mix, RATE_HZ, 2, preset="quick", settings=TINY, device="cpu")
    assert_array_equal(found.pitch.f0_hz, own.pitch.f0_hz)
    assert_array_equal(found.pitch.on, own.pitch.on)
    percents = [progress.done for progress in told if progress.total == 100]
    assert percents == sorted(percents)
    assert {progress.stage for progress in told} == {"filtering"}
    # What is drawn afterwards does not depend on what was drawn for the tracks.
    with seeded(0):
        assert float(torch.rand(1)) == Borrower.drawn
