"""BSS Eval v2: SDR, SIR and SAR with a gain as the only allowed distortion.

Vincent, Gribonval & Fevotte, "Performance measurement in blind audio source separation", IEEE
TASLP 14(4), 2006; the measure of the paper's Section 4. An estimate x is split into three
orthogonal parts by the projections on its reference s_i and on the span of all references:

    target        P_i x
    interference  P x - P_i x
    artifacts     x - P x

    SDR = |P_i x|^2 / (|P x - P_i x|^2 + |x - P x|^2)
    SIR = |P_i x|^2 / |P x - P_i x|^2
    SAR = |P x|^2 / |x - P x|^2

No mean is removed and no filter is fitted. The channels of a stereo signal are one long vector:
one gain serves all of them. The whole length counts as one, without windows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from musisep_cli.evaluation.metrics.blocks import BlockSource

SILENCE_ENERGY = 1e-12
"""Mean square below which a signal is silent: -120 dB, far under the last bit of 16."""
ROUNDING_ENERGY = 1e-24
"""Part of an energy that float64 inner products over 1e9 samples cannot tell from 0: -240 dB."""
DEPENDENCE = 1e-10
"""Eigenvalue, relative to the largest, below which the span of the references lacks a dimension."""


@dataclass(frozen=True)
class PairScores:
    """Scores of every estimate against every reference, -inf where one of them is silent.

    Attributes:
        sdr_db: ``[i, j]``.
        sir_db: ``[i, j]``.
        sar_db: ``[i, j]``.
        silent_reference: ``[i]``.
        silent_estimate: ``[j]``.
        dependent: whether a sounding reference is a sum of others (a copy, or a mix among them):
            interference from it cannot be told apart, and SIR means little.
    """

    sdr_db: NDArray[np.float64]
    sir_db: NDArray[np.float64]
    sar_db: NDArray[np.float64]
    silent_reference: NDArray[np.bool_]
    silent_estimate: NDArray[np.bool_]
    dependent: bool

    def estimates(self, chosen: slice) -> PairScores:
        """The scores of some of the estimates."""
        return replace(
            self,
            sdr_db=self.sdr_db[:, chosen],
            sir_db=self.sir_db[:, chosen],
            sar_db=self.sar_db[:, chosen],
            silent_estimate=self.silent_estimate[chosen],
        )


@dataclass(frozen=True)
class InnerProducts:
    """All that the projections need to know of the signals.

    Attributes:
        gram: <s_i, s_k>, ``[i, i]``.
        cross: <s_i, x_j>, ``[i, j]``.
        energy: <x_j, x_j>, ``[j]``.
        n_values: samples times channels.
    """

    gram: NDArray[np.float64]
    cross: NDArray[np.float64]
    energy: NDArray[np.float64]
    n_values: int

    @property
    def silent_reference(self) -> NDArray[np.bool_]:
        """Which references are silent, ``[i]``."""
        silent: NDArray[np.bool_] = np.diag(self.gram) <= SILENCE_ENERGY * self.n_values
        return silent

    @property
    def silent_estimate(self) -> NDArray[np.bool_]:
        """Which estimates are silent, ``[j]``."""
        silent: NDArray[np.bool_] = self.energy <= SILENCE_ENERGY * self.n_values
        return silent


def bss_eval_v2(source: BlockSource) -> PairScores:
    """Scores all pairs of the signals in ``source`` in two passes of constant memory.

    >>> from musisep_cli.evaluation.metrics import array_blocks
    >>> s = np.array([[1.0, -1, 0, 0], [0, 0, 1, 0]])
    >>> x = np.array([[1.0, -1, 0.1, 0.1]])
    >>> bss_eval_v2(array_blocks(reference=s, estimate=x)).sir_db.round(1).tolist()
    [[23.0], [-23.0]]
    """
    products = inner_products(source)
    scale = np.where(products.silent_reference, 0.0, np.diag(products.gram)) ** 0.5
    unit = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    # Silent references leave the span; the others enter with norm 1, so that loud and soft ones
    # count alike in the rank.
    correlation = products.gram * np.outer(unit, unit)
    weights = unit[:, None] * (_pseudo_inverse(correlation) @ (unit[:, None] * products.cross))
    return _pair_scores(
        products,
        target=(unit[:, None] * products.cross) ** 2,
        interference=_interference_energy(products, weights, unit),
        artifacts=artifact_energy(source, weights),
        dependent=_rank(correlation) < int(np.count_nonzero(scale)),
    )


def inner_products(source: BlockSource) -> InnerProducts:
    """First pass: sums of products over all blocks."""
    gram = cross = energy = np.zeros(())
    n_values = 0
    for block in source():
        reference = block.reference.reshape(len(block.reference), -1)
        estimate = block.estimate.reshape(len(block.estimate), -1)
        gram = gram + reference @ reference.T
        cross = cross + reference @ estimate.T
        energy = energy + np.einsum("jt,jt->j", estimate, estimate)
        n_values += reference.shape[1]
    if n_values == 0:
        raise ValueError("nothing to score: the signals have no samples")
    return InnerProducts(gram, cross, energy, n_values)


def artifact_energy(source: BlockSource, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Second pass: |x_j - sum_i w_ij s_i|^2, ``[j]``.

    The same number is <x, x> - <P x, P x> from the first pass alone, but that difference of large
    numbers is rounding noise for estimates better than about 90 dB. Summed sample by sample it is
    exact for any.
    """
    energy = np.zeros(weights.shape[1])
    for block in source():
        residual = block.estimate - np.tensordot(weights.T, block.reference, axes=1)
        energy += np.einsum("jct,jct->j", residual, residual)
    return energy


