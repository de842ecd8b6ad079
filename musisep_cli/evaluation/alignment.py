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
from musisep_cli.evaluation.metrics import Lags, SegmentLags, estimate_lags, segment_lags
from musisep_cli.evaluation.metrics.blocks import BLOCK_SAMPLES
from musisep_cli.evaluation.signals import Signals

LONGEST_S = 1.0
"""Lags up to this are looked for."""
LEAST_COHERENCE = 0.3
"""A stem that is less alike (SDR -10 dB) has no lag: its maximum among 1e5 lags is chance."""
LEAST_GAIN_DB = 0.1
"""A lag that improves the SDR by less is the chance of an imperfect stem, not a delay."""
SEGMENT_S = 0.25
"""Long enough for a clear peak, and short enough for a drift of 1 in 1000 not to blur it."""
MOST_DRIFT = 2e-3
"""Samples a sample: no clock is that wrong, and 0.1 % is what a change between film rates makes."""
LEAST_SEGMENTS = 4
"""A line through fewer is no finding."""
NEAR_SAMPLES = 64
"""How far the rest is looked for once a delay has been undone."""
LEAST_PART_SAMPLES = 0.05
"""A lag this near to whole samples is one in whole samples."""
LEAST_DRIFT_SAMPLES = 0.5
"""A drift that comes to less over the whole recording is none."""
ON_LINE_SAMPLES = 3.0
"""A segment farther from the line is not counted: it took another period of its tone."""


def stem_delays(signals: Signals) -> tuple[Delay, ...]:
    """Return how each stem is late behind the reference that it resembles most.

    Args:
        signals: the tracks of a take.

    Returns:
        One delay per stem; of no samples if it is on time, or if what was found is not believed
        (``LEAST_COHERENCE``, ``LEAST_GAIN_DB``).
    """
    rate_hz = signals.layout.sample_rate_hz
    reach = min(round(LONGEST_S * rate_hz), BLOCK_SAMPLES, signals.layout.n_samples - 1)
    whole = estimate_lags(signals.stem_blocks, reach)
    n_segment = min(round(SEGMENT_S * rate_hz), signals.layout.n_samples)
    segments = segment_lags(signals.stem_blocks, n_segment, reach)
    # A drift hides the likeness over the whole recording, but not in its segments.
    norm = segments.norm.sum(axis=0)
    likeness = np.abs(segments.correlation).sum(axis=0)
    likeness = np.divide(likeness, norm, out=np.zeros_like(norm), where=norm > 0)
    partner = likeness.argmax(axis=0)
    steady, delays = [], []
    for j, i in enumerate(partner):
        steady.append(_steady(whole, segments, i, j))
        is_blurred = _gain_db(whole.coherence[i, j], likeness[i, j]) >= LEAST_GAIN_DB
        line = _line(segments, i, j) if is_blurred else None
        drifts = line and abs(line[1]) * signals.layout.n_samples >= LEAST_DRIFT_SAMPLES
        delays.append(Delay(lag_samples=line[0], drift=line[1]) if line and drifts else steady[j])
    if any(delay != Delay() for delay in delays):
        delays = _refined(signals, delays, steady, partner, n_segment)
        moved = replace(signals, delays=tuple(delays))
        after = segment_lags(moved.stem_blocks, n_segment, 1)
    else:
        after = segments
    return tuple(
        _judged(delay, before=segments, after=after, i=partner[j], j=j)
        for j, delay in enumerate(delays)
    )


def _steady(whole: Lags, segments: SegmentLags, i: int, j: int) -> Delay:
    """Return the delay of a stem that is late by the same lag everywhere; none by chance."""
    gain_db = _gain_db(whole.coherence_unshifted[i, j], whole.coherence[i, j])
    is_real = whole.coherence[i, j] >= LEAST_COHERENCE and gain_db >= LEAST_GAIN_DB
    lag = _near(segments, i, j, int(whole.lag_samples[i, j]) if is_real else 0)
    return Delay(lag_samples=lag)


def _refined(
    signals: Signals,
    delays: Sequence[Delay],
    steady: Sequence[Delay],
    partner: NDArray[np.int64],
    n_segment: int,
) -> list[Delay]:
    """Return the delays with what is left over once they have been undone, measured twice.

    What then turns out not to drift has the steady delay that was found for it.
    """
    refined = list(delays)
    near = min(NEAR_SAMPLES, signals.layout.n_samples - 1)
    for _ in range(2):
        moved = replace(signals, delays=tuple(refined))
        rest = segment_lags(moved.stem_blocks, n_segment, near)
        refined = [_with_rest(delay, rest, partner[j], j) for j, delay in enumerate(refined)]
    n_samples = signals.layout.n_samples
    return [
        delay if not delay.drift or abs(delay.drift) * n_samples >= LEAST_DRIFT_SAMPLES else other
        for delay, other in zip(refined, steady, strict=True)
    ]


