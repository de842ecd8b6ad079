"""Search: the most probable sets of tones of every frame, by beam search.

Departs from the paper (Section 3.8), which predicts one set, the most probable tone after tone.
Such a choice cannot be taken back: a first tone an octave too low explains the harmonics of both
instruments and leaves nothing to the second. Here the network continues several sets at once, and
the best of them are kept as the frame's ``hypotheses``.

Axes: ``n`` frames, ``s`` hypotheses of a frame, ``i`` tones, ``c`` candidates for the next tone or
channels, ``f`` bins, ``h`` harmonics; ``k = n s``, those of one frame in a row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from musisep_cli.frames.leaves import leafwise
from musisep_cli.frames.spectra import audible
from musisep_cli.machine.threads import CALLERS_OWN, Threads
from musisep_cli.methods.policy.explanation import Explanation
from musisep_cli.methods.policy.parameters import Output, offset_bins
from musisep_cli.methods.policy.rollout import Policy
from musisep_cli.methods.policy.sampling import ToneDistribution
from musisep_cli.players.hypotheses import LEAST_LOG_PROB, Hypotheses, SetFit
from musisep_cli.tones.joint_fit import LOWEST_WIDTHS
from musisep_cli.tones.tones import Tones

TOLERANCE_BINS = 1.5
"""Bins: tones this close to each other are one tone, and their probabilities are added."""
PROPOSAL_REACH_BINS = 2
"""Bins to both sides among which a proposed bin is the most probable one."""
HIDING_HARMONICS, MOST_HIDING = range(2, 7), 10
"""Harmonics of every other tone at which a hidden tone is looked for, the lowest first, and the
most places in all."""
FRAMES_AT_ONCE = 8
"""Number of frames searched at once: the network's activations then fit into the processor's cache.
Blocks of 64 took twice the processor time, half of it spent by the system on fresh memory."""


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """How many sets of tones are tried (not in the paper)."""

    beam: int = field(default=5, metadata={"least": 1, "most": 32})
    """Number of candidates for the next tone of a set, and of sets that are continued."""
    hypotheses: int = 12
    """Number of sets of a frame that are kept. With 1 here and for ``beam``, it is the most
    probable tone after tone, as in the paper."""
    octave_nats: float = field(default=10.0, metadata={"least": 0})
    """Nats by which the most probable set with a tone an octave lower or higher is less probable.
    It is tried because the network's surest errors are octaves, above all of tones with a weak
    fundamental. 0: it is not tried."""
    hidden_nats: float = field(default=10.0, metadata={"least": 0})
    """Nats by which the most probable set with its last tone at a harmonic of another is less
    probable. It is tried because such a tone has no harmonic of its own, and once the others are
    subtracted the network finds nothing left of it. 0: it is not tried."""
    held_nats: float = field(default=5.0, metadata={"least": 0})
    """Nats by which a frame's tones with a note held from the frames before, or begun before those
    after, are less probable. They are tried, once all is decoded, because a tone that the others
    cover is in no set of its own frame. 0: they are not tried."""
    refined_pitch: bool = True
    """Whether pitches are set to where their harmonics are strongest before sets are compared."""


class Searcher:
    """Searches frames for the most probable sets of tones, block after block in order.

    Args:
        policy: the network.
        n_harmonics: number of harmonics of a tone.
        config: how many sets are tried.
        keep: called with what is found in the next frames.
        threads: where frames are searched.
    """

    def __init__(
        self,
        policy: Policy,
        n_harmonics: int,
        config: SearchConfig,
        keep: Callable[[Hypotheses], None],
        threads: Threads = CALLERS_OWN,
    ) -> None:
        self.policy, self.n_harmonics, self.config = policy, n_harmonics, config
        self.keep, self.threads = keep, threads

    def listen(self, channels: Tensor) -> None:
        """Search the next frames ``[n, c, f]`` and keep what is found; no tones in silent ones."""
        blocks = channels.split(FRAMES_AT_ONCE)
        with self.policy.unet.unchanged():
            found = self.threads.map(self._search, blocks)
        heard = [
            sets.heard(audible(block.mean(1))) for sets, block in zip(found, blocks, strict=True)
        ]
        for hypotheses in heard:  # from here on the frames must not be searched again
            self.keep(hypotheses)

    def _search(self, block: Tensor) -> Hypotheses:
        """Return the hypotheses of a few frames ``[n, c, f]``."""
        return search(self.policy, block, self.n_harmonics, self.config)


@torch.no_grad()
def search(policy: Policy, channels: Tensor, n_harmonics: int, config: SearchConfig) -> Hypotheses:
    """Return the most probable sets of tones of frames, found on the mean of their channels.

    The probability of a set is the product of its tones' probabilities, each given the tones before
    it, and of that of a rest, summed over the orders in which the search met the set. The
    probability of a rest is read where the network thinks the next tone most probable.

    Args:
        policy: a network that proposes tones, whoever plays them: instruments by timbre.
        channels: spectra, complex ``[n, c, f]``.
        n_harmonics: number of harmonics of a tone.
        config: how many sets are tried.
    """
    # From no tone on, one more in every round, to as many as there are instruments.
    found = _Sets.none(policy, channels.mean(1), n_harmonics)
    for place in range(policy.n_instruments):
        last = place + 1 == policy.n_instruments
        found = found.extended(place, config.beam, config.hypotheses if last else config.beam)
    fit = set_fit(policy, n_harmonics, config)
    hypotheses = fit(found.log_prob, found.tones, channels)
    moves = _moves(policy.n_instruments, config)
    if not moves:
        return hypotheses
    # The most probable set again, with octaves and hidden tones that the network is blind to.
    moved = found.moved(hypotheses, moves)
    return hypotheses.beside(fit(moved.log_prob, moved.tones, channels))


def set_fit(policy: Policy, n_harmonics: int, config: SearchConfig) -> SetFit:
    """Return the fit that the search compares its sets by."""
    return SetFit(
        n_harmonics=n_harmonics,
        width_bins=policy.ideal_width_bins,
        objective=policy.objective_config,
        refined_pitch=config.refined_pitch,
    )


class _Move(NamedTuple):
    """A tone of a set that is put at a multiple of its own pitch or of another tone's.

    Attributes:
        tone: number of the tone that is moved.
        source: number of the tone whose pitch is multiplied.
        factor: what it is multiplied by.
        nats: by how much the set becomes less probable.
    """

    tone: int
    source: int
    factor: float
    nats: float


def _moves(n_tones: int, config: SearchConfig) -> list[_Move]:
    """Return the moves of a tone that are tried on the most probable set.

    Only the last tone is looked for where it may hide: after a rest there are only rests, so that
    with the last tone none is missing.
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
    """Sets of tones that are not complete yet.

    Attributes:
        policy: the network that goes on with them.
        dictionary: one that has no say, ``[h, i]``.
        explanation: the sets without a rest as rollouts ``[k]``, for the network to go on from.
        log_prob: of the sets, ``[n, s]``.
        tones: those that are missing are off, ``[n, s, i]``.
    """

    policy: Policy
    dictionary: Tensor
    explanation: Explanation
    log_prob: Tensor
    tones: Tones

    @classmethod
    def none(cls, policy: Policy, spectra: Tensor, n_harmonics: int) -> _Sets:
        """Return one set without tones for each of ``spectra [n, f]``."""
        dictionary = spectra.real.new_ones(n_harmonics, policy.n_instruments)  # has no say here
        blank = spectra.real.new_zeros(len(spectra), 1, policy.n_instruments)
        return cls(
            policy=policy,
            dictionary=dictionary,
            explanation=Explanation.blank(spectra, dictionary),
            log_prob=blank[..., 0],
            tones=Tones(blank.bool(), blank, blank),
        )

    @property
    def lowest_bins(self) -> float:
        """The least pitch in bins."""
        return LOWEST_WIDTHS * self.policy.ideal_width_bins

    def extended(self, place: int, beam: int, n_kept: int) -> _Sets:
        """Return every set with one more tone or a rest, the ``n_kept`` most probable of a frame.

        After a rest there are only rests: a rest says that nothing is left.

        Args:
            place: number of the tone that is added.
            beam: number of candidates for it.
            n_kept: number of sets of a frame that are kept.
        """
        n_frames, n_sets = self.log_prob.shape
        asked = self._unended(place)
        # Candidates are the local maxima of the network's distribution over the bins.
        distribution, _ = self.policy.propose(self.explanation, self.dictionary)
        mass = peak_log_mass(distribution.logits)
        mass[:, : math.ceil(self.lowest_bins)] = 2 * LEAST_LOG_PROB  # as good as never
        proposals = mass.topk(beam)  # k, c
        next_tones = _NextTones.read(self.policy, distribution, proposals.indices)
        sounding = proposals.values + functional.logsigmoid(next_tones.on_logit)
        # The last child of every set is a rest, and the only one of a set that has rested already.
        resting = functional.logsigmoid(-next_tones.on_logit[:, :1])
        steps = self.log_prob.new_full((n_frames * n_sets, beam + 1), 2 * LEAST_LOG_PROB)
        steps[:, -1] = 0.0
        steps[asked] = torch.cat([sounding, resting], 1)

        def children(values: Tensor, tone: Tensor) -> Tensor:
            """Return values with the next tone's in its place, 0 for a rest, ``[n, s c, i]``."""
            found = values.flatten(0, 1)[:, None].repeat(1, beam + 1, 1)  # n s, c, i
            found[asked, :beam, place] = tone.to(values.dtype)
            return found.view(n_frames, -1, values.shape[-1])

        tones = leafwise(children, self.tones, next_tones.tones)
        # The same tones in another order are the same set.
        log_prob = self.log_prob[..., None] + steps.view(n_frames, n_sets, -1)
        log_prob = merged(log_prob.flatten(1), tones.on * tones.f0_bins)
        best = log_prob.topk(min(n_kept, log_prob.shape[1]))  # n, s
        chosen = best.indices[..., None].expand(-1, -1, tones.on.shape[-1])
        kept = replace(
            self,
            log_prob=best.values.clamp_min(LEAST_LOG_PROB),
            tones=leafwise(lambda values: values.gather(1, chosen), tones),
        )
        if place + 1 == self.policy.n_instruments:
            return kept
        # From the number of a child, s c, back to its parent's row k and its proposal c.
        rows = asked.new_zeros(n_frames * n_sets)
        rows[asked] = torch.arange(len(asked), device=asked.device)
        first = n_sets * torch.arange(n_frames, device=asked.device)[:, None]
        parents = rows[(first + best.indices // (beam + 1)).flatten()]
        child = (best.indices % (beam + 1)).flatten()
        going_on = kept._unended(place + 1)
        parents, child = parents[going_on], child[going_on]
        return kept._followed(place, distribution, parents, proposals.indices[parents, child])

    def _unended(self, place: int) -> Tensor:
        """Return the numbers of the sets without a rest among their first tones, ``[k]``.

        After a rest there are only rests, so that the network need not be asked.

        Args:
            place: number of the first tones.
        """
        if place == 0:
            return torch.arange(self.log_prob.numel(), device=self.log_prob.device)
        return self.tones.on[..., place - 1].flatten().nonzero().squeeze(1)

    def _followed(
        self, place: int, distribution: ToneDistribution, parents: Tensor, bins: Tensor
    ) -> _Sets:
        """Return the sets with the tones at ``place`` subtracted from what the network sees.

        Args:
            place: number of the tones that were added.
            distribution: the one that proposed them.
            parents: rollout that each set without a rest continues, ``[k]``.
            bins: where its tone was proposed, ``[k]``.
        """
        distribution = distribution.continued(parents)
        explanation = self.explanation.taken(parents)
        action = distribution.at(torch.full_like(parents, place), bins)
        raw = distribution.read(action)
        tone = self.policy.tone(distribution, action, raw, explanation, self.dictionary)
        unused = explanation.log_prob  # probabilities are kept by set, not in the explanation
        return replace(self, explanation=explanation.add(tone, unused, unused))

    def moved(self, fitted: Hypotheses, moves: Sequence[_Move]) -> _Sets:
        """Return the most probable set, as it was fitted, with a tone moved, once per move."""
        n_tones = self.tones.on.shape[-1]
        sources = torch.arange(n_tones, device=self.log_prob.device).repeat(len(moves), 1)
        factors = self.tones.f0_bins.new_ones(len(moves), n_tones)
        # Each row takes all tones as they are, but for the one that is moved.
        for row, move in enumerate(moves):
            sources[row, move.tone], factors[row, move.tone] = move.source, move.factor
        on = self.tones.on[:, 0][:, sources]
        f0_bins = fitted.tones.f0_bins[:, 0][:, sources] * factors
        log_prob = self.log_prob[:, :1] - factors.new_tensor([move.nats for move in moves])
        # A tone below the lowest pitch is as good as impossible, and not one of that pitch instead.
        too_low = (on & (f0_bins < self.lowest_bins)).any(-1)
        return replace(
            self,
            log_prob=torch.where(too_low, 2 * LEAST_LOG_PROB, log_prob),
            tones=Tones(
                on=on,
                f0_bins=f0_bins.clamp_min(self.lowest_bins),
                inharmonicity=self.tones.inharmonicity[:, 0][:, sources],
            ),
        )


@dataclass(frozen=True)
class _NextTones:
    """Candidates for the next tone of every set.

    Attributes:
        on_logit: of whether it is there at all, ``[k, c]``.
        tones: what each is if it is there, ``[k, c]``.
    """

    on_logit: Tensor
    tones: Tones

    @classmethod
    def read(cls, policy: Policy, distribution: ToneDistribution, bins: Tensor) -> _NextTones:
        """Return what the network says of tones at some bins ``[k, c]``."""
        n_sets, n_candidates = bins.shape
        sets = torch.arange(n_sets, device=bins.device).repeat_interleave(n_candidates)
        each = distribution.continued(sets)
        action = each.at(torch.zeros_like(sets), bins.flatten())
        raw = each.read(action)
        f0_bins = action.bin + offset_bins(raw[:, Output.OFFSET], policy.parameter_config)
        f0_bins = f0_bins.clamp_min(1.0).view_as(bins)
        return cls(
            on_logit=(raw[:, Output.ON_LOGIT] + policy.parameter_config.on_bias).view_as(bins),
            tones=Tones(
                on=torch.ones_like(f0_bins),
                f0_bins=f0_bins,
                inharmonicity=action.inharmonicity.to(f0_bins.dtype).view_as(bins),
            ),
        )


def peak_log_mass(logits: Tensor) -> Tensor:
    """Return the log-probability of a bin with its two neighbours, at the local maxima, ``[k, f]``.

    Elsewhere it is very low. The maxima are those of the single bins: where one bin has all of the
    probability, the sums of three around it are equal to the last bit, and would make three
    proposals of one.

    Args:
        logits: unnormalised log-probabilities of the bins, ``[k, f]``.
    """
    log_probs = functional.log_softmax(logits, -1)
    padded = functional.pad(log_probs, (1, 1), value=-torch.inf)
    mass = torch.logsumexp(padded.unfold(-1, 3, 1), -1)
    reach = PROPOSAL_REACH_BINS
    highest = functional.max_pool1d(log_probs[:, None], 2 * reach + 1, 1, reach)[:, 0]
    return torch.where(log_probs >= highest, mass, 2 * LEAST_LOG_PROB)


def merged(log_prob: Tensor, pitches: Tensor) -> Tensor:
    """Return log-probabilities with equal sets made one, ``[n, s]``.

    The most probable of equal sets gets the sum, the others almost nothing.

    Args:
        log_prob: log-probability of every set, ``[n, s]``.
        pitches: in bins, 0 for a rest, ``[n, s, i]``; their order does not matter.
    """
    ordered = pitches.sort(-1).values
    distance = (ordered[:, :, None] - ordered[:, None]).abs().amax(-1)
    equal = distance < TOLERANCE_BINS  # n, s, s
    total = torch.logsumexp(torch.where(equal, log_prob[:, None], -torch.inf), -1)
    rank = (-log_prob).sort(dim=-1, stable=True).indices.argsort(-1)
    beaten = (equal & (rank[:, None] < rank[:, :, None])).any(-1)
    return torch.where(beaten, 2 * LEAST_LOG_PROB, total)