def _pseudo_inverse(correlation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse on the span of the references, whether or not they are independent."""
    inverse = np.linalg.pinv(correlation, rcond=DEPENDENCE, hermitian=True)
    return inverse.astype(np.float64, copy=False)


def _rank(correlation: NDArray[np.float64]) -> int:
    """Number of independent directions in a correlation matrix with rows of 0 for silence."""
    eigenvalues = np.linalg.eigvalsh(correlation)
    return int(np.count_nonzero(eigenvalues > DEPENDENCE * eigenvalues[-1]))


def _interference_energy(
    products: InnerProducts, weights: NDArray[np.float64], unit: NDArray[np.float64]
) -> NDArray[np.float64]:
    """|P x_j - P_i x_j|^2, ``[i, j]``.

    Both projections are sums of references, so their difference has the coefficients
    d_k = w_kj - delta_ik <s_i, x_j> / |s_i|^2, and its energy is d^T G d: a sum without the
    cancellation that a difference of energies would have.
    """
    n_references = len(weights)
    own = unit[:, None] ** 2 * products.cross  # i, j
    difference = weights - np.eye(n_references)[:, :, None] * own[:, None]  # i, k, j
    energy: NDArray[np.float64] = np.einsum("ikj,kl,ilj->ij", difference, products.gram, difference)
    return energy.clip(min=0)  # i, j


def _pair_scores(
    products: InnerProducts,
    *,
    target: NDArray[np.float64],
    interference: NDArray[np.float64],
    artifacts: NDArray[np.float64],
    dependent: bool,
) -> PairScores:
    """Ratios in dB from the energies of the three parts, ``[i, j]``, ``[i, j]``, ``[j]``."""
    floor = ROUNDING_ENERGY * products.energy
    scores = [
        decibels(target, interference + artifacts, floor),
        decibels(target, interference, floor),
        decibels(target + interference, np.broadcast_to(artifacts, target.shape), floor),
    ]
    silent = products.silent_reference[:, None] | products.silent_estimate
    sdr, sir, sar = (np.where(silent, -np.inf, score) for score in scores)
    return PairScores(sdr, sir, sar, products.silent_reference, products.silent_estimate, dependent)


def decibels(
    signal: NDArray[np.float64], noise: NDArray[np.float64], floor: NDArray[np.float64]
) -> NDArray[np.float64]:
    """10 log10(signal / noise): -inf for a signal under ``floor``, inf for such a noise.

    >>> decibels(np.array([2.0, 2.0, 0.0]), np.array([2.0, 0.0, 0.0]), np.array(1e-24)).tolist()
    [0.0, inf, -inf]
    """
    ratio = np.full(signal.shape, np.inf)
    ratio[signal <= floor] = 0.0
    ordinary = (signal > floor) & (noise > floor)
    np.divide(signal, noise, out=ratio, where=ordinary)
    with np.errstate(divide="ignore"):
        ratio_db: NDArray[np.float64] = 10 * np.log10(ratio)
    return ratio_db
