"""Stereo: the place between the two channels from which every instrument sounds.

Not in the paper, which separates one channel. Two instruments that meet in all their harmonics
still differ in how they share out between two channels. Tones and noise of instrument i (see
``wiener``) are vectors over the channels that have a covariance R_i besides their power,

    Y[f] = sum_i (sum_{h of i} c_h g_h[f] + e_i[f]),                                            (1)
    c_h ~ N(0, p_h R_i),  e_i[f] ~ N(0, m_i[f] n[f] R_i),                                       (2)

the model of N. Duong, E. Vincent and R. Gribonval (Under-determined reverberant audio source
separation using a full-rank spatial covariance model, IEEE TASLP 18(7), 2010), with one R_i for all
frequencies and frames. Powers are those in the mean of the channels, where R_i has variance 1. The
most probable tones, with the noise around a harmonic taken as another in each of C channels, are

    c = argmin sum_f |Y - sum_h c_h g_h|^2 / (C n) + sum_h c_h' R_i^-1 c_h / p_h,               (3)

and of what they leave over, Y - T, instrument i gets

    m_i R_i (sum_j m_j R_j)^-1 (Y - T).                                                         (4)

If the two channels are equal, both are what they are of a single channel. R_i is learned from the
coefficients themselves: (3) with the R_i of the round before gives c, and these give

    R_i ~ sum_{h of i} |c_h| c_h c_h' / (c_h' R_i^-1 c_h),                                      (5)

Tyler's estimator of scatter (Annals of Statistics 15(1), 1987), here with loud harmonics counting
more.

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
"""Share of an instrument's power that may come from anywhere: keeps R_i invertible."""
LEAST_IN_MEAN = 1e-3
"""Least power of an instrument in the mean of the channels, relative to that in the channels: in
some recordings the channels of an instrument cancel in their mean."""
BREATH = 1e-3
"""Magnitude of an instrument's noise where it has no tones, relative to its highest peak."""
LEAST = 1e-20
"""Power of nobody that is always added: in silence nothing is divided by 0 or overflows."""


@dataclass(frozen=True)
class Places:
    """The places of all instruments.

    Attributes:
        covariances: R between the channels, of variance 1 in their mean, real ``[i, c, c]``.
    """

    covariances: Tensor

    @classmethod
    def anywhere(cls, n_instruments: int, like: Tensor) -> Places:
        """Return places of which nothing is known: channels that are independent of each other."""
        return cls.of(like.real.new_zeros(n_instruments, 2, 2))

    @classmethod
    def of(cls, products: Tensor) -> Places:
        """Return the places that sums of products c_h c_h' tell of, real ``[i, c, c]``.

        The sums are over the harmonics of an instrument; their scale does not matter.

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
        """Return the sums of (5) over the harmonics of every instrument, ``[i, c, c]``.

        ``of`` makes better places of them. Some tones are always decoded wrongly; what comes from
        far from where the instrument is thought to be hardly counts.

        Args:
            coefficients: c of all harmonics, complex ``[c, n, t, h]``.
            instruments: which instrument plays each tone, ``[t]``.
        """
        precisions = torch.linalg.inv(self.covariances)[instruments].to(coefficients.dtype)
        c = coefficients
        # c' R_i^-1 c, real as R_i is symmetric, and the weight |c| over it.
        spread = torch.einsum("cnth,tcd,dnth->nth", c.conj(), precisions, c).real
        size = c.abs().square().sum(0).sqrt()
        tiny = torch.finfo(size.dtype).tiny
        weights = (size / spread.clamp_min(tiny)).to(c.dtype)
        products = torch.einsum("nth,cnth,dnth->tcd", weights, c, c.conj()).real
        return torch.zeros_like(self.covariances).index_add(0, instruments, products)

    def coefficients(
        self, peaks: Peaks, channels: Tensor, instruments: Tensor, tikhonov: Tensor
    ) -> Tensor:
        """Return the most probable c of (3), complex ``[c, n, h]``.

        The normal equations are those of one channel (``tones.coefficients``), twice, tied together
        at every harmonic:

            (G x 1 + diag(C t_h R_i^-1)) c = <g_h, Y>,  t_h = n / p_h.                          (6)

        Args:
            peaks: all harmonics of all tones.
            channels: Y, complex ``[c, n, f]``.
            instruments: which instrument plays each harmonic, ``[h]``.
            tikhonov: t, ``[n, h]``.
        """
        n_channels = len(channels)
        # The matrix of (6), first G in every channel, then the ties between the channels.
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
        """Return B_i with R_i = B_i B_i', in float64, ``[i, c, c]``."""
        roots: Tensor = torch.linalg.cholesky(self.covariances.double())
        return roots

    def shared(self, leftover: Tensor, envelopes: Tensor, floor: float) -> Tensor:
        """Return (4): what every instrument gets of what the tones leave over, ``[n, i, c, f]``.

        As ``wiener.shared`` with R. Where there are no tones, the residual gets what is left,
        except for the part that its place alone tells to be an instrument's.

        Args:
            leftover: Y - T, complex ``[n, c, f]``.
            envelopes: m, magnitudes, ``[n, i, f]``.
            floor: share of nobody, relative to the highest envelope in the frame.
        """
        ground = BREATH * self._apart()[:, None] * envelopes.amax(2, keepdim=True)
        envelopes = envelopes + ground
        # sum_j m_j R_j, in float64: of two instruments at one place it is nearly singular.
        total = torch.einsum("nif,icd->cdnf", envelopes.double(), self.covariances.double())
        least = 2 * floor * envelopes.amax((1, 2))[:, None] + LEAST
        left, right, both = total[0, 0] + least, total[1, 1] + least, total[0, 1]
        # Its inverse times Y - T, by the adjugate of a 2 x 2 matrix over its determinant.
        determinant = left * right - both.square()
        whitened = torch.stack(
            [
                right * leftover[:, 0] - both * leftover[:, 1],
                left * leftover[:, 1] - both * leftover[:, 0],
            ],
            1,
        )
        whitened = (whitened / determinant[:, None]).to(leftover.dtype)
        placed = torch.einsum("icd,ndf->nicf", self.covariances.to(whitened), whitened)
        return envelopes[:, :, None] * placed

    def _apart(self) -> Tensor:
        """Return how far every instrument is from the nearest other, from 0 to 1, ``[i]``.

        One minus the cosine between their covariances, taken as vectors. An instrument that is
        alone is apart from nobody; one that never plays, of which nothing is known (``anywhere``),
        does not count.
        """
        unknown = Places.anywhere(len(self.covariances), self.covariances).covariances
        is_heard = (self.covariances != unknown).flatten(1).any(1)
        if int(is_heard.sum()) < 2:
            return torch.zeros_like(self.covariances[:, 0, 0])
        flat = functional.normalize(self.covariances.flatten(1), dim=1)
        nearest = (flat @ flat.T * is_heard).fill_diagonal_(0).amax(1)
        return 1 - nearest.clamp_max(1)
