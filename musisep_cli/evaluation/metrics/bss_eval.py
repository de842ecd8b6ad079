"""BSS Eval v2: SDR, SIR and SAR with a gain as the only allowed distortion.

Vincent, Gribonval & Fevotte, "Performance measurement in blind audio source separation", IEEE
TASLP 14(4), 2006; the measure of the paper's Section 4. An estimate x is split into three
orthogonal parts by the projections P_i on its reference s_i and P on the span of all references:

    target        P_i x = s_i <s_i, x> / |s_i|^2                              (1)
    interference  P x - P_i x,  with P x = sum_k w_k s_k, G w = (<s_k, x>)_k  (2)
    artifacts     x - P x                                                     (3)

    SDR = |P_i x|^2 / (|P x - P_i x|^2 + |x - P x|^2)                         (4)
    SIR = |P_i x|^2 / |P x - P_i x|^2                                         (5)
    SAR = |P x|^2 / |x - P x|^2                                               (6)

G is the Gram matrix <s_i, s_k> of the references. No mean is removed and no filter is fitted. The
channels of a stereo signal form one long vector, so that one gain serves all of them. The whole
recording is scored at once, without windows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from musisep_cli.evaluation.metrics.blocks import BlockSource

SILENCE_ENERGY = 1e-12
"""Mean square below which a signal counts as silent: -120 dB, far below the last bit of 16."""
ROUNDING_ENERGY = 1e-24
"""Share of an energy (-240 dB) below which float64 sums over 1e9 samples are rounding errors."""
DEPENDENCE = 1e-10
"""Eigenvalue of the references' correlation, relative to the largest, that counts as 0."""


@dataclass(frozen=True)
class PairScores:
    """Scores in dB of every estimate against every reference; -inf where one of them is silent.

    Attributes:
        sdr_db: Eq. (4), ``[i, j]``.
        sir_db: Eq. (5), ``[i, j]``.
        sar_db: Eq. (6), ``[i, j]``.
        silent_reference: which references are silent, ``[i]``.
        silent_estimate: which estimates are silent, ``[j]``.
        dependent: whether a sounding reference is a weighted sum of the others (a copy, or a
            mixture among them). Then interference from it cannot be told from the target, and SIR
            means little.
    """

    sdr_db: NDArray[np.float64]
    sir_db: NDArray[np.float64]
    sar_db: NDArray[np.float64]
    silent_reference: NDArray[np.bool_]
    silent_estimate: NDArray[np.bool_]
    dependent: bool

    def estimates(self, chosen: slice) -> PairScores:
        """Return the scores of a slice of the estimates."""
        return replace(
            self,
            sdr_db=self.sdr_db[:, chosen],
            sir_db=self.sir_db[:, chosen],
            sar_db=self.sar_db[:, chosen],
            silent_estimate=self.silent_estimate[chosen],
        )


@dataclass(frozen=True)
class InnerProducts:
    """Inner products over all samples and channels, from which the projections follow.

    Attributes:
        gram: G = <s_i, s_k> of the references, ``[i, i]``.
        cross: <s_i, x_j> of references and estimates, ``[i, j]``.
        energy: <x_j, x_j> of the estimates, ``[j]``.
        n_values: number of samples times number of channels.
    """

    gram: NDArray[np.float64]
    cross: NDArray[np.float64]
    energy: NDArray[np.float64]
    n_values: int

    @property
    def silent_reference(self) -> NDArray[np.bool_]:
        """Return which references are silent, ``[i]``."""
        silent: NDArray[np.bool_] = np.diag(self.gram) <= SILENCE_ENERGY * self.n_values
        return silent

    @property
    def silent_estimate(self) -> NDArray[np.bool_]:
        """Return which estimates are silent, ``[j]``."""
        silent: NDArray[np.bool_] = self.energy <= SILENCE_ENERGY * self.n_values
        return silent


def bss_eval_v2(source: BlockSource) -> PairScores:
    """Score all pairs of references and estimates in two passes, in the memory of a block.

    Args:
        source: the signals.

    Returns:
        SDR, SIR and SAR of all pairs.

    Raises:
        ValueError: the signals have no samples.

    >>> from musisep_cli.evaluation.metrics import array_blocks
    >>> s = np.array([[1.0, -1, 0, 0], [0, 0, 1, 0]])
    >>> x = np.array([[1.0, -1, 0.1, 0.1]])
    >>> bss_eval_v2(array_blocks(reference=s, estimate=x)).sir_db.round(1).tolist()
    [[23.0], [-23.0]]
    """
    products = inner_products(source)
    scale = np.where(products.silent_reference, 0.0, np.diag(products.gram)) ** 0.5
    unit = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    # Silent references leave the span. The others are scaled to norm 1, so that loud and soft ones
    # count alike in the rank.
    correlation = products.gram * np.outer(unit, unit)
    # Eq. (2): w of every estimate, [i, j].
    weights = unit[:, None] * (_pseudo_inverse(correlation) @ (unit[:, None] * products.cross))
    return _pair_scores(
        products,
        target=(unit[:, None] * products.cross) ** 2,  # Eq. (1): |P_i x|^2
        interference=_interference_energy(products, weights, unit),
        artifacts=artifact_energy(source, weights),
        dependent=_rank(correlation) < int(np.count_nonzero(scale)),
    )


