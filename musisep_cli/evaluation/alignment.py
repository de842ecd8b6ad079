"""Alignment: which delays between stems and references are real, and what to say of them.

1. The lag of every stem over the whole recording, in whole samples.
2. The lags of segments: do they lie on a line that rises or falls, another clock ran.
3. What is found is undone, and the rest measured, twice: parts of a sample are left over.
4. Of all that only what improves the SDR counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from musisep_cli.evaluation.delay import Delay
from musisep_cli.evaluation.metrics import SegmentLags, estimate_lags, segment_lags
from musisep_cli.evaluation.metrics.blocks import BLOCK_SAMPLES
from musisep_cli.evaluation.signals import Signals

LONGEST_S = 1.0
"""Lags up to this are looked for."""
LEAST_COHERENCE = 0.3
"""A stem that is less alike (SDR -10 dB) has no lag: its maximum among 1e5 lags is chance."""
LEAST_GAIN_DB = 0.1
"""A lag that improves the SDR by less is the chance of an imperfect stem, not a delay."""
SEGMENT_S = 0.5
"""Long enough for a clear peak, and short enough for a drift of 1 in 1000 not to blur it."""
LEAST_SEGMENTS = 4
"""A line through fewer is no finding."""
NEAR_SAMPLES = 64
"""How far the rest is looked for once a delay has been undone."""
LEAST_PART_SAMPLES = 0.05
"""A lag this near to whole samples is one in whole samples."""
ON_LINE_SAMPLES = 3.0
"""A segment farther from the line is not counted: it took another period of its tone."""


def stem_delays(signals: Signals) -> tuple[Delay, ...]:
    """How each stem is late behind the reference it resembles most; not at all for most."""
    rate_hz = signals.layout.sample_rate_hz
    reach = min(round(LONGEST_S * rate_hz), BLOCK_SAMPLES, signals.layout.n_samples - 1)
    whole = estimate_lags(signals.stem_blocks, reach)
    n_segment = min(round(SEGMENT_S * rate_hz), signals.layout.n_samples)
    segments = segment_lags(signals.stem_blocks, n_segment, reach)
    # A drift hides the likeness over the whole recording, but not in its segments.
    likeness = np.abs(segments.correlation).sum(axis=0)
    norm = segments.norm.sum(axis=0)
    partner = np.divide(likeness, norm, out=np.zeros_like(norm), where=norm > 0).argmax(axis=0)
    delays: list[Delay] = []
    for j, i in enumerate(partner):
        lag, drift = _line(segments, i, j) or (0.0, 0.0)
        if abs(drift) * signals.layout.n_samples > ON_LINE_SAMPLES:
            delays.append(Delay(lag_samples=lag, drift=drift))
        else:
            gain_db = _sdr_db(whole.coherence[i, j]) - _sdr_db(whole.coherence_unshifted[i, j])
            is_real = whole.coherence[i, j] >= LEAST_COHERENCE and gain_db >= LEAST_GAIN_DB
            lag = _near(segments, i, j, int(whole.lag_samples[i, j]) if is_real else 0)
            delays.append(Delay(lag_samples=lag))
    if any(delay != Delay() for delay in delays):
        delays = _refined(signals, delays, partner, n_segment)
        moved = replace(signals, delays=tuple(delays))
        after = segment_lags(moved.stem_blocks, n_segment, 1)
    else:
        after = segments
    return tuple(
        _judged(delay, before=segments, after=after, i=partner[j], j=j)
        for j, delay in enumerate(delays)
    )


def _refined(
    signals: Signals, delays: Sequence[Delay], partner: NDArray[np.int64], n_segment: int
) -> list[Delay]:
    """The delays with what is left over once they have been undone, measured twice."""
    refined = list(delays)
    near = min(NEAR_SAMPLES, signals.layout.n_samples - 1)
    for _ in range(2):
        moved = replace(signals, delays=tuple(refined))
        rest = segment_lags(moved.stem_blocks, n_segment, near)
        refined = [_with_rest(delay, rest, partner[j], j) for j, delay in enumerate(refined)]
    return refined


def _judged(delay: Delay, *, before: SegmentLags, after: SegmentLags, i: int, j: int) -> Delay:
    """A delay that improves the SDR, else none; and the stem's polarity."""
    unshifted, shifted = (_coherence(each, i, j) for each in (before, after))
    gain_db = _sdr_db(shifted) - _sdr_db(unshifted)
    is_real = abs(shifted) >= LEAST_COHERENCE and gain_db >= LEAST_GAIN_DB
    best = shifted if is_real else unshifted
    return replace(delay if is_real else Delay(), inverted=best <= -LEAST_COHERENCE)


