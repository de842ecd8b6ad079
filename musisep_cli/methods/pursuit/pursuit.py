"""Pursuit: the few tones that explain one spectrum of the log axis.

Tones are none at first. In every round

1. **select** the place and atom whose pattern fits r = Y^q - y^q best (``selection``, (P3)),
2. **refine** all tones, old and new, together (``fit``, (P2)),
3. **prune**: per atom the T tones of largest height stay,
4. **refine** again, if a tone was pruned,
5. **accept** if |Y^q - y_new^q| < lambda |Y^q - y_old^q|, else take the old tones and stop.

lambda alone decides how many tones a frame has: at 0.9, each must take 19 % of the lifted
residual's energy. Departs from the paper: step 4 is left out where nothing was pruned, for it would
start at the optimum that step 2 has found; half the fits are saved.

Axes: ``n`` frames, ``t`` tones, ``i`` atoms, ``h`` harmonics, ``f`` bins.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from musisep_cli.machine.compiled import compiled
from musisep_cli.methods.pursuit.fit import DELTA, refine
from musisep_cli.methods.pursuit.selection import patterns_of, select
from musisep_cli.methods.pursuit.tone import HEIGHT, log_spectrum

N_NEW = 1
"""N_pre, tones that a round selects (authors' implementation)."""


@compiled
def prune(tones: NDArray[np.float64], atoms: NDArray[np.int64], n_tones: int, n_kept: int) -> int:
    """Keep the ``n_kept`` tones of largest height per atom, in order; return how many are left.

    Args:
        tones: ``[t, 4]``, updated; the first ``n_tones`` count.
        atoms: ``[t]``, updated.
        n_tones: how many there are.
        n_kept: T, per atom.
    """
    keep = np.ones(n_tones, np.bool_)
    for t in range(n_tones):
        n_larger = 0
        for other in range(n_tones):
            if atoms[other] == atoms[t] and other != t:
                height, own = tones[other, HEIGHT], tones[t, HEIGHT]
                # Of equal tones the first counts as the larger.
                n_larger += height > own or (height == own and other < t)
        keep[t] = n_larger < n_kept and tones[t, HEIGHT] > 0
    n_left = 0
    for t in range(n_tones):
        if keep[t]:
            tones[n_left], atoms[n_left] = tones[t], atoms[t]
            n_left += 1
    return n_left


@compiled
def lifted_rest(
    roots: NDArray[np.float64],
    tones: NDArray[np.float64],
    atoms: NDArray[np.int64],
    columns: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return r = Y^q - y^q, ``[f]``, of the roots Y^q and tones ``[t, 4]``."""
    rest: NDArray[np.float64] = roots - np.sqrt(log_spectrum(tones, atoms, columns, len(roots)))
    return rest


@compiled
def pursue(
    spectrum: NDArray[np.float64],
    columns: NDArray[np.float64],
    patterns: NDArray[np.float64],
    norms: NDArray[np.float64],
    n_kept: int,
    acceptance: float,
    n_steps: int,
    tolerance: float,
    slopes: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the tones of a spectrum, (a, mu, sigma, b) ``[t, 4]``, and their atoms ``[t]``.

    Args:
        spectrum: Y, ``[f]``.
        columns: D, transposed, ``[i, h]``.
        patterns: of the atoms, ``[i, p]``.
        norms: theirs, ``[i]``.
        n_kept: T, tones per atom.
        acceptance: lambda.
        n_steps: of a fit at most.
        tolerance: of a fit.
        slopes: scratch, ``[T i + 1, 4, f]``.
    """
    n_atoms = len(columns)
    roots, lifted = np.sqrt(spectrum), np.sqrt(spectrum + DELTA)
    tones = np.zeros((n_kept * n_atoms + N_NEW, 4))
    atoms = np.zeros(len(tones), np.int64)
    n_tones = 0
    rest = roots.copy()
    norm = math.sqrt(np.dot(rest, rest))
    for _ in range(2 * n_atoms * n_kept):  # R rounds at most
        new_tones, new_atoms = tones.copy(), atoms.copy()
        n_new = n_tones + select(
            rest, patterns, norms, N_NEW, new_tones[n_tones:], new_atoms[n_tones:]
        )
        if n_new == n_tones:
            break
        refine(lifted, new_tones[:n_new], new_atoms[:n_new], columns, n_steps, tolerance, slopes)
        n_left = prune(new_tones, new_atoms, n_new, n_kept)
        if n_left < n_new:
            refine(
                lifted, new_tones[:n_left], new_atoms[:n_left], columns, n_steps, tolerance, slopes
            )
        new_rest = lifted_rest(roots, new_tones[:n_left], new_atoms[:n_left], columns)
        new_norm = math.sqrt(np.dot(new_rest, new_rest))
        if not new_norm < acceptance * norm:
            break
        tones, atoms, n_tones = new_tones, new_atoms, n_left
        rest, norm = new_rest, new_norm
    return tones[:n_tones], atoms[:n_tones]


@compiled
def pursue_frames(
    spectra: NDArray[np.float32],
    columns: NDArray[np.float64],
    n_kept: int,
    acceptance: float,
    n_steps: int,
    tolerance: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the tones of every frame by atom, and how well they explain it.

    Args:
        spectra: Y, ``[n, f]``.
        columns: D, transposed, ``[i, h]``.
        n_kept: T, tones per atom.
        acceptance: lambda.
        n_steps: of a fit at most.
        tolerance: of a fit.

    Returns:
        (a, mu, sigma, b) ``[n, i, T, 4]``, the strongest of an atom first, a = 0 where there is
        none; d(Y, y) and the sum of Y, ``[n, 2]``.
    """
    n_frames, n_bins = spectra.shape
    n_atoms = len(columns)
    patterns, norms = patterns_of(columns)
    slopes = np.empty((n_kept * n_atoms + N_NEW, 4, n_bins))
    found = np.zeros((n_frames, n_atoms, n_kept, 4))
    fits = np.zeros((n_frames, 2))
    for n in range(n_frames):
        spectrum = spectra[n].astype(np.float64)
        tones, atoms = pursue(
            spectrum, columns, patterns, norms, n_kept, acceptance, n_steps, tolerance, slopes
        )
        filled = np.zeros(n_atoms, np.int64)
        for t in np.argsort(-tones[:, HEIGHT]):
            found[n, atoms[t], filled[atoms[t]]] = tones[t]
            filled[atoms[t]] += 1
        explained = log_spectrum(tones, atoms, columns, n_bins)
        rho = np.sqrt(explained + DELTA) - np.sqrt(spectrum + DELTA)
        fits[n, 0], fits[n, 1] = 0.5 * np.dot(rho, rho), spectrum.sum()  # (P2)
    return found, fits
