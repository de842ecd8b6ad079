"""Pipeline: runs with a tiny network, and with the truth in the network's place."""

import json
import math
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
from musisep_cli.config import Config, Settings, compose
from musisep_cli.model.dictionary import FORMAT, DictionaryConfig, start_dictionary
from musisep_cli.model.gabor import GaborFrame
from musisep_cli.pipeline import (
    Progress,
    SeedResult,
    Transcript,
    _Run,
    _Sharer,
    dictionary_of_timbres,
    level_gain,
    pitch_tracks,
    run_seed,
)
from musisep_cli.recording import Recording
from musisep_cli.resynthesis import BLOCK_FRAMES, ResynthesisConfig
from tests import dense
from tests.signals import harmonic_tone, melody

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
# Odd harmonics above ones that fall slowly; the pitches lie between the keys, so that harmonics of
# the two seldom coincide.
ODD = (1.0, 0.05, 0.6, 0.05, 0.4, 0.03, 0.1, 0.02)
FALLING = (0.8, 1.0, 0.5, 0.4, 0.3, 0.2, 0.1, 0.1)
PITCHES = ((74.4, 77.3, 71.2), (57.0, 60.2, 55.1))
NOTES_S = (0.4, 0.6)
LEVEL = 0.3


def tiny(preset: str = "standard", **sections: dict[str, Any]) -> Config:
    return compose(preset, TINY, sections)


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
    n_frames = len(result.pitch.times_s)
    for track in (result.pitch.f0_hz, result.pitch.amplitude, result.pitch.on):
        assert track.shape == (2, n_frames)
    for values in (result.stems, result.dictionary, result.pitch.f0_hz, result.pitch.amplitude):
        assert np.isfinite(values).all()
    assert np.isfinite(result.objective)
    assert result.n_skipped == 0
    # Shares never add up to more than 1.
    assert np.linalg.norm(result.stems.sum(0)) < 1.01 * np.linalg.norm(recording.samples)
    assert np.abs(result.stems).max() > 0.01


def test_stages_come_in_order_and_each_to_its_end() -> None:
    _, events = run(panned_duet(), tiny())
    assert stages(events) == ["listening", "training", "transcription", "resynthesis"]


@pytest.mark.parametrize(
    ("preset", "changes"),
    [
        ("quick", {}),
        ("standard", {"decoding": {"enabled": False}, "resynthesis": {"stems": "direct"}}),
    ],
)
def test_nothing_is_listened_to_where_nothing_is_labelled(
    preset: str, changes: dict[str, dict[str, Any]]
) -> None:
    result, events = run(panned_duet(), tiny(preset, **changes))
    assert stages(events) == ["training", "resynthesis"]
    assert np.isfinite(result.stems).all()


def stages(events: list[Progress]) -> list[str]:
    """The stages in order, each checked to count upwards to its end."""
    order = []
    for stage, group in groupby(events, key=lambda event: event.stage):
        steps = list(group)
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
    assert first.checkpoint == again.checkpoint
    assert first.objective == again.objective
    assert first.stems.tobytes() != other.stems.tobytes()


def test_a_run_gives_the_generator_and_the_threads_back() -> None:
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    run(panned_duet(), tiny())
    assert torch.get_num_threads() == threads
    assert_close(torch.get_rng_state(), state, atol=0, rtol=0)


def test_stems_and_residual_are_the_recording() -> None:
    recording = panned_duet()
    separation = separate(
        recording.samples, RATE_HZ, 2, preset="standard", settings=TINY, device="cpu"
    )
    total = separation.stems.sum(0, dtype=np.float64) + separation.residual
    assert_allclose(total, recording.samples, atol=1e-6)
    assert separation.sum_error < 1e-6


def test_the_level_of_the_recording_is_that_of_the_stems() -> None:
    recording = panned_duet()
    quiet = replace(recording, samples=recording.samples / np.float32(128))
    (loud_result, _), (quiet_result, _) = (run(r, tiny()) for r in (recording, quiet))
    assert_array_equal(quiet_result.stems * 128, loud_result.stems)
    assert_array_equal(quiet_result.pitch.f0_hz, loud_result.pitch.f0_hz)
    assert_allclose(quiet_result.pitch.amplitude * 128, loud_result.pitch.amplitude, rtol=1e-6)


