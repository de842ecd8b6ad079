"""One instrument by its identity: ``python -m tests.benchmarks.identity --weights FILE``.

Gain in SI-SDR over the unprocessed mixture, at 16 kHz: of generated mixtures whose instruments, or
whose sounds, no training had (they are made in the folder of the music if they are missing, which
needs FluidSynth), and of the shared recordings, whose excerpts are from the half that is not
separated. Asked for in each mixture: every instrument, and one of another recording.

The bars of the specification: 6 dB on held-out programs, 2 dB on real recordings, above the no-op
in 90 % of cases, the right instrument in 90 %, absent ones below -20 dB.
"""

import functools
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import soxr
import torch
import typer
from numpy.typing import NDArray

from musisep_cli.methods.identity import weights
from musisep_cli.methods.identity.extraction import extract, identity_of, presence
from musisep_cli.methods.identity.frames import SAMPLE_RATE_HZ
from musisep_cli.methods.identity.loss import si_sdr_db
from musisep_cli.methods.identity.network import Network
from musisep_cli.methods.identity.training import pool
from musisep_cli.methods.identity.training.exam import Exam, examine, questions
from musisep_cli.methods.identity.training.mixing import Mixer, MixingConfig
from musisep_cli.sound.audio_file import read
from tests.benchmarks.quality import DATA

MUSIC = Path(tempfile.gettempdir()) / "musisep-music"
PIECES = 40
BATCHES = 26
"""104 questions."""
REAL = (
    "bach10-violin-bassoon",
    "bach10-clarinet-bassoon",
    "bach10-trio",
    "urmp-viola-doublebass",
    "choir-2",
    "piano-violin-16k",
)
SAMPLED = (
    "gm-recorder-violin",
    "gm-clarinet-piano",
    "gm-piccolo-organ-oboe",
    "gm-oboe-drums",
    "gm-oboe-piano-chords",
    "gm-flute-guitar-chords",
    "gm-string-quartet",
    "gm-wind-quintet",
)
HEAD = """\
| case | instrument | mixture, dB | gain, dB | its own | presence |
| --- | --- | --- | --- | --- | --- |"""
Stems = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of one question about a recording."""

    plays: bool
    before_db: float
    gain_db: float
    right: bool
    level_db: float
    presence: float


def main(
    weights_file: Annotated[Path, typer.Option("--weights", help="What the training wrote.")],
    music: Annotated[Path, typer.Option(help="Folder of the generated music.")] = MUSIC,
    data: Annotated[Path, typer.Option(help="Folder of the shared recordings.")] = DATA,
    batches: Annotated[
        int, typer.Option(help="Of eight questions about generated music.")
    ] = BATCHES,
    cases: Annotated[str, typer.Option(help="Recordings.")] = ",".join((*REAL, *SAMPLED)),
    threads: int = 1,
) -> None:
    """Print tables, one row as soon as it is known."""
    torch.set_num_threads(threads)
    network = weights.load(weights_file)
    print("| generated | gain, dB: mean, median | above no-op | the right one | absent, dB |")
    print("| --- | --- | --- | --- | --- |")
    for kind in pool.KINDS[1:]:
        print(generated_row(kind, network, music, batches), flush=True)
    for title, group in (("real", REAL), ("sampled", SAMPLED)):
        wanted = [case for case in group if case in cases.split(",")]
        if wanted:
            print(f"\n{HEAD}")
            answers = [answer for case in wanted for answer in told(case, data, network)]
            print(f"\n{summary(title, answers)}", flush=True)
    print(f"\n{speed(network)}")


def generated_row(kind: pool.Kind, network: Network, music: Path, n_batches: int) -> str:
    """The scores of a pool's mixtures; what is missing of the pool is made first."""
    for _ in pool.fill(music / kind.name, kind, range(PIECES)):
        pass
    mixer = Mixer(music / kind.name, PIECES, MixingConfig(), seed=0)
    found: Exam = examine(network, questions(mixer, n_batches))
    return (
        f"| {kind.name} | {found.gain_db:.1f}, {found.median_gain_db:.1f} | "
        f"{found.above_no_op:.0%} | {found.right_one:.0%} | {found.absent_db:.1f} |"
    )


