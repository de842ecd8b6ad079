"""Scoring: the scores of a take, and the evaluation of several takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import zip_longest

from musisep_cli.errors import MusisepError
from musisep_cli.evaluation.alignment import delay_notices, stem_delays
from musisep_cli.evaluation.delay import Delay
from musisep_cli.evaluation.metrics import PairScores, best_assignment, bss_eval_v2, bss_eval_v3
from musisep_cli.evaluation.pitch import TakePitch, score_pitch
from musisep_cli.evaluation.results import (
    Evaluation,
    FailedTake,
    Options,
    Ratios,
    ReferenceResult,
    SeedSummary,
    TakeResult,
    difference_db,
)
from musisep_cli.evaluation.seeds import summarise
from musisep_cli.evaluation.signals import Signals, open_signals
from musisep_cli.evaluation.takes import Request, find, seed_requests

MEASURES = {"v2": bss_eval_v2, "v3": bss_eval_v3}
"""Version of BSS Eval to the function that computes it."""
Pairs = Sequence[tuple[int, int]]
"""Indices of a reference and of the stem that is assigned to it."""


def evaluate(
    requests: Sequence[Request],
    options: Options,
    *,
    seeds: bool = False,
    on_take: Callable[[str], None] = lambda name: None,
) -> Evaluation:
    """Score every request; one that fails is named in the result and does not stop the others.

    Args:
        requests: what to compare, from ``plan``.
        options: how to evaluate.
        seeds: whether to score every seed of a run instead of its chosen stems.
        on_take: called with the name of every take before it is scored.

    Returns:
        The scores of all takes, and the messages of those that failed.
    """
    takes: list[TakeResult] = []
    failed: list[FailedTake] = []
    summaries: list[SeedSummary] = []
    for request in requests:
        try:
            parts = seed_requests(request) if seeds else [request]
            scored = _score_each(parts, options, failed, on_take)
            if seeds:
                summaries.append(summarise(request.stems[0], scored, request.name))
            takes += scored
        except (MusisepError, OSError) as error:
            failed.append(FailedTake(name=request.name, error=str(error)))
    return Evaluation(
        options=options, takes=tuple(takes), failed=tuple(failed), seeds=tuple(summaries)
    )


def _score_each(
    requests: Sequence[Request],
    options: Options,
    failed: list[FailedTake],
    on_take: Callable[[str], None],
) -> list[TakeResult]:
    """Return the results of the requests that can be scored, and add the others to ``failed``."""
    takes = []
    for request in requests:
        on_take(request.name)
        try:
            takes.append(score_take(request, options))
        except (MusisepError, OSError) as error:
            failed.append(FailedTake(name=request.name, error=str(error)))
    return takes


def score_take(request: Request, options: Options) -> TakeResult:
    """Find, read and score the files of one take.

    Raises:
        InputError: the files are missing, cannot be read, or do not belong together.
    """
    take = find(request)
    signals, notices = open_signals(take, strict=options.strict)
    delays = stem_delays(signals)
    notices += delay_notices(signals, delays, aligned=options.align)
    if options.align:
        signals = replace(signals, delays=delays)
    scores = MEASURES[options.bss](partial(signals.blocks, ceiling=options.ceiling))
    pairs = best_assignment(scores.estimates(slice(len(signals.stems))))
    pitch = score_pitch(signals, pairs)
    notices += _score_notices(signals, scores, pairs)
    return TakeResult(
        name=request.name,
        sample_rate_hz=signals.layout.sample_rate_hz,
        n_samples=signals.layout.n_samples,
        n_channels=signals.layout.n_channels,
        references=_reference_results(signals, scores, pairs, delays, pitch),
        multipitch=pitch.multipitch,
        left_out=take.left_out,
        notices=(*take.notices, *notices, *pitch.notices),
        group=request.group,
        seed=request.seed,
    )


def _reference_results(
    signals: Signals,
    scores: PairScores,
    pairs: Pairs,
    delays: Sequence[Delay],
    pitch: TakePitch,
) -> tuple[ReferenceResult, ...]:
    """Return one result for every reference, in their order."""
    stem_of = dict(pairs)
    results = {
        i: ReferenceResult(
            reference=signals.references[i].name,
            stem=signals.stems[j].name,
            scores=_ratios(signals, scores, i, j),
            lag_samples=_number(delays[j].lag_samples),
            drift_ppm=1e6 * delays[j].drift or None,
            pitch=pitch.melody.get(i),
        )
        for i, j in pairs
    }
    # A silent stem has no ratios by which it could be assigned. The silent stems go, in order, to
    # the sounding references that are left over.
    silent_stems = [j for j in range(len(signals.stems)) if scores.silent_estimate[j]]
    silent = [i for i in range(len(signals.references)) if scores.silent_reference[i]]
    alone = [i for i in range(len(signals.references)) if i not in stem_of and i not in silent]
    for i, j in zip_longest(alone, silent_stems[: len(alone)]):
        results[i] = _unscored(signals, i, j, "no stem" if j is None else "silent stem")
    results |= {i: _unscored(signals, i, None, "silent reference") for i in silent}
    return tuple(results[i] for i in sorted(results))


def _number(lag_samples: float) -> float:
    """A lag as a whole number where it is one; a hundredth of a sample is all that is known."""
    rounded = round(lag_samples, 2)
    return int(rounded) if rounded == int(rounded) else rounded


def _unscored(signals: Signals, i: int, j: int | None, note: str) -> ReferenceResult:
    """Return the result of a reference without a score, with the reason as its note."""
    stem = None if j is None else signals.stems[j].name
    return ReferenceResult(
        reference=signals.references[i].name, stem=stem, scores=Ratios(), note=note
    )


def _ratios(signals: Signals, scores: PairScores, i: int, j: int) -> Ratios:
    """Return the scores of stem j against reference i, with the mixture's and the mask's SDR.

    The columns of ``scores`` are the stems, then the mixture if there is a file of it, then the
    masked mixtures if they were asked for, one per reference.
    """
    sdr_db, n_stems = float(scores.sdr_db[i, j]), len(signals.stems)
    mix_db = float(scores.sdr_db[i, n_stems]) if signals.mix else None
    first_masked = n_stems + bool(signals.mix)
    has_ceiling = scores.sdr_db.shape[1] > first_masked
    return Ratios(
        sdr_db=sdr_db,
        sir_db=float(scores.sir_db[i, j]),
        sar_db=float(scores.sar_db[i, j]),
        mix_sdr_db=mix_db,
        sdr_improvement_db=None if mix_db is None else difference_db(sdr_db, mix_db),
        ceiling_sdr_db=float(scores.sdr_db[i, first_masked + i]) if has_ceiling else None,
    )


def _score_notices(signals: Signals, scores: PairScores, pairs: Pairs) -> list[str]:
    """Return notices of what the user should know before trusting the scores."""
    stems, references = signals.stems, signals.references
    assigned = {j for _, j in pairs}
    notices = [
        f"{track.path}: silent (below -120 dB), not scored."
        for track, is_silent in [
            *zip(references, scores.silent_reference, strict=True),
            *zip(stems, scores.silent_estimate[: len(stems)], strict=True),
        ]
        if is_silent
    ]
    if len(stems) != len(references):
        notices.append(f"{len(stems)} stems for {len(references)} references.")
    unused = [
        str(track.path)
        for j, track in enumerate(stems)
        if j not in assigned and not scores.silent_estimate[j]
    ]
    if unused:
        notices.append(f"without a reference, not scored: {', '.join(unused)}.")
    if scores.dependent:
        notices.append(
            "the references depend on one another (a copy, or a mixture among them?):"
            " SIR means little."
        )
    return notices
