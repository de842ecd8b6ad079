"""Sparse pursuit on the shared recordings: ``python -m tests.benchmarks.pursuit``.

Tables in Markdown: quality of several seeds, blind and against the truth; the same with the best of
several dictionaries, as the preset has it; a dictionary that is used on the other half of its
recording; CPU seconds by stage. BSS Eval v2 (gain only), means over the instruments. The recordings
are for development: nothing may be tuned to them.
"""

import statistics
import time
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from scipy.stats import spearmanr

from musisep_cli.frames.framewise import BLOCK_FRAMES, stretches
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.frames.spectra import Spectra
from musisep_cli.methods.pursuit.choice import Choice
from musisep_cli.methods.pursuit.mask import stems_of
from musisep_cli.methods.pursuit.settings import PursuitSettings
from musisep_cli.methods.pursuit.spectrogram import log_spectra
from musisep_cli.methods.pursuit.transcription import (
    FoundTones,
    LogFrames,
    found_tones,
    misfit,
)
from musisep_cli.run.settings.compose import compose
from musisep_cli.sound.recording import Recording
from musisep_cli.stems.waveforms import resynthesise
from tests.benchmarks.quality import Stems, mean_scores, references

DUETS = "gm-recorder-violin,gm-piccolo-organ,bach10-violin-bassoon,bach10-clarinet-bassoon"


@dataclass(frozen=True)
class Piece:
    """A recording on the log axis.

    Attributes:
        spectra: its frames.
        frames: redrawn.
        reference: stems ``[i, t]``.
        cpu_s: time that the conversion took.
    """

    spectra: Spectra
    frames: LogFrames
    reference: Stems
    cpu_s: float


@dataclass(frozen=True)
class Outcome:
    """What one dictionary led to.

    Attributes:
        columns: D, transposed, ``[i, h]``.
        scores: SDR, SIR and SAR in dB.
        misfit: the blind criterion.
        cpu_s: of the pursuit, and of the resynthesis.
    """

    columns: NDArray[np.float64]
    scores: list[float]
    misfit: float
    cpu_s: tuple[float, float]


def converted(mix: Recording, reference: Stems, settings: PursuitSettings) -> Piece:
    """A recording with its log-frequency spectrogram."""
    spectra = Spectra(mix, GaborFrame(settings.frame, mix.sample_rate_hz))
    before = time.process_time()
    blocks = [
        log_spectra(spectra.of_mean[block], spectra.frame, settings.lines)
        for block in stretches(len(spectra), BLOCK_FRAMES)
    ]
    return Piece(spectra, LogFrames(torch.cat(blocks)), reference, time.process_time() - before)


def learned(
    piece: Piece, settings: PursuitSettings, seed: int
) -> tuple[NDArray[np.float64], float]:
    """The best of the settings' dictionaries ``[i, h]``, and the CPU seconds it took."""
    before = time.process_time()
    choice = Choice(piece.frames, settings, len(piece.reference), seed)
    for _ in choice.run():
        pass
    assert choice.best is not None
    return choice.best, time.process_time() - before


def separated(piece: Piece, columns: NDArray[np.float64], settings: PursuitSettings) -> Outcome:
    """The stems of a dictionary, scored."""
    before = time.process_time()
    found: FoundTones = found_tones(piece.frames, columns, settings.pursuit)
    pursued = time.process_time()
    blocks = stretches(len(found), BLOCK_FRAMES)

    def explain(channels: torch.Tensor) -> torch.Tensor:
        tones = found[next(blocks)].tones.numpy()
        return stems_of(channels, tones, columns, piece.spectra.frame, settings.mask)

    spectra = piece.spectra
    parts = list(resynthesise(spectra.frame, spectra.samples, explain, spectra.gain))
    stems = torch.cat(parts, -1).transpose(1, 2).double().numpy()
    after = time.process_time()
    scores = mean_scores(piece.reference, stems)
    return Outcome(columns, scores, misfit(found), (pursued - before, after - pursued))


