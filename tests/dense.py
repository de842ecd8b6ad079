"""Slow float64 versions of the model, written from the paper: the oracle of the unit tests.

Plain numpy on dense arrays, one frame and one tone at a time. Axes: `f` bins, `h` harmonics,
`i` instruments, `t` samples.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]


def gaussian_window(offsets: Real, zeta_samples: float) -> Real:
    """Gaussian [t] of sum 1 (Section 2.2)."""
    window = np.exp(-(offsets**2) / (2 * zeta_samples**2))
    return np.asarray(window / window.sum())


def gabor_frame(signal: Real, centre: int, zeta_samples: float, n_fft: int) -> Complex:
    """One spectrum [f] as a sum over samples, phase referenced to the centre (Eq. 5)."""
    offsets = np.arange(-(n_fft // 2), n_fft // 2)
    window = gaussian_window(offsets.astype(float), zeta_samples)
    spectrum = np.zeros(n_fft // 2 + 1, complex)
    for offset, weight in zip(offsets, window, strict=True):
        if 0 <= centre + offset < len(signal):
            turn = np.arange(n_fft // 2 + 1) * (offset / n_fft)
            spectrum += signal[centre + offset] * weight * np.exp(-2j * np.pi * turn)
    return spectrum


def positions(f0_bins: float, inharmonicity: float, n_harmonics: int) -> Real:
    """f_h = f_1 h sqrt(1 + b h^2), [h]  (Eq. 3)."""
    return np.array(
        [f0_bins * h * np.sqrt(1 + inharmonicity * h * h) for h in range(1, n_harmonics + 1)]
    )


def peaks(centres: Real, width: float, n_bins: int) -> Real:
    """g_h[f] = exp(-(f - f_h)^2 / (2 sigma^2)), [h, f]."""
    return np.exp(-((np.arange(n_bins) - centres[:, None]) ** 2) / (2 * width**2))


def least_squares(g: Real, spectrum: Complex, tikhonov: float | Real) -> Complex:
    """argmin_c |sum_h c_h g_h - v|^2 + sum_h t_h |c_h|^2, [h], by an orthogonal factorisation."""
    rows = np.concatenate([g.T, np.sqrt(tikhonov) * np.eye(len(g))])
    right = np.concatenate([spectrum, np.zeros(len(g))])
    solution, *_ = np.linalg.lstsq(rows.astype(complex), right, rcond=None)
    return np.asarray(solution)


def with_random_phases(
    f0_bins: float, amplitudes: Real, seed: int, *, width: float, n_bins: int
) -> Complex:
    """Spectrum [f] of a tone whose harmonics are exact multiples, with these amplitudes [h]."""
    phases = np.random.default_rng(seed).uniform(0, 2 * np.pi, len(amplitudes))
    g = peaks(positions(f0_bins, 0.0, len(amplitudes)), width, n_bins)
    return np.asarray((amplitudes * np.exp(1j * phases)) @ g)


@dataclass(frozen=True)
class DenseTone:
    """The two spectra of a tone, [f], and its direct coefficients, [h]."""

    dictionary: Complex
    direct: Complex
    coefficients: Complex


def tone(
    artificial: Complex,
    relative: Real,
    *,
    f0_bins: float,
    inharmonicity: float,
    width: float,
    amplitude: float,
    tikhonov: float,
) -> DenseTone:
    """y_j and y_dir_j from a tone's valid values (Eqs. 11, 17, 18)."""
    g = peaks(positions(f0_bins, inharmonicity, len(relative)), width, len(artificial))
    c = least_squares(g, artificial, tikhonov)
    return DenseTone((amplitude * relative * np.exp(1j * np.angle(c))) @ g, c @ g, c)


def lift(z: Complex, q: float, delta: float) -> Complex:
    """((|z| + delta)^q - delta^q) z / |z|, 0 at 0."""
    size = np.hypot(z.real, z.imag)
    unit = np.divide(z, size, out=np.zeros_like(z), where=size > 0)
    return np.asarray(((size + delta) ** q - delta**q) * unit)


def d_abs(reference: Complex, estimate: Complex, q: float, delta: float) -> float:
    """Mean over bins of the squared difference of lifted magnitudes (Eq. 12)."""
    return float(np.mean(((abs(reference) + delta) ** q - (abs(estimate) + delta) ** q) ** 2))


def d_rad(reference: Complex, estimate: Complex, q: float, delta: float) -> float:
    """Mean over bins of the squared difference of lifted spectra (Eq. 19)."""
    return float(np.mean(abs(lift(reference, q, delta) - lift(estimate, q, delta)) ** 2))


def objective(
    reference: Complex,
    dictionary_tones: Sequence[Complex],
    direct_tones: Sequence[Complex],
    on: Sequence[float],
    *,
    mu: tuple[float, float, float] = (10.0, 10.0, 1.0),
    sparsity: float = 0.9,
    q: float = 0.5,
    delta: float = 1e-7,
) -> float:
    """L (Eq. 21) of one frame, tones [i][f]."""
    sparse = np.zeros_like(reference)
    direct = np.zeros_like(reference)
    agreement = 0.0
    n_off = 0
    for y, y_direct, u in zip(dictionary_tones, direct_tones, on, strict=True):
        if u:
            sparse = sparse + y
        else:
            n_off += 1
        direct = direct + y_direct
        agreement += d_rad(y_direct, y, q, delta) / len(dictionary_tones)
    return (
        mu[0] * d_abs(reference, sparse, q, delta) * sparsity**n_off
        + mu[1] * d_rad(reference, direct, q, delta)
        + mu[2] * agreement
    )


def adamax(
    parameter: Real,
    gradients: Sequence[Real],
    *,
    lr: float,
    beta_1: float,
    beta_2: float,
    eps: float,
    shared: bool = False,
) -> Real:
    """The parameter after one AdaMax step per gradient (Kingma and Ba 2015, Algorithm 2).

    `shared`: one norm per column, the largest over the rows.
    """
    mean, norm = np.zeros_like(parameter), np.zeros_like(parameter)
    for t, gradient in enumerate(gradients, start=1):
        size = abs(gradient)
        if shared:
            size = np.broadcast_to(size.max(0), size.shape)
        mean = beta_1 * mean + (1 - beta_1) * gradient
        norm = np.maximum(beta_2 * norm, size)
        parameter = parameter - lr / (1 - beta_1**t) * mean / (norm + eps)
    return parameter
