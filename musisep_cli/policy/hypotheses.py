"""Hypotheses: the most probable sets of tones of every frame, by beam search.

Departs from the paper (Section 3.8): it predicts one set, the most probable tone after tone. That
choice cannot be taken back: a first tone an octave too low explains both instruments' harmonics
and leaves nothing to the second. Here a few sets of every frame are kept, with what speaks for
each, and which of them sounded is decided over all frames (``decoding``).

Axes: ``n`` frames, ``s`` hypotheses of a frame, ``i`` tones, ``c`` candidates for the next tone or
channels, ``f`` bins, ``h`` harmonics; ``k = n s``, those of one frame in a row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from musisep_cli.framewise import FrameRows
from musisep_cli.model.tones import magnitude
from musisep_cli.policy.distance import ObjectiveConfig, lifted_magnitude
from musisep_cli.policy.joint import JointFit, Pitches, matched_filter, refined_pitch
from musisep_cli.policy.parameters import Output, offset_bins
from musisep_cli.policy.phase import coefficients_in_channels
from musisep_cli.policy.rollout import Explanation, Policy
from musisep_cli.policy.sampling import ToneDistribution

TOLERANCE_BINS = 1.5
"""Tones this close are one tone: what the network's neighbouring bins say is added up."""
PROPOSAL_REACH_BINS = 2
"""A proposal is the most probable bin within this distance."""
LOWEST_WIDTHS = 3.0
"""Lower tones, relative to the width of a peak, are not looked for: 22 Hz at the paper's window.
Their harmonics run into each other, so that they fit any rumble, and no instrument plays them."""
HIDING_HARMONICS, MOST_HIDING = range(2, 7), 10
"""Where a tone is looked for that hides: at these harmonics of every other tone, the lowest first,
and at so many in all."""
LEAST_LOG_PROB = -60.0
"""Less probable sets are not told apart."""
TIKHONOV = 1e-2
"""Weight of the regularisation when all tones of a set are fitted at once."""


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """How many sets of tones are looked at (not in the paper)."""

    beam: int = 5
    """Candidates for the next tone of a set, and sets that are continued."""
    hypotheses: int = 12
    """Sets of a frame that are kept. With both at 1 it is the most probable tone after tone."""
    octave_nats: float = 10.0
    """The most probable set is also tried with each tone an octave lower and higher, so much less
    probable: the network's surest errors are octaves, of tones with a weak fundamental above all.
    0: it is not."""
    hidden_nats: float = 10.0
    """The last tone of the most probable set is also tried at the harmonics of the others, so much
    less probable: a tone there has no harmonic of its own, and once the others are subtracted the
    network finds nothing left of it. 0: it is not."""
    refined_pitch: bool = True
    """Whether pitches are set to where their harmonics are strongest before sets are compared."""


@dataclass(frozen=True)
class Hypotheses(FrameRows):
    """Sets of tones of every frame, the most probable first, those with a tone moved last.

    Attributes:
        log_prob: of the set under the policy, whatever the order of its tones, ``[n, s]``.
        misfit: of the lifted magnitudes when all tones are fitted at once, relative to the frame,
            ``[n, s]``.
        on: whether there is a tone, bool ``[n, s, i]``.
        f0_bins: pitch, ``[n, s, i]``.
        inharmonicity: b, ``[n, s, i]``.
        loudness: sum of the absolute harmonic amplitudes, ``[n, s, i]``.
        timbre: sqrt|c_h| with length 1, or 0 where there is no tone, half precision,
            ``[n, s, i, h]``.
        place: square root of how loud it is in every channel, with length 1, or 0 where there is no
            tone, ``[n, s, i, c]``.
    """

    log_prob: Tensor
    misfit: Tensor
    on: Tensor
    f0_bins: Tensor
    inharmonicity: Tensor
    loudness: Tensor
    timbre: Tensor
    place: Tensor

    def heard(self, audible: Tensor) -> Hypotheses:
        """Without tones in the frames that are not audible, bool ``[n]``."""
        on = self.on & audible[:, None, None]
        return replace(
            self,
            on=on,
            loudness=self.loudness * on,
            timbre=self.timbre * on[..., None],
            place=self.place * on[..., None],
        )