def inner_products(source: BlockSource) -> InnerProducts:
    """Return the inner products of all signals: the first pass over the blocks.

    Raises:
        ValueError: there are no samples.
    """
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
    """Return |x_j - P x_j|^2 of every estimate, ``[j]``: the second pass over the blocks.

    <x, x> - <P x, P x> is the same number and needs no second pass. But this difference of large
    numbers is rounding noise for estimates better than about 90 dB, while the sum over the samples
    of Eq. (3) is exact for all.

    Args:
        source: the signals.
        weights: w of Eq. (2), ``[i, j]``.
    """
    energy = np.zeros(weights.shape[1])
    for block in source():
        artifacts = block.estimate - np.tensordot(weights.T, block.reference, axes=1)  # Eq. (3)
        energy += np.einsum("jct,jct->j", artifacts, artifacts)
    return energy


def _pseudo_inverse(correlation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the inverse of G on the span of the references, be they independent or not."""
    inverse = np.linalg.pinv(correlation, rcond=DEPENDENCE, hermitian=True)
    return inverse.astype(np.float64, copy=False)


def _rank(correlation: NDArray[np.float64]) -> int:
    """Return the rank of a correlation matrix, whose rows are 0 for silent references."""
    eigenvalues = np.linalg.eigvalsh(correlation)
    return int(np.count_nonzero(eigenvalues > DEPENDENCE * eigenvalues[-1]))


def _interference_energy(
    products: InnerProducts, weights: NDArray[np.float64], unit: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return |P x_j - P_i x_j|^2, the energy of Eq. (2), ``[i, j]``.

    Both projections are weighted sums of the references, so their difference is one too, with the
    coefficients d_k = w_kj - delta_ik <s_i, x_j> / |s_i|^2. Its energy is d^T G d. A difference of
    two energies would lose digits by cancellation.
    """
    n_references = len(weights)
    own = unit[:, None] ** 2 * products.cross  # <s_i, x_j> / |s_i|^2, [i, j]
    difference = weights - np.eye(n_references)[:, :, None] * own[:, None]  # d, [i, k, j]
    energy: NDArray[np.float64] = np.einsum("ikj,kl,ilj->ij", difference, products.gram, difference)
    return energy.clip(min=0)


def _pair_scores(
    products: InnerProducts,
    *,
    target: NDArray[np.float64],
    interference: NDArray[np.float64],
    artifacts: NDArray[np.float64],
    dependent: bool,
) -> PairScores:
    """Return the ratios in dB from the energies of target, interference and artifacts.

    Args:
        products: they tell which signals are silent, and the energies of the estimates.
        target: energies of Eq. (1), ``[i, j]``.
        interference: energies of Eq. (2), ``[i, j]``.
        artifacts: energies of Eq. (3), ``[j]``.
        dependent: whether the references depend on one another.
    """
    floor = ROUNDING_ENERGY * products.energy
    # The parts are orthogonal: |P x|^2 is the energy of target and interference.
    scores = [
        energy_ratio_db(target, interference + artifacts, floor),  # Eq. (4)
        energy_ratio_db(target, interference, floor),  # Eq. (5)
        energy_ratio_db(
            target + interference, np.broadcast_to(artifacts, target.shape), floor
        ),  # Eq. (6)
    ]
    silent = products.silent_reference[:, None] | products.silent_estimate
    sdr, sir, sar = (np.where(silent, -np.inf, score) for score in scores)
    return PairScores(sdr, sir, sar, products.silent_reference, products.silent_estimate, dependent)


def energy_ratio_db(
    signal: NDArray[np.float64], noise: NDArray[np.float64], floor: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return 10 log10(signal / noise) of two energies.

    Args:
        signal: energies of any shape.
        noise: energies of the same shape.
        floor: energy that counts as 0, in a shape that broadcasts.

    Returns:
        Ratios in dB: -inf where the signal is below the floor, otherwise inf where the noise is.

    >>> signal, noise = np.array([2.0, 2.0, 0.0]), np.array([2.0, 0.0, 0.0])
    >>> energy_ratio_db(signal, noise, np.array(1e-24)).tolist()
    [0.0, inf, -inf]
    """
    ratio = np.full(signal.shape, np.inf)
    ratio[signal <= floor] = 0.0
    ordinary = (signal > floor) & (noise > floor)
    np.divide(signal, noise, out=ratio, where=ordinary)
    with np.errstate(divide="ignore"):
        ratio_db: NDArray[np.float64] = 10 * np.log10(ratio)
    return ratio_db
