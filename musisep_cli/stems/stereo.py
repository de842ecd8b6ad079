"""Places: from where in a stereo recording every instrument sounds.

Not in the paper, which separates one channel. Two instruments that meet in all their harmonics
still differ in how they share out between two channels. Tones and noise of instrument i (see
``refinement``) are vectors over the channels that have a covariance R_i besides their power,

    Y[f] = sum_i (sum_{h of i} c_h g_h[f] + e_i[f]),
    c_h ~ N(0, p_h R_i),  e_i[f] ~ N(0, m_i[f] n[f] R_i),

the model of N. Duong, E. Vincent and R. Gribonval (Under-determined reverberant audio source
separation using a full-rank spatial covariance model, IEEE TASLP 18(7), 2010), with one R_i for all
frequencies and frames. Powers are those in the mean of the channels, where R_i has variance 1. The
most probable tones, with the noise around a harmonic taken as another in each of C channels, are

    c = argmin sum_f |Y - sum_h c_h g_h|^2 / (C n) + sum_h c_h' R_i^-1 c_h / p_h,

and of what they leave over instrument i gets m_i R_i (sum_j m_j R_j)^-1. Of a recording with two
equal channels both are what they are of one.

An instrument that was put somewhere by a mixing desk has a fixed ratio between the channels: R_i
has one large eigenvalue. In a room, phases differ from harmonic to harmonic, and R_i comes near to
a diagonal of levels. It is real, for what has one phase at all frequencies has that of 0 or pi.

Axes: ``n`` frames, ``i`` instruments, ``h`` harmonics of all tones, ``f`` bins, ``c`` channels, two
of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from musisep_cli.tones.peaks import Peaks

ELSEWHERE = 1e-4
"""Share of an instrument's power that is thought to come from anywhere."""
LEAST_IN_MEAN = 1e-3
"""An instrument whose channels cancel in their mean is not thought fainter there, relative to its
power in the channels."""
BREATH = 1e-3
"""Relative to an instrument's highest peak: what it does where it has no tones."""
LEAST = 1e-20
"""There is always so much of nobody, so that in silence nothing is divided by 0, or overflows."""


