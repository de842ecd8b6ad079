"""The structures method on the shared recordings: ``python -m tests.benchmarks.structures``.

Three tables: how many tones the first pass finds as the paper has it and with each departure
(recordings whose notes are known), the quality of both sounds (BSS Eval v2, gain only, means over
the instruments) with time over length, and what stays in the residual of the faithful sound when
drums or noise are added. The recordings are for development: nothing may be tuned to them.
"""

import csv
import time
from dataclasses import replace
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from musisep_cli import separate
from musisep_cli.frames.framewise import BLOCK_FRAMES, stretches
from musisep_cli.frames.gabor import FrameConfig, GaborFrame
from musisep_cli.frames.spectra import Spectra
from musisep_cli.methods.structures.detector import Detector
from musisep_cli.methods.structures.settings import DetectorSettings
from tests.benchmarks.quality import CASES, DATA, mean_scores, references

FRAME = FrameConfig(max_frequency_hz=12_000.0, rms_level=0.1)
KNOWN_NOTES = {
    "gm-recorder-violin": 2,
    "gm-clarinet-piano": 2,
    "gm-viola-contrabass": 2,
    "gm-two-flutes": 2,
    "gm-wind-quartet": 4,
}
"""Number of instruments of recordings whose notes are written as they sound."""
EDGE_S = 0.04
"""Frames so near to the begin or the end of a note are left out: there, two of them sound."""
SAME_SEMITONES = 0.6
"""A pitch this near to a note's is the note."""
HOPS = 4
"""Every fourth frame is looked at."""
PERIOD_S, DECAY_S = 0.25, 0.02
"""Of the drum-like bursts of noise."""


def steps() -> dict[str, DetectorSettings]:
    """The paper's first pass, then one departure more in every row."""
    settings = DetectorSettings()
    found, likelihood, first = {}, settings.likelihood, settings.first_pass
    likelihood = replace(
        likelihood, sigma=0.03, n_harmonics=1000, weighed=False, n_expected=5, absent_nats=0.0
    )
    first = replace(first, faintest_db=1000.0)

    def add(name: str) -> None:
        found[name] = replace(settings, likelihood=likelihood, first_pass=first)

    add("as the re-implementation has it")
    likelihood = replace(likelihood, n_harmonics=20)
    add("peaks above the 20th harmonic are not explained")
    likelihood = replace(likelihood, weighed=True)
    add("peaks count by their level")
    likelihood = replace(likelihood, sigma=0.01)
    add("sigma_1 = 0.01")
    likelihood = replace(likelihood, absent_nats=2.0)
    add("a first harmonic that is not seen costs 2 nats")
    first = replace(first, faintest_db=35.0)
    add("no candidate 35 dB below the loudest peak")
    return found


