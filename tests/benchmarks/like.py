"""Instruments asked for by a solo, on the shared recordings: ``python -m tests.benchmarks.like``.

Of every duet and trio, each instrument is asked for by its first seconds alone, and the mixture is
of a later passage. A row says whether the stem was the right one (that which has the best SDR for
the instrument), the SDR of the nearest stem when all were separated blind, and with the instruments
held; the presence; and of instruments that are in other recordings only, how many were said to be
absent. BSS Eval v2, gain only. The recordings are for development: nothing may be tuned to them.
"""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import soundfile
import typer
from numpy.typing import NDArray

from musisep_cli import separate
from musisep_cli.evaluation.metrics import array_blocks, bss_eval_v2
from musisep_cli.machine.process import keep_freed_memory
from musisep_cli.methods.given_like import chosen
from musisep_cli.methods.method import Result
from musisep_cli.players.given.by_likeness import LikeConfig
from musisep_cli.sound.audio_file import read
from musisep_cli.tones.identity import Identity, learn_solo
from tests.benchmarks.quality import DATA

CASES = (
    "urmp-viola-doublebass",
    "bach10-violin-bassoon",
    "bach10-clarinet-bassoon",
    "bach10-trio",
    "gm-recorder-violin",
    "gm-clarinet-piano",
    "gm-piccolo-organ",
    "gm-piccolo-organ-oboe",
    "choir-2",
    "gm-viola-contrabass",
    "gm-two-flutes",
    "gm-oboe-piano-chords",
    "gm-flute-guitar-chords",
    "gm-oboe-drums",
    "piano-violin-16k",
)
MOST_SOLO_S = 8.0
LEAST_HEARD_S = 1.0
HEAD = """\
| case | instrument | right stem | SDR blind, dB | SDR held, dB | presence | others said absent |
| --- | --- | --- | --- | --- | --- | --- |"""


@dataclass(frozen=True)
class Solo:
    """The first seconds of an instrument, and what they say of it."""

    case: str
    name: str
    samples: NDArray[np.float32]
    sample_rate_hz: int
    identity: Identity

    @property
    def kind(self) -> str:
        """The name without a number: two flutes are of one kind."""
        return self.name.rstrip("0123456789")


def main(
    cases: str = ",".join(CASES),
    duration: Annotated[float, typer.Option(help="Seconds of every mixture.")] = 8.0,
) -> None:
    """Separate, ask and score; rows as soon as a recording is done."""
    keep_freed_memory()  # as the programs do
    solos = {case: list(solos_of(case)) for case in CASES}
    print(HEAD)
    for case in cases.split(","):
        strangers = [solo for other in CASES for solo in solos[other] if other != case]
        for row in rows(case, solos[case], strangers, duration):
            print(row, flush=True)


def solos_of(case: str) -> Iterator[Solo]:
    """The solos of a recording's instruments, as far as there are clear tones in them."""
    for name in json.loads((DATA / case / "meta.json").read_text("utf-8"))["stems"]:
        whole = read(DATA / case / name)
        samples = whole.samples[: round(solo_s(whole.duration_s) * whole.sample_rate_hz)]
        identity = learn_solo(samples.mean(1), whole.sample_rate_hz)
        yield Solo(case, Path(name).stem, samples, whole.sample_rate_hz, identity)


def solo_s(duration_s: float) -> float:
    """How much of a recording is solo: at most half."""
    return min(MOST_SOLO_S, duration_s / 2)


def rows(case: str, solos: list[Solo], strangers: list[Solo], duration_s: float) -> Iterator[str]:
    """The rows of a recording."""
    whole_s = read(DATA / case / "mix.flac").duration_s
    start_s = solo_s(whole_s)
    part = {"start_s": start_s, "duration_s": min(duration_s, whole_s - start_s - 0.01)}
    mix = read(DATA / case / "mix.flac", **part)
    reference = np.stack(
        [read(DATA / case / f"{solo.name}.flac", **part).samples.mean(1) for solo in solos]
    )
    blind = separate(mix.samples, mix.sample_rate_hz, len(solos), device="cpu")
    held = with_solos(mix.samples, mix.sample_rate_hz, solos)
    result = Result(stems=blind.stems, tracks=blind.pitch, objective=0.0)
    blind_db, held_db = (sdr_db(reference, stems) for stems in (blind.stems, held))
    kinds = {solo.kind for solo in solos}
    known = [solo for solo in strangers if solo.kind not in kinds and clear(solo)]
    absent = [not asked(result, solo, mix.sample_rate_hz).likes[0]["heard"] for solo in known]
    for i, solo in enumerate(solos):
        if not clear(solo):
            yield f"| {case} | {solo.name} | refused: no clear single tones | | | | |"
            continue
        found = asked(result, solo, mix.sample_rate_hz)
        nearest = asked(result, solo, mix.sample_rate_hz, silent=False).stems[0]
        got = next(
            j for j, stem in enumerate(blind.stems) if stem is nearest or same(stem, nearest)
        )
        right = "yes" if got == int(blind_db[i].argmax()) else "no"
        yield (
            f"| {case} | {solo.name} | {right} | {blind_db[i, got]:.1f} | {held_db[i, i]:.1f} | "
            f"{found.likes[0]['presence']:.2f} | {sum(absent)} of {len(absent)} |"
        )


def clear(solo: Solo) -> bool:
    """Whether the solo would be taken."""
    return solo.identity.total_s >= LEAST_HEARD_S


def same(stem: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    """Whether two stems hold the same numbers."""
    return bool((stem == other).all())


def asked(result: Result, solo: Solo, sample_rate_hz: int, *, silent: bool = True) -> Result:
    """The result with one instrument asked for; ``silent`` where it is not heard."""
    config = LikeConfig(names=(solo.name,), others=False)
    found = chosen(result, config, [[solo.identity]], sample_rate_hz)
    if silent or found.likes[0]["heard"]:
        return found
    return chosen(result, config, [[solo.identity]], sample_rate_hz, even=np.inf)


def with_solos(
    samples: NDArray[np.float32], sample_rate_hz: int, solos: list[Solo]
) -> NDArray[np.float32]:
    """The stems when all instruments are asked for at once, in the order of the solos."""
    with tempfile.TemporaryDirectory() as folder:
        asked_for = [solo for solo in solos if clear(solo)]
        paths = [Path(folder) / f"{solo.name}.wav" for solo in asked_for]
        for path, solo in zip(paths, asked_for, strict=True):
            soundfile.write(path, solo.samples, solo.sample_rate_hz, subtype="FLOAT")
        names = [solo.name for solo in asked_for]
        settings = {"like": {"names": names, "files": [str(path) for path in paths]}}
        found = separate(samples, sample_rate_hz, len(solos), settings=settings, device="cpu")
    order = [*names, *(solo.name for solo in solos if not clear(solo))]
    return found.stems[[order.index(solo.name) for solo in solos]]


def sdr_db(reference: NDArray[np.float32], stems: NDArray[np.float32]) -> NDArray[np.float64]:
    """SDR of every stem ``[j, t, c]`` for every reference ``[i, t]``, ``[i, j]``."""
    estimate = stems.mean(2).astype(np.float64)
    pairs = bss_eval_v2(array_blocks(reference=reference.astype(np.float64), estimate=estimate))
    return pairs.sdr_db


if __name__ == "__main__":
    typer.run(main)