def test_stems_stay_where_the_instrument_is_panned() -> None:
    # One instrument after the other, each at its own place: whatever shares a network gives, a stem
    # has the channels' ratio of what it was taken from.
    gains = ((1.0, 0.3), (0.2, 0.9))
    n, half = round(1.2 * RATE_HZ), round(0.6 * RATE_HZ)
    alone = players(1.2)
    alone[0, half:] = 0
    alone[1, :half] = 0
    recording = recorded(*(sum(gains[i][c] * alone[i] for i in range(2)) for c in range(2)))
    result, _ = run(recording, tiny())
    margin = round(0.15 * RATE_HZ)  # six widths of the window
    for i, part in enumerate((slice(0, half - margin), slice(half + margin, n))):
        for stem in result.stems[:, part].astype(np.float64):
            left, right = stem.T * np.array([[gains[i][1]], [gains[i][0]]])
            scale = np.abs(result.stems[:, part]).max()
            assert_allclose(left, right, atol=1e-5 * scale)


def test_one_channel_is_as_good_as_two_equal_ones() -> None:
    mono = players(0.6).sum(0)
    one, two = (run(recorded(*[mono] * n), tiny())[0] for n in (1, 2))
    assert_array_equal(two.stems[..., 0], two.stems[..., 1])
    assert_allclose(one.stems[..., 0], two.stems[..., 0], atol=1e-6)


def test_digital_silence_stays_silent_in_all_stems() -> None:
    signal = players(1.6).sum(0)
    rest = slice(round(0.6 * RATE_HZ), round(1.2 * RATE_HZ))
    signal[rest] = 0
    result, _ = run(recorded(signal), tiny())
    reach = round(0.26 * RATE_HZ)  # the whole window
    assert float(np.abs(result.stems[:, rest][:, reach:-reach]).max()) < 1e-9
    times = result.pitch.times_s
    silent = (times > 0.6 + 0.13) & (times < 1.2 - 0.13)
    assert silent.any()
    assert_array_equal(result.pitch.amplitude[:, silent], 0)
    assert_array_equal(result.pitch.on[:, silent], 0)


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 96_000])
@pytest.mark.parametrize("n_instruments", [1, 3])
def test_any_rate_and_number_of_instruments_runs(rate_hz: int, n_instruments: int) -> None:
    signal = 0.3 * harmonic_tone(330.0, amplitudes=ODD, duration_s=0.3, sample_rate_hz=rate_hz)
    config = tiny(run={"instruments": n_instruments}, policy={"exponents": [1.0]})
    result, _ = run(recorded(signal, rate_hz=rate_hz), config)
    assert result.stems.shape == (n_instruments, len(signal), 1)
    assert np.isfinite(result.stems).all()


def test_the_shipped_weights_run() -> None:
    changes: Settings = {"run": TINY["run"], "training": TINY["training"]}
    result, events = run(panned_duet(), compose("standard", changes))
    assert stages(events) == ["listening", "training", "transcription", "resynthesis"]
    assert np.isfinite(result.stems).all()
    assert np.isfinite(result.dictionary).all()
    assert result.n_skipped == 0


# The truth in the network's place