@dataclass(frozen=True)
class Places:
    """Covariances between the channels, R ``[i, c, c]``, of variance 1 in their mean."""

    covariances: Tensor

    @classmethod
    def anywhere(cls, n_instruments: int, like: Tensor) -> Places:
        """Where nothing is known: channels that have nothing to do with each other."""
        return cls.of(like.real.new_zeros(n_instruments, 2, 2))

    @classmethod
    def of(cls, products: Tensor) -> Places:
        """From sums over the products c_h c_h' of an instrument's harmonics, real ``[i, c, c]``.

        >>> Places.of(torch.tensor([[[4.0, 4.0], [4.0, 4.0]]])).covariances.round(decimals=2)
        tensor([[[1., 1.],
                 [1., 1.]]])
        """
        n_channels = products.shape[-1]
        alone = torch.eye(n_channels).to(products)
        power = products.diagonal(dim1=1, dim2=2).sum(1)[:, None, None]
        relative = products / power.clamp_min(torch.finfo(products.dtype).tiny)
        share = torch.where(power > 0, ELSEWHERE, 1.0)
        covariances = (1 - share) * relative + share * alone / n_channels
        in_mean = covariances.mean((1, 2), keepdim=True)
        return cls(covariances / in_mean.clamp_min(LEAST_IN_MEAN))

    def scatter(self, coefficients: Tensor, instruments: Tensor) -> Tensor:
        """Sums of |c| c c' / (c' R_i^-1 c) over the harmonics of an instrument, ``[i, c, c]``.

        What ``of`` learns better places from: Tyler's estimator of scatter (Annals of Statistics
        15(1), 1987), in which loud harmonics count more. There always are tones that were decoded
        wrongly; what is far from where the instrument is thought to be hardly counts.

        Args:
            coefficients: complex ``[c, n, t, h]``.
            instruments: that play the tones, ``[t]``.
        """
        precisions = torch.linalg.inv(self.covariances)[instruments].to(coefficients.dtype)
        c = coefficients
        spread = torch.einsum("cnth,tcd,dnth->nth", c.conj(), precisions, c).real
        size = c.abs().square().sum(0).sqrt()
        tiny = torch.finfo(size.dtype).tiny
        weights = (size / spread.clamp_min(tiny)).to(c.dtype)
        products = torch.einsum("nth,cnth,dnth->tcd", weights, c, c.conj()).real
        return torch.zeros_like(self.covariances).index_add(0, instruments, products)

    def coefficients(
        self, peaks: Peaks, channels: Tensor, instruments: Tensor, tikhonov: Tensor
    ) -> Tensor:
        """The most probable c, complex ``[c, n, h]``.

        The normal equations are those of one channel (``policy.phase``), twice, tied together at
        every harmonic: (G x 1 + diag(C t_h R_i^-1)) c = <g_h, Y>.

        Args:
            peaks: of all tones' harmonics.
            channels: Y, complex ``[c, n, f]``.
            instruments: that play them, ``[h]``.
            tikhonov: n / p, ``[n, h]``.
        """
        n_channels = len(channels)
        gram = peaks.gram().to(torch.float64)
        matrix = torch.einsum("nhk,cd->nhckd", gram, torch.eye(n_channels).to(gram))
        precisions = torch.linalg.inv(self.covariances.to(torch.float64))[instruments]
        weights = n_channels * tikhonov.to(torch.float64)
        ties = matrix.diagonal(dim1=1, dim2=3)  # n, c, c, h
        ties += (weights[:, :, None, None] * precisions).movedim(1, -1)
        factor, _ = torch.linalg.cholesky_ex(matrix.flatten(3).flatten(1, 2))
        products = torch.stack([peaks.correlate(channel) for channel in channels], -1)
        right = torch.view_as_real(products).to(torch.float64)  # n, h, c, 2
        solution = torch.cholesky_solve(right.flatten(1, 2), factor).view_as(right)
        found: Tensor = torch.view_as_complex(solution.to(peaks.values.dtype).contiguous())
        return found.movedim(-1, 0)

    def roots(self) -> Tensor:
        """B_i with R_i = B_i B_i', in float64, ``[i, c, c]``."""
        roots: Tensor = torch.linalg.cholesky(self.covariances.double())
        return roots

    def shared(self, rest: Tensor, envelopes: Tensor, floor: float) -> Tensor:
        """What every instrument has of what the tones leave over, ``[n, i, c, f]``.

        As ``resynthesis.shared``, with R: where there are no tones, the residual gets it, except
        for what its place alone tells to be an instrument's.

        Args:
            rest: complex ``[n, c, f]``.
            envelopes: m, ``[n, i, f]``.
            floor: relative to the highest of them in the frame.
        """
        ground = BREATH * self._apart()[:, None] * envelopes.amax(2, keepdim=True)
        envelopes = envelopes + ground
        # In float64, for of two instruments at one place it is nearly singular.
        total = torch.einsum("nif,icd->cdnf", envelopes.double(), self.covariances.double())
        least = 2 * floor * envelopes.amax((1, 2))[:, None] + LEAST
        left, right, both = total[0, 0] + least, total[1, 1] + least, total[0, 1]
        determinant = left * right - both.square()  # the inverse, by the adjugate
        whitened = torch.stack(
            [right * rest[:, 0] - both * rest[:, 1], left * rest[:, 1] - both * rest[:, 0]], 1
        )
        whitened = (whitened / determinant[:, None]).to(rest.dtype)
        placed = torch.einsum("icd,ndf->nicf", self.covariances.to(whitened), whitened)
        return envelopes[:, :, None] * placed

    def _apart(self) -> Tensor:
        """How far from the nearest other one every instrument is, from 0 to 1, ``[i]``."""
        if len(self.covariances) == 1:
            return self.covariances.new_zeros(1)
        flat = functional.normalize(self.covariances.flatten(1), dim=1)
        nearest = (flat @ flat.T).fill_diagonal_(0).amax(1)
        return 1 - nearest.clamp_max(1)