def quality(
    cases: list[str], settings: PursuitSettings, seeds: int, duration: float | None
) -> None:
    """Seeds of single dictionaries: how well the misfit tells the best, and what several gain."""
    one = replace(settings, training=replace(settings.training, dictionaries=1))
    n_tried = settings.training.dictionaries
    print(
        "\n| case | SDR of the seeds, dB | mean, best | SIR, SAR of the mean | of least misfit "
        f"| rank correlation | mean of the least of {n_tried} | CPU s: convert, learn, separate |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- |"
    )
    for case in cases:
        piece = converted(*references(case, duration), one)
        found, spent_s = [], []
        for seed in range(seeds):
            columns, cpu_s = learned(piece, one, seed)
            found.append(separated(piece, columns, one))
            spent_s.append((piece.cpu_s, cpu_s, sum(found[-1].cpu_s)))
        sdr = [outcome.scores[0] for outcome in found]
        misfits = [outcome.misfit for outcome in found]
        sir_db, sar_db = (statistics.mean(o.scores[k] for o in found) for k in (1, 2))
        rank = spearmanr(misfits, sdr).statistic if seeds > 2 else float("nan")
        print(
            f"| {case} | {', '.join(f'{x:.1f}' for x in sdr)} | {statistics.mean(sdr):.2f}, "
            f"{max(sdr):.2f} | {sir_db:.1f}, {sar_db:.1f} | {sdr[int(np.argmin(misfits))]:.2f} "
            f"| {rank:.2f} | {_least_of(n_tried, misfits, sdr):.2f} | "
            f"{', '.join(f'{x:.1f}' for x in np.median(spent_s, 0))} |",
            flush=True,
        )


def _least_of(n_tried: int, misfits: list[float], sdr: list[float]) -> float:
    """Mean SDR of the least misfit among n seeds, over all choices of n seeds.

    >>> _least_of(1, [1.0, 2.0], [5.0, 3.0]), _least_of(2, [1.0, 2.0], [5.0, 3.0])
    (4.0, 5.0)
    """
    order, n_seeds = np.argsort(misfits), len(sdr)
    n_tried = min(n_tried, n_seeds)
    # The k-th best is chosen where all others come from behind it.
    ways = [_choose(n_seeds - k - 1, n_tried - 1) for k in range(n_seeds)]
    return float(np.dot(ways, np.array(sdr)[order]) / sum(ways))


def _choose(n: int, k: int) -> int:
    return round(float(np.prod([(n - j) / (j + 1) for j in range(k)]))) if k <= n else 0


def reuse(cases: list[str], settings: PursuitSettings, seeds: int) -> None:
    """Halves of a recording, each separated by its own dictionary and by the other's."""
    print(
        "\n| case, half | SDR by its own dictionary, dB | by the other half's |\n"
        "| --- | --- | --- |"
    )
    for case in cases:
        mix, reference = references(case, None)
        middle = mix.n_samples // 2
        pieces = [
            converted(replace(mix, samples=mix.samples[part]), reference[:, part], settings)
            for part in (slice(0, middle), slice(middle, None))
        ]
        columns = [[learned(piece, settings, seed)[0] for seed in range(seeds)] for piece in pieces]
        for half, piece in enumerate(pieces):
            own, other = (
                [separated(piece, d, settings).scores[0] for d in columns[k]]
                for k in (half, 1 - half)
            )
            print(f"| {case}, {half + 1} | {_list(own)} | {_list(other)} |", flush=True)


def _list(values: list[float]) -> str:
    return f"{statistics.mean(values):.2f} ({', '.join(f'{value:.1f}' for value in values)})"


def speed(case: str, settings: PursuitSettings) -> None:
    """CPU seconds of one dictionary by the length of the recording."""
    settings = replace(settings, training=replace(settings.training, dictionaries=1))
    print(
        f"\n| {case} | convert | learn one dictionary | pursue | resynthesise | sum, CPU s |\n"
        "| --- | --- | --- | --- | --- | --- |"
    )
    for duration_s in (3.0, 6.0, 12.0, 24.0):  # the first compiles what is not in the cache
        piece = converted(*references(case, duration_s), settings)
        columns, learn_s = learned(piece, settings, 0)
        stages_s = (piece.cpu_s, learn_s, *separated(piece, columns, settings).cpu_s)
        cells = " | ".join(f"{x:.1f}" for x in (*stages_s, sum(stages_s)))
        print(f"| {duration_s:.0f} s | {cells} |", flush=True)


def main(
    cases: str = DUETS,
    seeds: int = 3,
    preset: str = "pursuit",
    only: Annotated[str, typer.Option(help="quality, reuse or speed; else all.")] = "",
    duration: Annotated[float | None, typer.Option(help="Only the first seconds.")] = None,
) -> None:
    """Print the tables."""
    torch.set_num_threads(1)
    settings: PursuitSettings = compose(preset).settings
    if only in ("", "speed"):
        speed("bach10-violin-bassoon", settings)
    if only in ("", "quality"):
        quality(cases.split(","), settings, seeds, duration)
    if only in ("", "reuse"):
        reuse(cases.split(","), settings, seeds)


if __name__ == "__main__":
    typer.run(main)
