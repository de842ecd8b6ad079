"""Partials: the harmonics of a note, followed from frame to frame.

Departs from the paper (Eq. 17), where every frame is fitted by itself. A window of 21 ms tells two
harmonics apart that are some 15 Hz from each other; where they are nearer, it cannot say whose the
sound is. But most notes last longer than a frame, and their harmonics are in the next one again,
each turned by its own frequency. With r = exp(-hop / steady), and p as in ``refinement``,

    u_h[n] = c_h[n] / sqrt(p_h[n]),
    u_h[n + 1] = r exp(i phi_h[n]) u_h[n] + sqrt(1 - r^2) w,  w ~ N(0, 1),

every c_h[n] still is N(0, p_h[n]), as if its frame were alone. Where a note begins, so does the
chain. Over all frames, u ~ N(0, Q^-1) with the precisions

    Q[n, n] = 1 + k r^2 / (1 - r^2),  Q[n + 1, n] = -r exp(i phi[n]) / (1 - r^2),

where k = 0, 1 or 2 is to how many of the frames beside it a harmonic goes on. The most probable u
solve the normal equations of all frames at once, each at its harmonic's own noise n_h:

    sum_h' sqrt(p_h) G_hh' sqrt(p_h') u_h' + n_h^2 (Q u)_h = sqrt(p_h) <g_h, Y>.

A frame is tied to its neighbours alone: one pass forwards and one back solve them exactly, as in
the smoother of Rauch, Tung and Striebel (AIAA Journal 3(8), 1965).

The frequency has to be known better than a peak's place tells it: 1 Hz is a turn of 4 degrees from
a frame to the next, and of 40 for the tenth harmonic. As in a phase vocoder (Flanagan and Golden,
Bell System Technical Journal 45(9), 1966) the phases themselves say what it was between two frames,

    phi_h = 2 pi hop (f_h[n] + f_h[n + 1]) / (2 N) + h d,
    d = argmax Re sum_h c_h[n + 1] conj(c_h[n] exp(i phi_h)),

and with these, all is solved again.

Frames overlap: the noise of two that are m hops apart has the correlation
exp(-(m hop / zeta)^2 / 4). A sound that lasts is seen in many frames, whose noise is not that many
times new; it counts

    sum_m r^|m| exp(-(m hop / zeta)^2 / 4)

times as much, which is 1 where every frame is for itself and 7 where all are one note.

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
"""In radians: how far from what the pitches say a fundamental may have turned; 7 Hz."""

Real: TypeAlias = NDArray[np.float64]
Complex: TypeAlias = NDArray[np.complexfloating[Any, Any]]
Index: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Heard:
    """The harmonics that a frame has, tone after tone.

    Attributes:
        tones: whose they are, rising, ``[j]``.
        numbers: h, from 1, ``[j]``.
        f0_bins: f_1 of their tones, ``[j]``.
        positions: f_h in bins, ``[j]``.
        expected: root of p, ``[j]``.
        gram: G, ``[j, j]``.
    """

    tones: Index
    numbers: Index
    f0_bins: Real
    positions: Real
    expected: Real
    gram: Real


@dataclass(frozen=True)
class _Link:
    """The harmonics that go on from one frame to the next.

    Attributes:
        here: which they are in this frame, ``[l]``.
        there: which in the next, ``[l]``.
        turn: phi, ``[l]``.
    """

    here: Index
    there: Index
    turn: Real


class Partials:
    """Consecutive frames whose harmonics go on from one to the next.

    Args:
        frames: what they have.
        instruments: that play the tones, ``[t]``.
        frame: their distance and length.
        steady_s: how long a harmonic stays as it is; 0: every frame for itself.
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
        """The most probable harmonics of all frames, ``[j, c]`` each.

        Args:
            products: <g_h, Y> in every channel, ``[j, c]`` each.
            noise: n_h, ``[j]`` each.
            roots: R_i = B_i B_i', with R_i the covariance of an instrument between the channels
                (``places``), ``[i, c, c]``. None: every channel by itself.
        """
        if roots is None:
            roots = np.ones((1 + int(self.instruments.max()), 1, 1))
        n_tied = roots.shape[1]
        links = [
            (_states(link.here, n_tied), _states(link.there, n_tied), link.turn.repeat(n_tied))
            for link in self._links
        ]
        # c = S u with S = sqrt(p_h) B_i, so that u is N(0, 1) in every channel as well.
        scales = [
            heard.expected[:, None, None] * roots[self.instruments[heard.tones]]
            for heard in self.frames
        ]
        systems = [
            self._system(*of_frame)
            for of_frame in zip(self.frames, products, noise, scales, strict=True)
        ]
        found = []
        for scale, u in zip(scales, _smoothed(systems, links, self.persistence), strict=True):
            c = np.einsum("jca,jam->jcm", scale, u.reshape(len(scale), n_tied, u.shape[1]))
            found.append(c.reshape(len(c), n_tied * u.shape[1]))
        return found

    def _system(self, heard: Heard, products: Complex, noise: Real, scale: Real) -> _System:
        """A frame's equations S' (G x 1) S u + n^2 (Q u) = S' <g, Y>, with S ``[j, c, c]``.

        Channels that are tied have a noise each, and share the power of that in their mean.
        """
        n_harmonics, n_tied, _ = scale.shape
        n_rights = products.shape[1] // n_tied
        matrix = np.einsum("jk,jca,kcb->jakb", heard.gram, scale, scale)
        right = np.einsum("jca,jcm->jam", scale, products.reshape(n_harmonics, n_tied, n_rights))
        n_states = n_harmonics * n_tied
        return _System(
            matrix.reshape(n_states, n_states),
            right.reshape(n_states, n_rights),
            (n_tied * self.overlap * np.square(noise)).repeat(n_tied),
        )

    def tune(self, coefficients: Sequence[Complex]) -> None:
        """Learns from the phases of the harmonics ``[j, c]`` how far they turn between frames."""
        steps = round(TURN_REACH / TURN_STEP)
        offsets = TURN_STEP * np.arange(-steps, steps + 1)
        for n, link in enumerate(self._links):
            if len(link.here) == 0:
                continue
            here, there = coefficients[n][link.here], coefficients[n + 1][link.there]
            products = (there * here.conj()).sum(1) * np.exp(-1j * link.turn)
            numbers, tones = self.frames[n].numbers[link.here], self.frames[n].tones[link.here]
            agreement = (products[:, None] * np.exp(-1j * numbers[:, None] * offsets)).real
            first = np.flatnonzero(np.diff(tones, prepend=-1))
            best = offsets[np.add.reduceat(agreement, first).argmax(1)]
            of_each = best[np.searchsorted(tones[first], tones)]
            self._links[n] = _Link(link.here, link.there, link.turn + numbers * of_each)


