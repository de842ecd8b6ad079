"""Does the agreement of seeds tell good from bad? ``python -m tests.benchmarks.agreement``.

Blind figures beside true ones: how far the seeds of a run agree in every second, and the SDR of
that second; how far they agree with each seed, and its SDR. The network hears a recording once for
all seeds, as it does not depend on them where nothing is trained.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias
from unittest.mock import patch

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from scipy.stats import rankdata

from musisep_cli.evaluation.metrics import array_blocks, best_assignment, bss_eval_v2
from musisep_cli.inspection.seed_agreement import SeedAgreement, agreement_of
from musisep_cli.methods.decoding import separate as decoding
from musisep_cli.run.one_seed import run_seed
from musisep_cli.run.settings.compose import compose, resolved
from tests.benchmarks.quality import CASES, Stems, mean_scores, references

Values: TypeAlias = NDArray[np.float64]

MORE_CASES = ("choir-2", "gm-two-flutes", "gm-viola-contrabass", "gm-string-quartet")
SILENT = 1e-3
"""Share of the recording's mean energy below which a second is not scored."""
HEAD = """\
| case | agreement, chosen seed | rank correlation, by second | SDR by objective | by agreement | \
best | worst |
| --- | --- | --- | --- | --- | --- | --- |"""


@dataclass(frozen=True)
class Measured:
    """Of one recording: agreement and SDR of the seconds of all seeds, and of the seeds."""

    by_second: list[tuple[float, float]]
    chosen_by_second: list[tuple[float, float]]
    shares: list[float]
    sdr_db: list[float]
    objectives: list[float]


def main(
    preset: str = "standard",
    seeds: int = 6,
    cases: str = ",".join((*CASES, *MORE_CASES)),
    duration: float = 8.0,
) -> None:
    """A row per recording, and below them the correlation over the seconds of all."""
    print(HEAD)
    found = []
    for case in cases.split(","):
        found.append(measured(case, preset, seeds, duration))
        print(row(case, found[-1]), flush=True)
    seconds = [pair for each in found for pair in each.chosen_by_second]
    print(f"\nrank correlation over {len(seconds)} seconds: {correlation(seconds):.2f}")
    marked = [sdr_db for share, sdr_db in seconds if share < 0.6]
    others = [sdr_db for share, sdr_db in seconds if share >= 0.6]
    of_marked, of_others = _median(marked), _median(others)
    print(f"median SDR of {len(marked)} marked seconds: {of_marked}, of others {of_others}")
    scored = [(np.mean(each.shares), np.mean(each.sdr_db)) for each in found]
    print(f"rank correlation over {len(scored)} recordings: {correlation(scored):.2f}")


def measured(case: str, preset: str, n_seeds: int, duration_s: float) -> Measured:
    mix, reference = references(case, duration_s)
    changes = {"run": {"instruments": len(reference), "threads": 1}}
    device = torch.device("cpu")
    config = resolved(compose(preset, changes), device)
    with heard_once():
        results = [run_seed(mix, config, seed, device, lambda _: None) for seed in range(n_seeds)]
    agreement = agreement_of({result.seed: result.tracks for result in results})
    assert agreement is not None
    stems = [np.stack([np.asarray(s)[:, 0] for s in each.stems]) for each in results]
    pairs = [
        by_second(agreement, result.seed, reference, estimate, mix.sample_rate_hz)
        for result, estimate in zip(results, stems, strict=True)
    ]
    chosen = min(range(n_seeds), key=lambda seed: results[seed].objective)
    return Measured(
        by_second=[pair for each in pairs for pair in each],
        chosen_by_second=pairs[chosen],
        shares=[agreement.share(seed) or 0.0 for seed in range(n_seeds)],
        sdr_db=[mean_scores(reference, estimate)[0] for estimate in stems],
        objectives=[result.objective for result in results],
    )


@contextmanager
def heard_once() -> Iterator[None]:
    """Hears a recording for the first seed only, and makes stems of each decoding only once."""
    hear, stems = decoding._Scene._hear, decoding._Scene.stems
    heard: list[Any] = []
    made: dict[bytes, Any] = {}

    def hear_once(scene: Any, stage: str) -> Any:
        if not heard:
            heard.append(hear(scene, stage)[0 : len(scene.spectra)])
        return heard[0]

    def make_once(scene: Any, found: Any, *rest: Any) -> Any:
        choice = found.decoding.hypotheses.tobytes() + found.decoding.tones.tobytes()
        if choice not in made:
            made[choice] = stems(scene, found, *rest)
        return made[choice]

    with (
        patch.object(decoding._Scene, "_hear", hear_once),
        patch.object(decoding._Scene, "stems", make_once),
    ):
        yield


def by_second(
    agreement: SeedAgreement, seed: int, reference: Stems, estimate: Stems, rate_hz: int
) -> list[tuple[float, float]]:
    """Agreement and SDR of every second that sounds, all instruments together."""
    pairs = bss_eval_v2(array_blocks(reference=reference, estimate=estimate))
    order = [j for _, j in sorted(best_assignment(pairs))]
    noise, power = (reference - estimate[order]) ** 2, reference**2
    line = agreement.by_frame[agreement.seeds.index(seed)]
    found = []
    for second in range(reference.shape[1] // rate_hz):
        part = slice(second * rate_hz, (second + 1) * rate_hz)
        inside = line[(agreement.times_s >= second) & (agreement.times_s < second + 1)]
        inside = inside[np.isfinite(inside)]
        if len(inside) and power[:, part].sum() > SILENT * power.mean() * rate_hz * len(power):
            ratio = power[:, part].sum() / max(noise[:, part].sum(), 1e-12)
            found.append((float(inside.mean()), float(10 * np.log10(ratio))))
    return found


def row(case: str, found: Measured) -> str:
    by_objective = int(np.argmin(found.objectives))
    by_agreement = int(np.argmax(found.shares))
    sdr_db = [found.sdr_db[by_objective], found.sdr_db[by_agreement]]
    sdr_db += [max(found.sdr_db), min(found.sdr_db)]
    cells = [f"{found.shares[by_objective]:.0%}", f"{correlation(found.chosen_by_second):.2f}"]
    return f"| {' | '.join([case, *cells, *(f'{value:.2f}' for value in sdr_db)])} |"


def correlation(pairs: list[Any]) -> float:
    """Spearman's rank correlation of pairs; NaN where one side is always the same."""
    ranks = np.array([rankdata(side) for side in zip(*pairs, strict=True)])
    if len(pairs) < 2 or not np.ptp(ranks, axis=1).all():
        return float("nan")
    return float(np.corrcoef(ranks)[0, 1])


def _median(values: list[float]) -> str:
    return f"{np.median(values):.1f} dB" if values else "none"


if __name__ == "__main__":
    typer.run(main)
