"""Phase-aware: the convex problem for complex spectra, whose sources can be played.

A tone of instrument i at pitch s with mass m may have any phases, and harmonics of at most the
instrument's strength: y = sum_h c_h g_h, |c_h| <= m D[h, i]. So its mass is max_h |c_h| / D[h, i],
and the certificate of complex data p, their best phases found, is

    q_i(s) = sum_h D[h, i] |<g_h(s), p>|.                                                    (10)

The ball of Eq. (9) is { u : sum_h D_h |u_{s,h}| <= c for all s }, one weighted l1 ball per pitch.
Nothing is lifted: sources add up to the mixture, less what alpha takes from every tone, and the
frame's dual window makes sound of them.

Every frame costs thousands of certificates over all pitches: for short signals and few pitches.

Axes: ``n`` frames, ``i`` instruments, ``s`` pitches, ``h`` harmonics, ``f`` bins, ``t`` samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.methods.lasso.patterns import Atoms
from musisep_cli.methods.lasso.proximal import ProximalConfig, Sources, proximal_gradient
from musisep_cli.tones.peaks import Peaks, harmonic_positions


@dataclass(frozen=True)
class PitchedAtoms:
    """The harmonics of one instrument at some pitches, scaled to tones of norm 1.

    Attributes:
        atoms: of all harmonics, ``[s h, f]``.
        heights: D of the instrument, ``[h]``.
    """

    atoms: Atoms
    heights: Tensor

    @classmethod
    def of(
        cls, pitches_bins: Tensor, column: Tensor, *, width_bins: float, n_bins: int
    ) -> PitchedAtoms:
        """Return those of an instrument.

        Args:
            pitches_bins: where it may play, ``[s]``.
            column: D of the instrument, ``[h]``.
            width_bins: sigma of a peak.
            n_bins: of the spectra.
        """
        positions = harmonic_positions(pitches_bins, torch.zeros_like(pitches_bins), len(column))
        peaks = Peaks.everywhere(
            positions, torch.full_like(pitches_bins, width_bins), n_bins
        ).values  # s, h, f
        norms = (peaks * column[:, None]).sum(1).norm(dim=-1)
        scaled = peaks / norms.clamp_min(1e-12)[:, None, None]
        return cls(Atoms(scaled.flatten(0, 1)), column)

    def certificate(self, left: Tensor) -> Tensor:
        """Return q of Eq. (10) of complex data, ``[..., s]``."""
        return self._harmonics(self.atoms.correlate(left)).abs() @ self.heights

    def mass(self, measure: Tensor) -> Tensor:
        """Return |mu| of coefficients ``[..., s h]``: of every pitch its largest, added up."""
        relative = self._harmonics(measure).abs() / self.heights.clamp_min(1e-12)
        total: Tensor = relative.amax(-1).sum(-1)
        return total

    def ball(self, correlations: Tensor, radius: float) -> Tensor:
        """Return the projection onto the weighted l1 balls of all pitches, ``[..., s h]``."""
        harmonics = self._harmonics(correlations)
        return within_weighted_ball(harmonics, self.heights, radius).flatten(-2)

    def _harmonics(self, values: Tensor) -> Tensor:
        by_pitch: Tensor = values.unflatten(-1, (-1, len(self.heights)))
        return by_pitch


def within_weighted_ball(values: Tensor, weights: Tensor, radius: float) -> Tensor:
    """Return the nearest complex values with sum_h w_h |u_h| <= radius, ``[..., h]``.

    Magnitudes fall by lambda w_h, to 0 at least; lambda is that of the first k values in the order
    of |u_h| / w_h for which it leaves the k-th above 0 (as Duchi et al., Efficient projections onto
    the l1-ball, ICML 2008, without weights).

    >>> within_weighted_ball(torch.tensor([3.0 + 0j, 1.0]), torch.ones(2), 1.0).real.tolist()
    [1.0, 0.0]
    """
    weights = weights.clamp_min(1e-12).expand(values.shape)
    magnitudes = values.abs()
    order = (magnitudes / weights).sort(dim=-1, descending=True)
    sorted_weights = weights.gather(-1, order.indices)
    above = (sorted_weights * magnitudes.gather(-1, order.indices)).cumsum(-1) - radius
    shifts = above / sorted_weights.square().cumsum(-1)
    last = (order.values > shifts).sum(-1, keepdim=True).clamp_min(1) - 1
    shift = shifts.gather(-1, last).clamp_min(0.0)
    kept = (magnitudes - shift * weights).clamp_min(0.0)
    inside = above[..., -1:] <= 0
    scale = torch.where(inside, 1.0, kept / magnitudes.clamp_min(1e-30))
    found: Tensor = values * scale
    return found


def explain(
    spectra: Tensor, instruments: Sequence[PitchedAtoms], share: float, config: ProximalConfig
) -> Sources:
    """Return the sources of some frames, complex ``[i, n, f]``.

    Args:
        spectra: complex, ``[n, f]``.
        instruments: what they may play.
        share: alpha relative to the greatest certificate of all frames.
        config: how long is iterated.
    """
    highest = max(float(each.certificate(spectra).max()) for each in instruments)
    return proximal_gradient(
        spectra,
        [each.atoms for each in instruments],
        share * highest,
        ball=lambda i: instruments[i].ball,
        config=config,
    )


def separate_faithfully(
    signal: Tensor,
    frame: GaborFrame,
    dictionary: Tensor,
    pitches_bins: Sequence[Tensor],
    *,
    share: float = 0.02,
    config: ProximalConfig | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the stems of a short signal, ``[i, t]``, and the residual, ``[t]``: what is left.

    Args:
        signal: real, ``[t]``.
        frame: the representation.
        dictionary: D, given, ``[h, i]``.
        pitches_bins: where each instrument may play, ``[s]`` each.
        share: alpha relative to the greatest certificate.
        config: how long is iterated.
    """
    spectra = frame.analyse(signal, frame.centres(len(signal)))
    pitched = partial(PitchedAtoms.of, width_bins=frame.ideal_width_bins, n_bins=spectra.shape[-1])
    instruments = [
        pitched(pitches, column) for pitches, column in zip(pitches_bins, dictionary.T, strict=True)
    ]
    found = explain(spectra, instruments, share, config or ProximalConfig())
    stems = frame.synthesise([found.sources], len(signal))
    return stems, signal - stems.sum(0)
