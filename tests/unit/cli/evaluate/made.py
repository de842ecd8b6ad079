"""Results of an evaluation, made by hand for the tests of its report and tables."""

from musisep_cli.evaluation.metrics import MelodyScores
from musisep_cli.evaluation.results import (
    Evaluation,
    FailedTake,
    Options,
    Ratios,
    ReferenceResult,
    SeedSummary,
    TakeResult,
)


def take(name: str = "duet", **changes: object) -> TakeResult:
    """A flute that is perfect, and a clarinet without a stem."""
    flute = ReferenceResult(
        reference="flute",
        stem="instrument-1",
        scores=Ratios(sdr_db=float("inf"), sir_db=30.0, sar_db=-0.001, mix_sdr_db=1.0),
        lag_samples=-3,
        pitch=MelodyScores(0.5, 0.6, 0.7, 0.1, 0.4),
    )
    clarinet = ReferenceResult(reference="clar|inet", stem=None, scores=Ratios(), note="no stem")
    usual = {
        "name": name,
        "sample_rate_hz": 8_000,
        "n_samples": 1,
        "n_channels": 1,
        "references": (flute, clarinet),
        "notices": ("a notice.",),
    }
    return TakeResult(**(usual | changes))  # type: ignore[arg-type]


def evaluation(*takes: TakeResult, seeds: tuple[SeedSummary, ...] = ()) -> Evaluation:
    failed = (FailedTake(name="bad", error="why"),)
    return Evaluation(options=Options(), takes=takes, failed=failed, seeds=seeds)