def overlap(hop_zetas: float, persistence: float) -> float:
    """How many frames have the noise of one, where a harmonic goes on.

    >>> round(overlap(0.5, 0.0), 1), round(overlap(0.5, 1.0), 1)
    (1.0, 7.1)
    """
    distances = np.arange(1, 1 + math.ceil(12 / hop_zetas))
    correlation = np.exp(-0.25 * np.square(distances * hop_zetas))
    return float(1 + 2 * (persistence**distances * correlation).sum())


def _linked(here: Heard, there: Heard, instruments: Index, turn_per_bin: float) -> _Link:
    """The harmonics of tones that are the same note of the same instrument in both frames."""
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
    width = 1 + max(int(heard.numbers.max(initial=0)) for heard in (here, there))
    wanted = next_tone[here.tones] * width + here.numbers  # below 0 where a tone ends
    found, at_here, at_there = np.intersect1d(
        wanted, there.tones * width + there.numbers, return_indices=True
    )
    order = at_here[found >= 0].argsort()
    at_here, at_there = at_here[found >= 0][order], at_there[found >= 0][order]
    turn = turn_per_bin * (here.positions[at_here] + there.positions[at_there]) / 2
    return _Link(at_here, at_there, turn)


def _states(harmonics: Index, n_channels: int) -> Index:
    """Where in the equations the harmonics are in every channel."""
    states: Index = (n_channels * harmonics[:, None] + np.arange(n_channels)).ravel()
    return states


@dataclass(frozen=True)
class _System:
    """A frame's equations (A + diag(n^2) Q) u = b, but for the frames around.

    Attributes:
        matrix: A, ``[s, s]``.
        right: b, ``[s, m]``.
        noise: n^2, ``[s]``.
    """

    matrix: Real
    right: Complex
    noise: Real


def _smoothed(
    systems: Sequence[_System], links: Sequence[tuple[Index, Index, Real]], persistence: float
) -> list[Complex]:
    """All frames' u: their matrix is block tridiagonal, and blocks are eliminated in turn."""
    innovation = 1 - persistence**2
    n_links = [np.zeros(len(system.noise)) for system in systems]
    for n, (here, there, _) in enumerate(links):
        n_links[n][here] += 1
        n_links[n + 1][there] += 1
    inverses: list[Complex] = []
    alone: list[Complex] = []  # u if the next frames were not
    ties: list[tuple[Index, Index, Complex]] = []
    for n, system in enumerate(systems):
        matrix = system.matrix.astype(np.complex128)
        own = 1 + n_links[n] * persistence**2 / innovation
        matrix[np.diag_indices(len(own))] += system.noise * own
        right = system.right.astype(np.complex128)
        if n > 0 and links:
            here, there, turn = links[n - 1]
            tie = -persistence / innovation * np.exp(1j * turn)
            lower, upper = tie * system.noise[there], tie.conj() * systems[n - 1].noise[here]
            through = inverses[-1][np.ix_(here, here)]
            matrix[np.ix_(there, there)] -= lower[:, None] * through * upper
            right[there] -= lower[:, None] * alone[-1][here]
            ties.append((here, there, upper))
        # PyTorch's takes half the time of NumPy's, and as many threads as it was told to.
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
        u: Complex = first - inverse @ pull
        solved.append(u)
    return solved[::-1]