def true_pitches_hz(case: str, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """What every stem plays ``[n, i]``, in frames in which all play and none changes its note."""
    with (DATA / case / "notes.csv").open() as file:
        notes = list(csv.DictReader(file))
    stems = sorted({note["stem"] for note in notes})
    pitch_hz, clear = np.zeros((len(times_s), len(stems))), np.ones(len(times_s), bool)
    for note in notes:
        onset_s, offset_s = float(note["onset_s"]), float(note["offset_s"])
        midi = float(note["midi"]) + float(note["detune_cents"] or 0) / 100
        sounds = (times_s >= onset_s) & (times_s < offset_s)
        pitch_hz[sounds, stems.index(note["stem"])] = 440 * 2 ** ((midi - 69) / 12)
        for edge_s in (onset_s, offset_s):
            clear &= np.abs(times_s - edge_s) > EDGE_S
    return np.where(clear[:, None] & (pitch_hz > 0).all(1, keepdims=True), pitch_hz, np.nan)


def found_share(
    case: str, n_instruments: int, settings: DetectorSettings, duration_s: float
) -> float:
    """Share of the tones that the first pass finds, whatever their order."""
    mix, _ = references(case, duration_s)
    frame = GaborFrame(FRAME, mix.sample_rate_hz)
    spectra, detector = Spectra(mix, frame), Detector(frame, n_instruments, settings)
    pitches = []
    for block in stretches(len(spectra), BLOCK_FRAMES):
        for heard in detector.hear(spectra.of_mean[block][::HOPS]):
            pitches.append(heard.sets.f0_bins * frame.bin_hz)
    times_s = spectra.centres.numpy()[::HOPS] / mix.sample_rate_hz
    truth = true_pitches_hz(case, times_s)
    with np.errstate(divide="ignore", invalid="ignore"):
        semitones = 12 * np.abs(np.log2(np.concatenate(pitches)[:, :, None] / truth[:, None]))
    hit = (semitones < SAME_SEMITONES).any(1)
    return float(hit[~np.isnan(truth[:, 0])].mean())


def pitch_table(duration_s: float) -> None:
    """Print the share of tones found, step by step."""
    print("| first pass | " + " | ".join(KNOWN_NOTES) + " | mean |")
    print("| --- |" + " --- |" * (len(KNOWN_NOTES) + 1))
    for name, settings in steps().items():
        shares = [found_share(case, n, settings, duration_s) for case, n in KNOWN_NOTES.items()]
        cells = " | ".join(f"{share:.2f}" for share in (*shares, np.mean(shares)))
        print(f"| {name} | {cells} |", flush=True)


def quality_table(cases: str, duration_s: float | None) -> None:
    """Print the quality and the time of both sounds."""
    print("| case | length | sound | SDR / SIR / SAR, dB | CPU time / length |")
    print("| --- | --- | --- | --- | --- |")
    for case in cases.split(","):
        mix, truth = references(case, duration_s)
        for sound in ("decoded", "faithful"):
            start_s = time.process_time()
            found = separate(
                mix.samples,
                mix.sample_rate_hz,
                len(truth),
                preset="structures",
                settings={"structures": {"sound": sound}, "run": {"threads": 1}},
                device="cpu",
            )
            ratio = (time.process_time() - start_s) / mix.duration_s
            scores = mean_scores(truth, found.stems.astype(np.float64))
            row = " / ".join(f"{value:.1f}" for value in scores)
            print(
                f"| {case} | {mix.duration_s:.0f} s | {sound} | {row} | {ratio:.2f} |", flush=True
            )


def residual_table(duration_s: float) -> None:
    """Print what of a sound that is no instrument's stays in the residual of the faithful sound."""
    print("| music | added | of it in the residual | in the stems | SDR of the stems, dB |")
    print("| --- | --- | --- | --- | --- |")
    for case in ("gm-recorder-violin", "gm-piccolo-organ", "gm-clarinet-piano"):
        mix, truth = references(case, duration_s)
        music, rate_hz = mix.samples[:, 0].astype(np.float64), mix.sample_rate_hz
        for name, other in added_sounds(len(music), rate_hz).items():
            other = other * np.sqrt(0.1 * np.square(music).sum() / np.square(other).sum())
            both = (music + other).astype(np.float32)
            found = separate(
                both,
                rate_hz,
                len(truth),
                preset="structures",
                settings={"structures": {"sound": "faithful"}},
                device="cpu",
            )
            stems = found.stems.astype(np.float64).reshape(len(truth), -1)
            shares = [
                float(sound @ other) / float(other @ other)
                for sound in (both - stems.sum(0), stems.sum(0))
            ]
            sdr_db = mean_scores(truth, stems)[0]
            cells = f"{shares[0]:.0%} | {shares[1]:.0%} | {sdr_db:.1f}"
            print(f"| {case} | {name}, 10 dB below | {cells} |", flush=True)


def added_sounds(n_samples: int, rate_hz: int) -> dict[str, NDArray[np.float64]]:
    """Sounds without a pitch, ``[t]``."""
    noise = np.random.default_rng(0).normal(size=n_samples)
    since_s = (np.arange(n_samples) / rate_hz) % PERIOD_S
    return {"drum-like bursts": noise * np.exp(-since_s / DECAY_S), "noise": noise}


def main(
    only: Annotated[str, typer.Option(help="pitches, quality or residual.")] = "",
    cases: str = ",".join(CASES),
    duration: Annotated[float | None, typer.Option(help="Only the first seconds.")] = None,
) -> None:
    """Print the tables."""
    if only in ("", "pitches"):
        pitch_table(duration or 12.0)
    if only in ("", "quality"):
        quality_table(cases, duration)
    if only in ("", "residual"):
        residual_table(duration or 12.0)


if __name__ == "__main__":
    typer.run(main)