def truth(duration_s: float, config: Config, *, shuffle_seed: int | None = 0) -> Transcript:
    """What a perfect listener finds of `players`, the slots of every frame in random order."""
    frame = GaborFrame(config.frame, RATE_HZ)
    times_s = frame.centres(round(duration_s * RATE_HZ)).double().numpy() / RATE_HZ
    midi = np.stack(
        [
            np.array(PITCHES[i])[(times_s // NOTES_S[i]).astype(int) % len(PITCHES[i])]
            for i in range(2)
        ],
        1,
    )  # n, i
    f0_bins = torch.from_numpy(440 * 2 ** ((midi - 69) / 12) / frame.bin_hz).float()
    harmonics = LEVEL / 2 * torch.tensor([ODD, FALLING]).expand(len(times_s), 2, -1)
    steady = torch.ones(len(times_s), 2)
    exact = Transcript(
        f0_bins=f0_bins,
        inharmonicity=0 * steady,
        width=steady,
        amplitude=LEVEL / 2 * steady,
        on=steady,
        harmonics=harmonics,
        objective=torch.zeros(len(times_s)),
        audible=torch.ones(len(times_s)).bool(),
    )
    if shuffle_seed is None:
        return exact
    order = np.argsort(np.random.default_rng(shuffle_seed).random(midi.shape), 1)
    return exact.relabelled(torch.from_numpy(order))


def know(transcript: Transcript, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes every run find this."""
    monkeypatch.setattr(_Run, "_transcribe", lambda *_: transcript)


def sdr_db(reference: Signal, estimate: Signal) -> float:
    error = ((estimate - reference) ** 2).sum()
    return float(10 * np.log10((reference**2).sum() / error))


def test_true_tones_in_any_order_separate_a_duet(monkeypatch: pytest.MonkeyPatch) -> None:
    duration_s = 2.4
    references = players(duration_s)
    know(truth(duration_s, tiny()), monkeypatch)
    result, _ = run(recorded(references.sum(0)), tiny())
    exact = truth(duration_s, tiny(), shuffle_seed=None)
    bin_hz = GaborFrame(tiny().frame, RATE_HZ).bin_hz
    assert_allclose(result.pitch.f0_hz, exact.f0_bins.T.numpy() * bin_hz, rtol=1e-6)
    for reference, stem in zip(references, result.stems[..., 0].astype(np.float64), strict=True):
        assert sdr_db(reference, stem) > 12


def test_the_first_dictionary_is_that_of_the_tones_found(monkeypatch: pytest.MonkeyPatch) -> None:
    know(truth(1.2, tiny()), monkeypatch)
    result, _ = run(recorded(players(1.2).sum(0)), tiny(training={"dictionary_lr": 1e-9}))
    expected = np.stack([ODD, FALLING], 1)
    assert_allclose(result.dictionary, expected, atol=1e-4)


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
    assert stages(events) == ["training"]
    assert_allclose(result.dictionary, np.array(columns).T, atol=1e-6)
    for reference, stem in zip(references, result.stems[..., 0].astype(np.float64), strict=True):
        assert sdr_db(reference, stem) > 10


def test_an_instrument_that_is_never_heard_keeps_everything_finite(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    duration_s = 1.2
    exact = truth(duration_s, tiny(), shuffle_seed=None)
    know(
        replace(exact, harmonics=exact.harmonics * torch.tensor([1.0, 1e-5])[:, None]), monkeypatch
    )
    result, _ = run(recorded(players(duration_s)[0]), tiny())
    assert result.n_skipped == 0
    for values in (result.stems, result.dictionary):
        assert np.isfinite(values).all()


# Parts


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


def test_relabelled_tones_are_moved_with_all_their_values() -> None:
    transcript = truth(0.3, tiny(), shuffle_seed=None)
    labels = torch.tensor([[1, 0]] * 3 + [[0, 1]] * (len(transcript.on) - 3))
    moved = transcript.relabelled(labels)
    for name in ("f0_bins", "inharmonicity", "width", "amplitude", "on", "harmonics"):
        before, after = getattr(transcript, name), getattr(moved, name)
        for n, row in enumerate(labels.tolist()):
            for i, tone in enumerate(row):
                assert_close(after[n, i], before[n, tone], atol=0, rtol=0)
    assert moved.objective is transcript.objective
    assert moved.audible is transcript.audible


def random_transcript(n_frames: int, n_instruments: int = 2) -> Transcript:
    generator = torch.Generator().manual_seed(0)

    def numbers(*shape: int) -> Tensor:
        return torch.rand(n_frames, *shape, generator=generator)

    return Transcript(
        f0_bins=20 + 30 * numbers(n_instruments),
        inharmonicity=1e-3 * numbers(n_instruments),
        width=1 + numbers(n_instruments),
        amplitude=numbers(n_instruments),
        on=torch.ones(n_frames, n_instruments),
        harmonics=numbers(n_instruments, 4),
        objective=numbers(),
        audible=torch.arange(n_frames) % 3 != 1,
    )


def test_the_spectrum_is_shared_out_by_gaussian_peaks_of_the_tones_found() -> None:
    frame = GaborFrame(tiny().frame, RATE_HZ)
    config = ResynthesisConfig(stems="mask", mask_width=1.3, mask_floor=0.01)
    found = random_transcript(5)
    n_bins = 256
    channels = (
        torch.ones(2, 5, n_bins, dtype=torch.complex64) * torch.tensor([1.0, 2j])[:, None, None]
    )
    stems = _Sharer(found, frame, config).explain(channels.mean(0), channels)
    assert stems.shape == (2, 2, 5, n_bins)
    assert bool(found.audible.any())
    assert not bool(found.audible.all())
    for n in range(5):
        envelopes = np.stack(
            [
                found.harmonics[n, i].double().numpy()
                @ dense.peaks(
                    dense.positions(
                        float(found.f0_bins[n, i]), float(found.inharmonicity[n, i]), 4
                    ),
                    1.3 * frame.ideal_width_bins,
                    n_bins,
                )
                for i in range(2)
            ]
        )
        masks = envelopes / (envelopes.sum(0) + 0.01 * envelopes.max())
        masks *= bool(found.audible[n])
        for c, factor in enumerate((1.0, 2j)):
            assert_allclose(stems[:, c, n].numpy(), factor * masks, atol=1e-4)


def test_blocks_are_shared_out_as_the_whole_is() -> None:
    frame = GaborFrame(tiny().frame, RATE_HZ)
    found = random_transcript(11)
    generator = torch.Generator().manual_seed(1)
    channels = torch.view_as_complex(torch.randn(1, 11, 200, 2, generator=generator))
    whole = _Sharer(found, frame, ResynthesisConfig()).explain(channels[0], channels)
    sharer = _Sharer(found, frame, ResynthesisConfig())
    blocks = [
        sharer.explain(channels[0, part], channels[:, part])
        for part in (slice(0, 4), slice(4, 8), slice(8, 11))
    ]
    assert_close(torch.cat(blocks, 2), whole)


def test_pitch_tracks_are_at_the_recordings_own_level_and_silent_where_nothing_sounds() -> None:
    frame = GaborFrame(tiny().frame, RATE_HZ)
    n_samples = 10 * frame.hop_samples
    found = random_transcript(len(frame.centres(n_samples)))
    tracks = pitch_tracks(found, frame, n_samples, gain=4.0)
    heard = found.audible.numpy()
    assert_allclose(tracks.times_s, np.arange(10) * frame.hop_samples / RATE_HZ)
    assert_allclose(tracks.f0_hz, found.f0_bins.T * frame.bin_hz)
    assert_allclose(tracks.amplitude[:, heard], found.amplitude.T[:, heard] / 4)
    assert_array_equal(tracks.amplitude[:, ~heard], 0)
    assert_array_equal(tracks.on, np.stack([heard, heard]))


def test_the_gain_brings_the_recording_to_the_configured_level() -> None:
    recording = panned_duet()
    rms = math.sqrt(np.mean(recording.mono.astype(np.float64) ** 2))
    assert level_gain(recording, tiny()) == pytest.approx(0.1 / rms)
    assert level_gain(recording, tiny(frame={"rms_level": 0.0})) == 1.0


def test_a_shared_out_run_never_holds_more_than_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    # Blocks keep memory flat: no call sees more frames than a block has.
    lengths: list[int] = []
    plain = _Sharer.explain

    def explain(self: _Sharer, mean: Tensor, channels: Tensor) -> Tensor:
        lengths.append(len(mean))
        return plain(self, mean, channels)

    monkeypatch.setattr(_Sharer, "explain", explain)
    result, _ = run(panned_duet(), tiny())
    assert max(lengths) <= BLOCK_FRAMES
    assert sum(lengths) == len(result.pitch.times_s)