def _judged(delay: Delay, *, before: SegmentLags, after: SegmentLags, i: int, j: int) -> Delay:
    """Return a delay that improves the SDR, else none; and the stem's polarity."""
    unshifted, shifted = (_coherence(each, i, j) for each in (before, after))
    gain_db = _gain_db(unshifted, shifted)
    is_real = abs(shifted) >= LEAST_COHERENCE and gain_db >= LEAST_GAIN_DB
    best = shifted if is_real else unshifted
    return replace(delay if is_real else Delay(), inverted=best <= -LEAST_COHERENCE)


def _with_rest(delay: Delay, rest: SegmentLags, i: int, j: int) -> Delay:
    """Return a delay with what is left over; without a drift that is a lag alone."""
    if delay.drift == 0:
        lag = _near(rest, i, j, 0)
        return delay.then(lag, 0.0) if lag else delay
    line = _line(rest, i, j)
    return delay.then(*line) if line else delay


def _near(segments: SegmentLags, i: int, j: int, whole: int) -> float:
    """Return a lag that is known in whole samples, to a part of one."""
    counted = _counted(segments, i, j)
    lags = segments.lag_samples[counted, i, j]
    close = lags[np.abs(lags - whole) < 1]
    lag = float(np.median(close)) if len(close) else float(whole)
    # So small a part is chance, and a shift by whole samples is exact.
    return lag if abs(lag - whole) >= LEAST_PART_SAMPLES else float(whole)


def _counted(segments: SegmentLags, i: int, j: int) -> NDArray[np.bool_]:
    """Return the segments ``[k]`` in which stem and reference are alike."""
    alike = np.abs(segments.correlation[:, i, j]) >= LEAST_COHERENCE * segments.norm[:, i, j]
    # A hundredth of the loudest segment's energy is 20 dB down: silence has no lag.
    loud = segments.norm[:, i, j] > 0.01 * segments.norm[:, i, j].max(initial=0.0)
    counted: NDArray[np.bool_] = alike & loud
    return counted


def _line(segments: SegmentLags, i: int, j: int) -> tuple[float, float] | None:
    """Return lag at the start and drift of the line that most segments lie on; None without one.

    Music is periodic, and many a segment takes another period for its lag: so the line is that
    through two segments which has the most others beside it, not one between all of them.
    """
    counted = _counted(segments, i, j)
    if counted.sum() < LEAST_SEGMENTS:
        return None
    t, lag = segments.centre_samples[counted], segments.lag_samples[counted, i, j]
    weight = np.abs(segments.correlation[counted, i, j])
    some = np.linspace(0, len(t) - 1, min(len(t), 200)).round().astype(int)
    one, other = np.triu_indices(len(some), 1)
    drifts = (lag[some[other]] - lag[some[one]]) / (t[some[other]] - t[some[one]])
    starts = lag[some[one]] - drifts * t[some[one]]
    possible = np.abs(drifts) <= MOST_DRIFT
    drifts, starts = drifts[possible], starts[possible]
    if not len(drifts):
        return None
    beside = np.abs(lag[some] - drifts[:, None] * t[some] - starts[:, None]) <= ON_LINE_SAMPLES
    best = beside.sum(axis=1).argmax()
    near = np.abs(lag - drifts[best] * t - starts[best]) <= ON_LINE_SAMPLES
    if near.sum() < max(LEAST_SEGMENTS, len(t) / 4):
        return None
    drift, start = np.polyfit(t[near], lag[near], 1, w=np.sqrt(weight[near]))
    return float(start), float(drift)


def _coherence(segments: SegmentLags, i: int, j: int) -> float:
    """Return the correlation of the whole recording at lag 0 over the norms, with its sign."""
    norm = float(segments.norm[:, i, j].sum())
    return float(segments.unshifted[:, i, j].sum()) / norm if norm > 0 else 0.0


def _gain_db(before: float, after: float) -> float:
    """Return how much better the SDR is with one coherence than with another."""
    return _sdr_db(after) - _sdr_db(before)


def _sdr_db(coherence: float) -> float:
    """Return the SDR of an estimate with this coherence to its reference: rho^2 / (1 - rho^2)."""
    power = min(max(coherence**2, 1e-12), 1 - 1e-12)
    return float(10 * np.log10(power / (1 - power)))


def delay_notices(signals: Signals, delays: Sequence[Delay], *, aligned: bool) -> list[str]:
    """Return what to say of the delays that are real."""
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