@torch.no_grad()
def search(policy: Policy, channels: Tensor, n_harmonics: int, config: SearchConfig) -> Hypotheses:
    """The most probable sets of tones of frames, found on the mean of their channels.

    A set's probability is the product of its tones' probabilities, each given the tones before, and
    of that of a rest, summed over the orders in which the search met it. Whether there is a rest is
    read where the network thinks the next tone most probable.

    Args:
        policy: one whose instruments are decided by timbre: it proposes tones, whoever plays them.
        channels: complex ``[n, c, f]``.
        n_harmonics: of a tone.
        config: how many sets.
    """
    found = _Sets.none(policy, channels.mean(1), n_harmonics)
    for place in range(policy.n_instruments):
        last = place + 1 == policy.n_instruments
        found = found.extended(place, config.beam, config.hypotheses if last else config.beam)
    fitted = partial(_Sets.fitted, channels=channels, refined_pitches=config.refined_pitch)
    hypotheses = fitted(found)
    moves = _moves(policy.n_instruments, config)
    return hypotheses.beside(fitted(found.moved(hypotheses, moves))) if moves else hypotheses


class _Move(NamedTuple):
    """A tone of a set put at a multiple of its own pitch or of another one's, the source's."""

    tone: int
    source: int
    factor: float
    nats: float


def _moves(n_tones: int, config: SearchConfig) -> list[_Move]:
    """Where the tones of the most probable set may be instead.

    After a rest there are only rests: with the last tone, no other one is missing.
    """
    last = n_tones - 1
    octaves = [
        _Move(tone, tone, factor, config.octave_nats)
        for tone in range(n_tones)
        for factor in (0.5, 2.0)
    ]
    hiding = [
        _Move(last, other, float(h), config.hidden_nats)
        for h in HIDING_HARMONICS
        for other in range(last)
    ]
    return [move for move in octaves + hiding[:MOST_HIDING] if move.nats > 0]


