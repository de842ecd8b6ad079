"""Partials: the harmonics of a note, followed from frame to frame.

Departs from the paper (Eq. 17), where every frame is fitted by itself. A window of 21 ms tells two
harmonics apart that are some 15 Hz from each other; where they are nearer, it cannot say whose the
sound is. But most notes last longer than a frame, and their harmonics are in the next one again,
each turned by its own frequency. With r = exp(-hop / steady), and the powers p_h that the timbres
lead to expect (``wiener``), a harmonic c_h goes on as

    u_h[n] = c_h[n] / sqrt(p_h[n]),                                                             (1)
    u_h[n + 1] = r exp(i phi_h[n]) u_h[n] + sqrt(1 - r^2) w,  w ~ N(0, 1).                      (2)

Every c_h[n] still is N(0, p_h[n]), as if its frame were alone. Where a note begins, so does the
chain. Over all frames, u ~ N(0, Q^-1) with the precisions

    Q[n, n] = 1 + k r^2 / (1 - r^2),  Q[n + 1, n] = -r exp(i phi[n]) / (1 - r^2),               (3)

where k = 0, 1 or 2 is the number of neighbouring frames into which a harmonic goes on. The most
probable u solve the normal equations of all frames at once, each at the noise n_h around its own
harmonic:

    sum_h' sqrt(p_h) G_hh' sqrt(p_h') u_h' + n_h^2 (Q u)_h = sqrt(p_h) <g_h, Y>.                (4)

A frame is tied to its neighbours alone, so the matrix is block tridiagonal: one pass forwards and
one back solve it exactly, as in the smoother of Rauch, Tung and Striebel (AIAA Journal 3(8), 1965).
With the equations of frame n written as

    L[n] u[n - 1] + M[n] u[n] + U[n] u[n + 1] = b[n],                                           (5)

the pass forwards removes u[n - 1] from the equations of frame n,

    M'[n] = M[n] - L[n] M'[n - 1]^-1 U[n - 1],                                                  (6)
    b'[n] = b[n] - L[n] M'[n - 1]^-1 b'[n - 1],                                                 (7)

and the pass back finds u from the last frame on,

    u[n] = M'[n]^-1 b'[n] - M'[n]^-1 U[n] u[n + 1].                                             (8)

A peak's place does not tell the frequency well enough: 1 Hz is a turn of 4 degrees from a frame to
the next, and of 40 for the tenth harmonic. As in a phase vocoder (Flanagan and Golden, Bell System
Technical Journal 45(9), 1966) the phases themselves say what it was between two frames,

    phi_h = 2 pi hop (f_h[n] + f_h[n + 1]) / (2 N) + h d,                                       (9)
    d = argmax Re sum_h c_h[n + 1] conj(c_h[n] exp(i phi_h)),                                  (10)

with one d for all harmonics of a tone. With these turns, (4) is solved again.

Frames overlap: the noise of two frames that are m hops apart has the correlation
exp(-(m hop / zeta)^2 / 4). A sound that lasts is seen in many frames, whose noise is not new in
each of them. So the power of the noise is counted

    sum_m r^|m| exp(-(m hop / zeta)^2 / 4)                                                     (11)

times: once where every frame is for itself, and 7 times where all frames are one note.

Axes: ``n`` frames, ``t`` tones of a frame, ``h`` harmonics, ``j`` those of all tones of a frame,
``l`` those that go on in the next frame, ``i`` instruments, ``c`` channels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.tones.tones import NOTE_SEMITONES

TURN_REACH, TURN_STEP = 0.5, 0.01
"""Radians: how far d of (9) is looked for, and in what steps. Half a radian is 7 Hz."""

Real: TypeAlias = NDArray[np.float64]
Complex: TypeAlias = NDArray[np.complexfloating[Any, Any]]
Index: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Heard:
    """The harmonics that a frame has, tone after tone; those of tones that are off are left out.

    Attributes:
        tones: number of the tone that each belongs to, rising, ``[j]``.
        numbers: h, from 1, ``[j]``.
        f0_bins: f_1 of the tone, ``[j]``.
        positions: f_h in bins, ``[j]``.
        expected: sqrt(p_h), the expected magnitude, ``[j]``.
        gram: G, the inner products of the peaks, ``[j, j]``.
    """

    tones: Index
    numbers: Index
    f0_bins: Real
    positions: Real
    expected: Real
    gram: Complex


@dataclass(frozen=True)
class _Link:
    """The harmonics that go on from one frame to the next.

    Attributes:
        here: their places among the harmonics of this frame, ``[l]``.
        there: their places among those of the next, ``[l]``.
        turn: phi, how far each turns in between, in radians, ``[l]``.
    """

    here: Index
    there: Index
    turn: Real


class Partials:
    """Consecutive frames whose harmonics go on from one to the next.

    Args:
        frames: the harmonics of each frame.
        instruments: which instrument plays each tone, ``[t]``.
        frame: the representation, for hop and window.
        steady_s: how long a harmonic stays as it is, in seconds; 0: every frame for itself.
    """

    def __init__(
        self, frames: Sequence[Heard], instruments: Index, frame: GaborFrame, steady_s: float
    ) -> None:
        hop_s = frame.hop_samples / frame.sample_rate_hz
        self.frames, self.instruments = frames, instruments
        self.persistence = math.exp(-hop_s / steady_s) if steady_s > 0 else 0.0
        self.overlap = overlap(hop_s / frame.config.zeta_s, self.persistence)
        turn_per_bin = 2 * math.pi * hop_s * frame.bin_hz
        pairs = pairwise(frames) if steady_s > 0 else ()
        self._links = [_linked(here, there, instruments, turn_per_bin) for here, there in pairs]

    def coefficients(
        self, products: Sequence[Complex], noise: Sequence[Real], roots: Real | None = None
    ) -> list[Complex]:
        """Return the most probable harmonics of all frames by (4), ``[j, c]`` each.

        Args:
            products: <g_h, Y> in every channel, of each frame, ``[j, c]``.
            noise: n_h, of each frame, ``[j]``.
            roots: R_i = B_i B_i', with R_i the covariance of an instrument between the channels
                (``stereo``), ``[i, c, c]``. None: every channel by itself.
        """
        if roots is None:
            roots = np.ones((1 + int(self.instruments.max()), 1, 1))
        n_tied = roots.shape[1]
        links = [
            (_states(link.here, n_tied), _states(link.there, n_tied), link.turn.repeat(n_tied))
            for link in self._links
        ]
        # (1) in several channels: c = S u with S = sqrt(p_h) B_i, so that u is N(0, 1) in each.
        scales = [
            heard.expected[:, None, None] * roots[self.instruments[heard.tones]]
            for heard in self.frames
        ]
        systems = [
            self._system(*of_frame)
            for of_frame in zip(self.frames, products, noise, scales, strict=True)
        ]
        found = []
        # (1) backwards: from u to c.
        for scale, u in zip(scales, _smoothed(systems, links, self.persistence), strict=True):
            c = np.einsum("jca,jam->jcm", scale, u.reshape(len(scale), n_tied, u.shape[1]))
            found.append(c.reshape(len(c), n_tied * u.shape[1]))
        return found

    def _system(self, heard: Heard, products: Complex, noise: Real, scale: Real) -> _System:
        """Return the equations (4) of a frame, S' (G x 1) S u + n^2 (Q u) = S' <g, Y>.

        S is the scale, ``[j, c, c]``. Channels that are tied to each other have a noise each, and
        share the power of the noise in their mean.
        """
        n_harmonics, n_tied, _ = scale.shape
        n_rights = products.shape[1] // n_tied
        matrix = np.einsum("jk,jca,kcb->jakb", heard.gram, scale, scale)
        right = np.einsum("jca,jcm->jam", scale, products.reshape(n_harmonics, n_tied, n_rights))
        n_states = n_harmonics * n_tied
        return _System(
            matrix.reshape(n_states, n_states),
            right.reshape(n_states, n_rights),
            (n_tied * self.overlap * np.square(noise)).repeat(n_tied),  # n_h^2, counted by (11)
        )

    def tune(self, coefficients: Sequence[Complex]) -> None:
        """Learn from the phases of harmonics ``[j, c]`` how far each turns between two frames."""
        steps = round(TURN_REACH / TURN_STEP)
        offsets = TURN_STEP * np.arange(-steps, steps + 1)
        for n, link in enumerate(self._links):
            if len(link.here) == 0:
                continue
            here, there = coefficients[n][link.here], coefficients[n + 1][link.there]
            # The terms of (10) at d = 0, then at all d that are tried, summed over each tone.
            products = (there * here.conj()).sum(1) * np.exp(-1j * link.turn)
            numbers, tones = self.frames[n].numbers[link.here], self.frames[n].tones[link.here]
            agreement = (products[:, None] * np.exp(-1j * numbers[:, None] * offsets)).real
            first = np.flatnonzero(np.diff(tones, prepend=-1))
            best = offsets[np.add.reduceat(agreement, first).argmax(1)]  # d of every tone, (10)
            of_each = best[np.searchsorted(tones[first], tones)]
            turn = link.turn + numbers * of_each  # (9)
            self._links[n] = _Link(link.here, link.there, turn)


def overlap(hop_zetas: float, persistence: float) -> float:
    """Return (11): how often the noise of a frame counts where a harmonic goes on.

    Args:
        hop_zetas: hop, relative to the standard deviation of the window.
        persistence: r, between 0 and 1.

    >>> round(overlap(0.5, 0.0), 1), round(overlap(0.5, 1.0), 1)
    (1.0, 7.1)
    """
    distances = np.arange(1, 1 + math.ceil(12 / hop_zetas))
    correlation = np.exp(-0.25 * np.square(distances * hop_zetas))
    return float(1 + 2 * (persistence**distances * correlation).sum())


def _linked(here: Heard, there: Heard, instruments: Index, turn_per_bin: float) -> _Link:
    """Return the harmonics of tones that are one note of one instrument in both frames."""
    # Which tone of the next frame each goes on as; -1 for none. An instrument may have several
    # (own, before and after): each goes on as the nearest in pitch that is not taken.
    next_tone = np.full(len(instruments), -1)
    starts = [np.unique(heard.tones, return_index=True) for heard in (here, there)]
    for tone, first in zip(*starts[0], strict=True):
        distances = {
            abs(12 * math.log2(there.f0_bins[k] / here.f0_bins[first])): other
            for other, k in zip(*starts[1], strict=True)
            if instruments[other] == instruments[tone] and other not in next_tone
        }
        if distances and min(distances) < NOTE_SEMITONES:
            next_tone[tone] = distances[min(distances)]
    # Harmonics are matched by one number for tone and harmonic.
    width = 1 + max(int(heard.numbers.max(initial=0)) for heard in (here, there))
    wanted = next_tone[here.tones] * width + here.numbers  # below 0 where a tone ends
    found, at_here, at_there = np.intersect1d(
        wanted, there.tones * width + there.numbers, return_indices=True
    )
    order = at_here[found >= 0].argsort()
    at_here, at_there = at_here[found >= 0][order], at_there[found >= 0][order]
    turn = turn_per_bin * (here.positions[at_here] + there.positions[at_there]) / 2  # (9), d = 0
    return _Link(at_here, at_there, turn)


def _states(harmonics: Index, n_channels: int) -> Index:
    """Return where harmonics ``[l]`` stand in the equations, those of all channels in a row."""
    states: Index = (n_channels * harmonics[:, None] + np.arange(n_channels)).ravel()
    return states


@dataclass(frozen=True)
class _System:
    """The equations (4) of a frame, (A + diag(n^2) Q) u = b, without its neighbours.

    Attributes:
        matrix: A, ``[s, s]``, with s = j c states.
        right: b, ``[s, m]``, with m right-hand sides: the channels, where they are not tied.
        noise: n^2, ``[s]``.
    """

    matrix: Complex
    right: Complex
    noise: Real


def _smoothed(
    systems: Sequence[_System], links: Sequence[tuple[Index, Index, Real]], persistence: float
) -> list[Complex]:
    """Return u of all frames, the solution of (4), by the two passes (6) to (8).

    Args:
        systems: the equations of every frame.
        links: places here, places there and turns, between every frame and the next; none where
            all frames are for themselves.
        persistence: r.
    """
    innovation = 1 - persistence**2
    # k of (3) for every harmonic.
    n_links = [np.zeros(len(system.noise)) for system in systems]
    for n, (here, there, _) in enumerate(links):
        n_links[n][here] += 1
        n_links[n + 1][there] += 1
    inverses: list[Complex] = []  # M'[n]^-1
    alone: list[Complex] = []  # M'[n]^-1 b'[n]: what u would be without the frames after it
    ties: list[tuple[Index, Index, Complex]] = []  # U[n], as places here and there and its values
    for n, system in enumerate(systems):
        matrix = system.matrix.astype(np.complex128)
        own = 1 + n_links[n] * persistence**2 / innovation  # Q[n, n] of (3)
        matrix[np.diag_indices(len(own))] += system.noise * own
        right = system.right.astype(np.complex128)
        if n > 0 and links:
            here, there, turn = links[n - 1]
            tie = -persistence / innovation * np.exp(1j * turn)  # Q[n, n - 1] of (3)
            # L[n] and U[n - 1] of (5) have one entry per harmonic that goes on.
            lower, upper = tie * system.noise[there], tie.conj() * systems[n - 1].noise[here]
            through = inverses[-1][np.ix_(here, here)]
            matrix[np.ix_(there, there)] -= lower[:, None] * through * upper  # (6)
            right[there] -= lower[:, None] * alone[-1][here]  # (7)
            ties.append((here, there, upper))
        # PyTorch's inverse takes half the time of NumPy's, and as many threads as it was told to.
        inverse: Complex = torch.linalg.inv(torch.from_numpy(matrix)).numpy()
        inverses.append(inverse)
        alone.append(inverses[-1] @ right)
    if not links:
        return alone
    solved = alone[-1:]
    for inverse, first, (here, there, upper) in zip(
        inverses[-2::-1], alone[-2::-1], reversed(ties), strict=True
    ):
        pull = np.zeros_like(first)
        pull[here] = upper[:, None] * solved[-1][there]
        u: Complex = first - inverse @ pull  # (8)
        solved.append(u)
    return solved[::-1]