def told(case: str, data: Path, network: Network) -> Iterator[Answer]:
    """The answers to all questions about a recording, printed as rows."""
    stems, excerpts = halves(case, data)
    stranger = excerpts_of_another(case, data)
    for name, excerpt in (*excerpts.items(), stranger):
        answer = asked(stems, name, excerpt, network)
        gain = f"{answer.gain_db:.1f}" if answer.plays else f"level {answer.level_db:.1f}"
        own = "yes" if answer.right else "**no**"
        print(
            f"| {case} | {name} | {answer.before_db:.1f} | {gain} | "
            f"{own if answer.plays else 'absent'} | {answer.presence:.2f} |",
            flush=True,
        )
        yield answer


def halves(case: str, data: Path) -> tuple[Stems, Stems]:
    """First halves of a recording's stems to mix, and second halves to know them by."""
    folder = data / case
    names = json.loads((folder / "meta.json").read_text("utf-8"))["stems"]
    at_rate = {Path(name).stem: resampled(folder / name) for name in names}
    n_half = len(next(iter(at_rate.values()))) // 2
    first = {name: stem[:n_half] for name, stem in at_rate.items()}
    return first, {name: stem[n_half:] for name, stem in at_rate.items()}


@functools.cache
def resampled(path: Path) -> NDArray[np.float32]:
    """A stem ``[t]`` at the network's rate."""
    recording = read(path)
    return np.asarray(soxr.resample(recording.mono, recording.sample_rate_hz, SAMPLE_RATE_HZ))


def excerpts_of_another(case: str, data: Path) -> tuple[str, NDArray[np.float32]]:
    """An instrument that does not play in a recording, and its excerpt."""
    stems, _ = halves(case, data)
    for other in (*REAL, *SAMPLED):
        for name, excerpt in halves(other, data)[1].items():
            if not {name, name.rstrip("12")} & set(stems):
                return f"{name} ({other})", excerpt
    raise ValueError(case)


def asked(stems: Stems, name: str, excerpt: NDArray[np.float32], network: Network) -> Answer:
    """What comes out of the mixture of stems for an excerpt."""
    mixture = np.sum(list(stems.values()), axis=0)
    identity = identity_of(excerpt[:, None], SAMPLE_RATE_HZ, network)
    blocks = extract(mixture[:, None], SAMPLE_RATE_HZ, identity, network)
    estimate = np.concatenate(list(blocks))[:, 0]
    scores = {own: decibels(stem, estimate) for own, stem in stems.items()}
    reference = stems.get(name)
    before = float("nan") if reference is None else decibels(reference, mixture)
    return Answer(
        plays=reference is not None,
        before_db=before,
        gain_db=scores.get(name, float("nan")) - before,
        right=max(scores, key=lambda own: scores[own]) == name,
        level_db=10 * np.log10(np.square(estimate).sum() / np.square(mixture).sum()),
        presence=presence(estimate[:, None], SAMPLE_RATE_HZ, identity, network),
    )


def decibels(reference: NDArray[np.float32], estimate: NDArray[np.float32]) -> float:
    """SI-SDR of one waveform."""
    pair = (torch.from_numpy(np.ascontiguousarray(wave)).double() for wave in (reference, estimate))
    true, found = pair
    return float(si_sdr_db(reference=true, estimate=found))


def summary(title: str, answers: list[Answer]) -> str:
    """Means over a group of recordings."""
    playing = [answer for answer in answers if answer.plays]
    absent = [answer.level_db for answer in answers if not answer.plays]
    gains = [answer.gain_db for answer in playing]
    return (
        f"{title}: gain {np.mean(gains):.1f} dB, above no-op {np.mean(np.array(gains) > 0):.0%}, "
        f"the right one {np.mean([answer.right for answer in playing]):.0%}, "
        f"absent {np.mean(absent):.1f} dB"
    )


def speed(network: Network) -> str:
    """How many seconds of a recording take one second of CPU time."""
    generator = np.random.default_rng(0)
    recording = generator.standard_normal((60 * 44_100, 2), np.float32)
    identity = network.named(torch.tensor([0]))[0]
    started_s = time.process_time()
    for _ in extract(recording, 44_100, identity, network):
        pass
    taken_s = time.process_time() - started_s
    return f"60 s of stereo at 44.1 kHz take {taken_s:.1f} s of CPU time: {60 / taken_s:.0f} x"


if __name__ == "__main__":
    typer.run(main)
