"""Quality on mixtures that nobody made: ``python -m tests.benchmarks.crossed``.

Stems of different shared recordings against each other: other pairs of instruments, registers that
cross, notes that do not fit. Whoever plays what shows here; the seven recordings are too kind.
"""

from itertools import combinations
from pathlib import Path
from random import Random
from typing import Annotated, TypeAlias

import numpy as np
import soxr
import typer
from numpy.typing import NDArray

from musisep_cli.methods.method import Settings
from musisep_cli.run.settings.compose import read_settings
from musisep_cli.sound.audio_file import read
from musisep_cli.sound.recording import Recording
from tests.benchmarks.quality import CASES, DATA, HEAD, measured

RATE_HZ = 22_050
FIRST_S = 1.0
RMS = 0.08
Stem: TypeAlias = tuple[str, str]


def main(
    mixtures: Annotated[
        list[str] | None, typer.Argument(help="case/stem,case/stem ...; random ones if none.")
    ] = None,
    number: Annotated[int, typer.Option(help="Of random ones.")] = 12,
    instruments: int = 2,
    duration: float = 12.0,
    seed: Annotated[int, typer.Option(help="Of the choice of stems.")] = 0,
    config: Annotated[Path | None, typer.Option(help="Settings on top of the preset.")] = None,
) -> None:
    """Separate and score; one row per mixture as soon as it is done."""
    settings: Settings = read_settings(config).settings if config else {}
    print(HEAD)
    wanted = [tuple(map(_stem, mixture.split(","))) for mixture in mixtures or []]
    for stems in wanted or chosen(number, instruments, seed):
        recording, reference = mixed(stems, duration)
        name = ", ".join(f"{stem} ({case})" for case, stem in stems)
        print(measured(name, recording, reference, "standard", settings, 1), flush=True)


def chosen(n_mixtures: int, n_instruments: int, seed: int) -> list[tuple[Stem, ...]]:
    """Some of all sets of stems of different recordings and instruments."""
    names = [
        (case, path.stem)
        for case in (*CASES, "choir-2")
        for path in sorted((DATA / case).glob("*.flac"))
        if path.stem != "mix"
    ]
    sets = [
        stems
        for stems in combinations(names, n_instruments)
        if all(len(set(column)) == n_instruments for column in zip(*stems, strict=True))
    ]
    return Random(seed).sample(sets, n_mixtures)


def _stem(text: str) -> Stem:
    case, name = text.split("/")
    return case, name


def mixed(stems: tuple[Stem, ...], duration_s: float) -> tuple[Recording, NDArray[np.float64]]:
    """Their mixture, all at one level, and they themselves ``[i, t]``."""
    reference = np.stack([_played(stem, duration_s) for stem in stems])
    mixture = reference.sum(0)[:, None].astype(np.float32)
    return Recording(samples=mixture, sample_rate_hz=RATE_HZ), reference


def _played(stem: Stem, duration_s: float) -> NDArray[np.float64]:
    case, name = stem
    sound = read(DATA / case / f"{name}.flac", start_s=FIRST_S, duration_s=duration_s)
    samples: NDArray[np.float64] = soxr.resample(
        sound.samples[:, 0].astype(np.float64), sound.sample_rate_hz, RATE_HZ
    )
    samples = samples[: round(duration_s * RATE_HZ)]
    return RMS * samples / np.sqrt(np.mean(samples**2))


if __name__ == "__main__":
    typer.run(main)