def _with_rest(delay: Delay, rest: SegmentLags, i: int, j: int) -> Delay:
    """A delay with what is left over; without a drift that is a lag alone."""
    if delay.drift == 0:
        lag = _near(rest, i, j, 0)
        return delay.then(lag, 0.0) if lag else delay
    line = _line(rest, i, j)
    return delay.then(*line) if line else delay


def _near(segments: SegmentLags, i: int, j: int, whole: int) -> float:
    """A lag that is known in whole samples, to a part of one."""
    counted = _counted(segments, i, j)
    lags = segments.lag_samples[counted, i, j]
    close = lags[np.abs(lags - whole) < 1]
    lag = float(np.median(close)) if len(close) else float(whole)
    # So small a part is chance, and a shift by whole samples is exact.
    return lag if abs(lag - whole) >= LEAST_PART_SAMPLES else float(whole)


def _counted(segments: SegmentLags, i: int, j: int) -> NDArray[np.bool_]:
    """The segments ``[k]`` in which stem and reference are alike."""
    alike = np.abs(segments.correlation[:, i, j]) >= LEAST_COHERENCE * segments.norm[:, i, j]
    # A hundredth of the loudest segment's energy is 20 dB down: silence has no lag.
    loud = segments.norm[:, i, j] > 0.01 * segments.norm[:, i, j].max(initial=0.0)
    counted: NDArray[np.bool_] = alike & loud
    return counted


def _line(segments: SegmentLags, i: int, j: int) -> tuple[float, float] | None:
    """Lag at the start and drift of the line that most segments lie on; None without one."""
    counted = _counted(segments, i, j)
    if counted.sum() < LEAST_SEGMENTS:
        return None
    t, lag = segments.centre_samples[counted], segments.lag_samples[counted, i, j]
    weight = np.abs(segments.correlation[counted, i, j])
    some = np.linspace(0, len(t) - 1, min(len(t), 200)).round().astype(int)
    rise, run = lag[some][:, None] - lag[some], t[some][:, None] - t[some]
    drift = float(np.median(rise[run > 0] / run[run > 0]))
    start = float(np.median(lag - drift * t))
    near = np.abs(lag - drift * t - start) <= ON_LINE_SAMPLES
    if near.sum() < max(LEAST_SEGMENTS, len(t) / 2):
        return None
    drift, start = np.polyfit(t[near], lag[near], 1, w=np.sqrt(weight[near]))
    return float(start), float(drift)


def _coherence(segments: SegmentLags, i: int, j: int) -> float:
    """Correlation of the whole recording at lag 0 over the norms, with its sign."""
    norm = float(segments.norm[:, i, j].sum())
    return float(segments.unshifted[:, i, j].sum()) / norm if norm > 0 else 0.0


def _sdr_db(coherence: float) -> float:
    """SDR of an estimate that has this coherence with its reference: rho^2 / (1 - rho^2)."""
    power = min(max(coherence**2, 1e-12), 1 - 1e-12)
    return float(10 * np.log10(power / (1 - power)))


def delay_notices(signals: Signals, delays: Sequence[Delay], *, aligned: bool) -> list[str]:
    """What to say of the delays that are real."""
    rate_hz = signals.layout.sample_rate_hz
    remedy = "shifted" if aligned else "the scores suffer from it; --align corrects it"
    notices = []
    for track, delay in zip(signals.stems, delays, strict=True):
        lag = delay.lag_samples
        when = f"{abs(lag):.4g} samples ({abs(lag) / rate_hz * 1000:.2f} ms)"
        way = "late" if lag > 0 else "early"
        if delay.drift:
            notices.append(
                f"{track.path}: drifts: another clock, {delay.drift * 1e6:+.1f} samples in a"
                f" million, {when} {way} at the start; {remedy}."
            )
        elif lag:
            notices.append(f"{track.path}: {when} {way}; {remedy}.")
        if delay.inverted:
            notices.append(
                f"{track.path}: its polarity is opposite to the reference's. The scores do not"
                " suffer from it; a sum with other stems would."
            )
    return notices