@dataclass(frozen=True)
class _Sets:
    """Sets that are not complete yet, ``[n, s]``; the tones that are missing are off.

    ``explanation`` holds them as rollouts ``[k]``, for the network to go on from.
    """

    policy: Policy
    dictionary: Tensor
    explanation: Explanation
    log_prob: Tensor
    on: Tensor
    f0_bins: Tensor
    inharmonicity: Tensor

    @classmethod
    def none(cls, policy: Policy, spectra: Tensor, n_harmonics: int) -> _Sets:
        dictionary = spectra.real.new_ones(n_harmonics, policy.n_instruments)  # has no say here
        blank = spectra.real.new_zeros(len(spectra), 1, policy.n_instruments)
        return cls(
            policy=policy,
            dictionary=dictionary,
            explanation=Explanation.blank(spectra, dictionary),
            log_prob=blank[..., 0],
            on=blank.bool(),
            f0_bins=blank,
            inharmonicity=blank,
        )

    @property
    def lowest_bins(self) -> float:
        """No tone is lower."""
        return LOWEST_WIDTHS * self.policy.ideal_width_bins

    def extended(self, place: int, beam: int, n_kept: int) -> _Sets:
        """Every set with one more tone or with a rest, the most probable ``n_kept`` of a frame.

        After a rest there are only rests: it says that nothing is left.
        """
        n_frames, n_sets = self.log_prob.shape
        distribution, _ = self.policy.propose(self.explanation, self.dictionary)
        mass = peak_log_mass(distribution.logits)
        mass[:, : math.ceil(self.lowest_bins)] = 2 * LEAST_LOG_PROB
        proposals = mass.topk(beam)  # k, c
        tones = _Tones.read(self.policy, distribution, proposals.indices)
        sounding = proposals.values + functional.logsigmoid(tones.on_logit)
        resting = functional.logsigmoid(-tones.on_logit[:, :1])
        if place > 0:
            rested = ~self.on[..., place - 1].flatten()[:, None]
            sounding = sounding.masked_fill(rested, LEAST_LOG_PROB)
            resting = resting.masked_fill(rested, 0.0)
        steps = torch.cat([sounding, resting], 1).view(n_frames, n_sets, -1)

        def children(values: Tensor, tone: Tensor) -> Tensor:
            """A tone's value in its place of every child; that of a rest is 0. ``[n, s c, i]``."""
            parents = values[:, :, None].repeat(1, 1, beam + 1, 1)  # n, s, c, i
            parents[:, :, :beam, place] = tone.view(n_frames, n_sets, beam).to(values.dtype)
            return parents.flatten(1, 2)

        on = children(self.on, torch.ones_like(tones.f0_bins))
        f0_bins = children(self.f0_bins, tones.f0_bins)
        inharmonicity = children(self.inharmonicity, tones.inharmonicity)
        log_prob = merged((self.log_prob[..., None] + steps).flatten(1), on * f0_bins)
        best = log_prob.topk(min(n_kept, log_prob.shape[1]))  # n, s
        chosen = best.indices[..., None].expand(-1, -1, on.shape[-1])
        kept = replace(
            self,
            log_prob=best.values.clamp_min(LEAST_LOG_PROB),
            on=on.gather(1, chosen),
            f0_bins=f0_bins.gather(1, chosen),
            inharmonicity=inharmonicity.gather(1, chosen),
        )
        if place + 1 == self.policy.n_instruments:
            return kept
        parents = torch.arange(n_frames, device=on.device)[:, None] * n_sets
        parents = parents + best.indices // (beam + 1)
        child = best.indices % (beam + 1)
        return kept._followed(
            place, distribution, parents.flatten(), proposals.indices, child.flatten()
        )

    def _followed(
        self,
        place: int,
        distribution: ToneDistribution,
        parents: Tensor,
        bins: Tensor,
        child: Tensor,
    ) -> _Sets:
        """With the tones at ``place`` subtracted from what the network sees next.

        Args:
            place: of the tones.
            distribution: they were proposed by.
            parents: rollout that each set continues, ``[k]``.
            bins: proposals of every parent, ``[parents, c]``.
            child: the one that was taken, or c for a rest, ``[k]``.
        """
        child = child.clamp_max(bins.shape[1] - 1)  # of a rest any: only rests follow
        distribution = distribution.continued(parents)
        explanation = self.explanation.taken(parents)
        slot = torch.full_like(parents, place)
        action = distribution.at(slot, bins[parents, child])
        raw = distribution.read(action)
        tone = self.policy.tone(distribution, action, raw, explanation, self.dictionary)
        unused = explanation.log_prob
        return replace(self, explanation=explanation.add(tone, unused, unused))

    def moved(self, fitted: Hypotheses, moves: Sequence[_Move]) -> _Sets:
        """The most probable set, as it was fitted, with one tone moved, a set for every move."""
        n_tones = self.on.shape[-1]
        sources = torch.arange(n_tones, device=self.on.device).repeat(len(moves), 1)
        factors = self.f0_bins.new_ones(len(moves), n_tones)
        for row, move in enumerate(moves):
            sources[row, move.tone], factors[row, move.tone] = move.source, move.factor
        return replace(
            self,
            log_prob=self.log_prob[:, :1] - factors.new_tensor([move.nats for move in moves]),
            on=self.on[:, 0][:, sources],
            f0_bins=(fitted.f0_bins[:, 0][:, sources] * factors).clamp_min(self.lowest_bins),
            inharmonicity=self.inharmonicity[:, 0][:, sources],
        )

    def fitted(self, channels: Tensor, *, refined_pitches: bool) -> Hypotheses:
        """All tones of every set fitted to the frame at once, twice if their pitches are refined.

        The network's pitches are good to about half a bin, which at the tenth harmonic is five.
        After the first fit every pitch is set to where its harmonics are strongest.
        """
        n_harmonics, _ = self.dictionary.shape
        width, spectra = self.policy.ideal_width_bins, channels.mean(1)
        rows = spectra.repeat_interleave(self.on.shape[1], 0)  # k, f
        pitches = Pitches(*(x.flatten(0, 1) for x in (self.on, self.f0_bins, self.inharmonicity)))
        fit_to = partial(
            JointFit.of, spectra=rows, n_harmonics=n_harmonics, width=width, tikhonov=TIKHONOV
        )
        fit = fit_to(pitches)
        if refined_pitches:
            matched = matched_filter(spectra, width).repeat_interleave(self.on.shape[1], 0)
            pitches = replace(pitches, f0_bins=refined_pitch(pitches, matched, fit))
            fit = fit_to(pitches)
        amplitudes = magnitude(fit.coefficients) * pitches.on[..., None]
        loudness = amplitudes.sum(-1)
        tiny = torch.finfo(amplitudes.dtype).tiny
        timbre = (amplitudes / loudness[..., None].clamp_min(tiny)).sqrt()
        in_channels = _in_channels(fit, channels) * pitches.on[..., None]
        place = (in_channels / in_channels.sum(-1, keepdim=True).clamp_min(tiny)).sqrt()
        misfit = relative_misfit(rows, fit.tones.sum(1), self.policy.objective_config)

        def by_frame(values: Tensor) -> Tensor:
            return values.view(*self.log_prob.shape, *values.shape[1:])

        return Hypotheses(
            log_prob=self.log_prob,
            misfit=by_frame(misfit),
            on=self.on,
            f0_bins=by_frame(pitches.f0_bins),
            inharmonicity=self.inharmonicity,
            loudness=by_frame(loudness),
            timbre=by_frame(timbre).half(),
            place=by_frame(place),
        )


@dataclass(frozen=True)
class _Tones:
    """Candidates for the next tone, each ``[k, c]``."""

    on_logit: Tensor
    f0_bins: Tensor
    inharmonicity: Tensor

    @classmethod
    def read(cls, policy: Policy, distribution: ToneDistribution, bins: Tensor) -> _Tones:
        """What the network says of the tones at some bins ``[k, c]``."""
        n_sets, n_candidates = bins.shape
        sets = torch.arange(n_sets, device=bins.device).repeat_interleave(n_candidates)
        each = distribution.continued(sets)
        action = each.at(torch.zeros_like(sets), bins.flatten())
        raw = each.read(action)
        f0_bins = action.bin + offset_bins(raw[:, Output.OFFSET], policy.parameter_config)
        return cls(
            on_logit=(raw[:, Output.ON_LOGIT] + policy.parameter_config.on_bias).view_as(bins),
            f0_bins=f0_bins.clamp_min(1.0).view_as(bins),
            inharmonicity=action.inharmonicity.to(f0_bins.dtype).view_as(bins),
        )


def _in_channels(fit: JointFit, channels: Tensor) -> Tensor:
    """How loud every tone of a fit is in every channel ``[n, c, f]``, ``[k, i, c]``."""
    if channels.shape[1] == 1:
        return magnitude(fit.coefficients).sum(-1)[..., None]
    rows = channels.repeat_interleave(len(fit.coefficients) // len(channels), 0)  # k, c, f
    found = coefficients_in_channels(fit.peaks, rows.transpose(0, 1), tikhonov=TIKHONOV)
    tones = found.unflatten(-1, fit.coefficients.shape[1:])  # c, k, i, h
    return magnitude(tones).sum(-1).movedim(0, -1)


def peak_log_mass(logits: Tensor) -> Tensor:
    """Log-probability of a bin with its two neighbours, at the local maxima; elsewhere very low.

    The maxima are those of the single bins. Where one bin has it all, the sums of three around it
    are equal to the last bit, and would make three proposals of one.

    Args:
        logits: ``[k, f]``.

    Returns:
        ``[k, f]``.
    """
    log_probs = functional.log_softmax(logits, -1)
    padded = functional.pad(log_probs, (1, 1), value=-torch.inf)
    mass = torch.logsumexp(padded.unfold(-1, 3, 1), -1)
    reach = PROPOSAL_REACH_BINS
    highest = functional.max_pool1d(log_probs[:, None], 2 * reach + 1, 1, reach)[:, 0]
    return torch.where(log_probs >= highest, mass, 2 * LEAST_LOG_PROB)


def merged(log_prob: Tensor, pitches: Tensor) -> Tensor:
    """Equal sets made one: the most probable gets the sum, the others almost nothing.

    Args:
        log_prob: of every set, ``[n, s]``.
        pitches: in bins, 0 for a rest, ``[n, s, i]``; their order does not matter.

    Returns:
        ``[n, s]``.
    """
    ordered = pitches.sort(-1).values
    distance = (ordered[:, :, None] - ordered[:, None]).abs().amax(-1)
    equal = distance < TOLERANCE_BINS  # n, s, s
    total = torch.logsumexp(torch.where(equal, log_prob[:, None], -torch.inf), -1)
    rank = (-log_prob).sort(dim=-1, stable=True).indices.argsort(-1)
    beaten = (equal & (rank[:, None] < rank[:, :, None])).any(-1)
    return torch.where(beaten, 2 * LEAST_LOG_PROB, total)


def relative_misfit(spectra: Tensor, explained: Tensor, config: ObjectiveConfig) -> Tensor:
    """Distance of lifted magnitudes (Eq. 12), relative to that of silence, ``[k]``.

    Args:
        spectra: complex ``[k, f]``.
        explained: sum of the tones, ``[k, f]``.
        config: the lift.
    """
    lifted = lifted_magnitude(spectra, config)
    distance = (lifted - lifted_magnitude(explained, config)).square().sum(-1)
    tiny = torch.finfo(lifted.dtype).tiny
    misfit: Tensor = distance / lifted.square().sum(-1).clamp_min(tiny)
    return misfit
