"""Refinement: the decoded tones fitted again, together and with what was learned.

Departs from the paper (Section 3.8), where every tone is fitted to what the tones before it left
over, and a stem is the sum of its tones. All tones are fitted to the mixture at once, at a change
of note the one that ends and the one that begins, and what they leave over is shared out. With
the harmonics g_h and the noise e_i of instrument i, which is all that it does and no tone has,

    Y[f] = sum_i (sum_{h of i} c_h g_h[f] + e_i[f]),
    c_h ~ N(0, p_h),  e_i[f] ~ N(0, m_i[f] n[f]),  sum_i m_i[f] = 1,

a stem's expectation, given Y, is that of Wiener's filter:

    S_i = sum_{h of i} c_h g_h + m_i (Y - sum_h c_h g_h),
    c = argmin sum_f |Y - sum_h c_h g_h|^2 / n + sum_h |c_h|^2 / p_h.

Two harmonics that meet in one bin are told apart by their frequencies, for which every harmonic is
followed from frame to frame (``partials``), and where these are the same by p: what the
instruments' timbres at these pitches lead to expect, at the levels that the tones have in their
other harmonics (``timbre``). Glides, onsets and breath, which no steady peak can follow, go by the
shares m, which the tones have in every bin. The noise n around a harmonic is what a fit leaves over
there: first one of every frame by itself, which also sets every pitch to where its harmonics are
strongest, then one that follows them.

Where a note changes, a frame holds two notes of an instrument, and the window is shorter. In a
stereo recording, c and e have a covariance between the channels besides (``places``).

Axes: ``n`` frames, ``i`` instruments, ``t`` tones of a frame, ``h`` harmonics, ``j`` those of all
tones of a frame, ``f`` bins, ``c`` channels. Of every frame there are the tones of the instruments,
then those they played before, then those they play next: ``t = 3 i``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from musisep_cli.framewise import Derived, FrameRows, Framewise, excerpt, stretches
from musisep_cli.model.gabor import GaborFrame
from musisep_cli.model.tones import Peaks, magnitude
from musisep_cli.notes import NotesAround, comb_of, learn_timbres
from musisep_cli.partials import Complex, Heard, Partials
from musisep_cli.places import Places
from musisep_cli.policy.distance import ObjectiveConfig, objective
from musisep_cli.policy.joint import (
    JointFit,
    Pitches,
    matched_filter,
    peaks_of,
    refined_pitch,
)
from musisep_cli.policy.parameters import amplitude_estimate
from musisep_cli.resynthesis import BLOCK_FRAMES, ResynthesisConfig, shared
from musisep_cli.transcript import Frames, Transcript, audible

LEAST_EXPECTED = 1e-4
"""Relative to a frame's strongest harmonic: no harmonic is expected weaker."""
NOISE_REACH = 2.0
"""The noise around a harmonic is the mean over this many widths to both sides."""
LEAST_NOISE = 0.03
"""Relative to where a frame has most of it: nowhere is there less."""
LEAST_RELATIVE_NOISE = 0.01
"""Relative to what a harmonic should be, so that the normal equations are never singular."""
TUNINGS = 2
"""Of the harmonics' frequencies, by their phases."""
STRETCH_FRAMES, STRETCH_REACH = 4 * BLOCK_FRAMES, 32
"""Harmonics are followed through so many frames at once, and so many more at both ends: from 0.3 s
away little is heard of them."""
EXCERPT_STRETCHES, PLACE_HOPS = 16, 4
"""Places are learned from as many blocks of frames from all over a recording, every fourth frame:
the next ones hold almost the same sound."""
PLACE_ROUNDS = 4
"""Of learning the places from the tones' coefficients, and these with the places in turn."""


class Refiner:
    """Turns the decoded tones into spectra of the stems, block after block in order.

    Args:
        tones: of all frames, ``[n, t]``.
        channels: spectra of all frames, ``[n, c, f]``, for timbres and places.
        in_windows: the same in windows of ``window_scales``.
        dictionary: D, ``[h, i]``.
        frame: the representation.
        config: how tones become stems.
        objective_config: weights of Eq. 21.
    """

    def __init__(
        self,
        tones: NotesAround,
        channels: Framewise[Tensor],
        in_windows: Framewise[Tensor],
        dictionary: Tensor,
        frame: GaborFrame,
        config: ResynthesisConfig,
        objective_config: ObjectiveConfig,
    ) -> None:
        self.tones, self.dictionary, self.frame = tones, dictionary, frame
        self.in_windows, self.scales = in_windows, window_scales(tones, config)
        self.config, self.objective_config = config, objective_config
        self.n_harmonics, self.n_instruments = dictionary.shape
        spectra = Derived(channels, lambda block: block.mean(1))
        self.timbres = learn_timbres(tones, spectra, dictionary, frame)
        self.transcript = Frames(Transcript, len(tones))
        in_stereo = config.places and channels[:1].shape[1] == 2
        self.places = self._learned_places(channels) if in_stereo else None
        self._stretch = slice(0, 0)
        self._followed: _Tones

    def _learned_places(self, channels: Framewise[Tensor]) -> Places:
        """Places from the tones' coefficients, these with the places in turn."""
        every = slice(None, None, PLACE_HOPS)
        heard = [
            (self.tones[block][every], channels[block][every])
            for part in excerpt(len(channels), EXCERPT_STRETCHES, BLOCK_FRAMES)
            for block in stretches(part, BLOCK_FRAMES)
        ]
        places = Places.anywhere(self.n_instruments, channels[:1])
        for _ in range(PLACE_ROUNDS):
            products = torch.zeros_like(places.covariances)
            for tones, spectra in heard:
                fit = self._alone(tones, 1.0, spectra)
                players = self._players(fit.pitches)
                c = places.coefficients(
                    fit.peaks,
                    spectra.transpose(0, 1),
                    players.repeat_interleave(self.n_harmonics),
                    (fit.noise / fit.expected).square(),
                )
                products += places.scatter(c.unflatten(2, (len(players), -1)), players)
            places = Places.of(products)
        return places

    def explain(self, channels: Tensor) -> Tensor:
        """Spectra of the stems ``[i, c, n, f]`` in every channel ``[c, n, f]``.

        The next frames, analysed with windows of their ``scales``. Tones are found on the mean of
        the channels. In stereo they are taken from the instruments' places; else every channel is
        divided by the same filter, so that a stem keeps its place between them.
        """
        n_done = self.transcript.n_done
        block = slice(n_done, n_done + channels.shape[1])
        tones, scales = self._tones(block), self.scales[block]
        alike = [(scales == scale).nonzero()[:, 0] for scale in scales.unique()]
        parts = [
            self._explained(tones[rows], float(scales[rows[0]]), channels[:, rows])
            for rows in alike
        ]
        order = torch.cat(alike).argsort()
        columns = zip(*(vars(played).values() for _, played in parts), strict=True)
        self.transcript.add(Transcript(*(torch.cat(column)[order] for column in columns)))
        return torch.cat([stems for stems, _ in parts], 2)[:, :, order]

    def _tones(self, block: slice) -> _Tones:
        """The tones of the next frames, which are followed a stretch at a time."""
        parts = []
        first = block.start
        while first < block.stop:
            if first >= self._stretch.stop:
                self._stretch = slice(first, min(first + STRETCH_FRAMES, len(self.tones)))
                self._followed = self._follow(self._stretch)
            last = min(block.stop, self._stretch.stop)
            parts.append(self._followed[first - self._stretch.start : last - self._stretch.start])
            first = last
        columns = zip(*(vars(part).values() for part in parts), strict=True)
        return _Tones(*(torch.cat(column) for column in columns))

    def _follow(self, stretch: slice) -> _Tones:
        """The tones of a stretch of frames; the frames around it have their say."""
        before = min(STRETCH_REACH, stretch.start)
        wide = slice(stretch.start - before, min(stretch.stop + STRETCH_REACH, len(self.tones)))
        tones, scales, channels = self.tones[wide], self.scales[wide], self.in_windows[wide]
        alike = [
            rows
            for scale in scales.unique()
            for rows in (scales == scale).nonzero()[:, 0].split(BLOCK_FRAMES)
        ]
        fits = [self._alone(tones[rows], float(scales[rows[0]]), channels[rows]) for rows in alike]
        order = torch.cat(alike).argsort().tolist()

        def by_frame(of_each: Callable[[_Alone], Sequence[Any]]) -> list[Any]:
            """What they have of their frames, in the order of the frames."""
            joined = [row for fit in fits for row in of_each(fit)]
            return [joined[n] for n in order]

        def by_window(found: Sequence[Complex]) -> list[Tensor]:
            """Coefficients of all frames, ``[n, j, c]`` each."""
            rows_of_each = [[found[n] for n in rows.tolist()] for rows in alike]
            return [fit.dense(rows) for fit, rows in zip(fits, rows_of_each, strict=True)]

        partials = Partials(
            by_frame(lambda fit: fit.heard(self.n_harmonics)),
            self.tones.instruments.cpu().numpy(),
            self.frame,
            self.config.steady_s,
        )
        of_mean = by_frame(lambda fit: fit.rows_of(fit.products.mean(-1, keepdim=True)))
        for _ in range(TUNINGS):
            found = partials.coefficients(of_mean, by_frame(lambda fit: fit.rows_of(fit.noise)))
            partials.tune(found)
        fits = [
            fit.with_noise(coefficients[..., 0], self.config.rest_noise)
            for fit, coefficients in zip(fits, by_window(found), strict=True)
        ]
        found = partials.coefficients(
            by_frame(lambda fit: fit.rows_of(fit.products)),
            by_frame(lambda fit: fit.rows_of(fit.noise)),
            None if self.places is None else self.places.roots().cpu().numpy(),
        )
        followed = _Tones.none(tones, self.n_harmonics, channels)
        for rows, fit, coefficients in zip(alike, fits, by_window(found), strict=True):
            followed.put(rows, fit.pitches, coefficients)
        return followed[before : before + stretch.stop - stretch.start]

    def _alone(self, tones: Pitches, scale: float, channels: Tensor) -> _Alone:
        """Frames ``[n, c, f]`` seen in one window, each by itself."""
        mean, width = channels.mean(1), self.frame.ideal_width_bins / scale
        pitches, expected = self._expected(tones, mean, width)
        fitted = partial(JointFit.of, n_harmonics=self.n_harmonics, width=width)
        prior = (self.config.timbre_noise * expected.amax(1, keepdim=True) / expected).square()
        first = fitted(pitches, mean, tikhonov=prior)
        matched = matched_filter(mean, width)
        pitches = replace(pitches, f0_bins=refined_pitch(pitches, matched, first))
        first = fitted(pitches, mean, tikhonov=prior)
        fit = _Alone(pitches, channels, first.peaks, expected, torch.zeros_like(expected))
        return fit.with_noise(first.coefficients.flatten(1), self.config.rest_noise)

    def _expected(self, tones: Pitches, spectra: Tensor, width: float) -> tuple[Pitches, Tensor]:
        """The tones that there are, and what their harmonics should be, ``[n, j]``."""
        pitches = self._sounding(tones)
        comb = comb_of(
            pitches, self._players(pitches), spectra, self.frame, self.n_harmonics, width
        )
        expected = self.timbres.expected(comb).flatten(1)
        strongest = expected.amax(1, keepdim=True).clamp_min(1e-12)
        return pitches, expected.clamp_min(LEAST_EXPECTED * strongest)

    def _explained(
        self, tones: _Tones, scale: float, channels: Tensor
    ) -> tuple[Tensor, Transcript]:
        """Stems ``[i, c, n, f]`` of frames that are seen in one window, and what was played."""
        pitches = self._sounding(tones.pitches)
        coefficients = tones.coefficients[:, : pitches.on.shape[1]]
        n_bins, width = channels.shape[-1], self.frame.ideal_width_bins / scale
        peaks = peaks_of(pitches, n_harmonics=self.n_harmonics, width=width, n_bins=n_bins)
        in_channels = [JointFit(peaks, c).tones for c in coefficients.unbind(-1)]
        stems = self._by_instrument(torch.stack(in_channels, 2))  # n, i, c, f
        # A fit is linear in the spectrum: the mean's is the mean of the channels'.
        of_mean = JointFit(peaks, coefficients.mean(-1))
        if self.config.stems == "wiener":
            rest = channels.transpose(0, 1) - stems.sum(1)
            stems = stems + self._shared(rest, of_mean)
        mean = channels.mean(0)
        heard = audible(mean)[:, None, None, None]
        return (stems * heard).permute(1, 2, 0, 3), self._played(pitches, mean, of_mean)

    def _shared(self, rest: Tensor, fit: JointFit) -> Tensor:
        """Of what the tones leave over ``[n, c, f]`` that of every instrument, ``[n, i, c, f]``."""
        peaks = Peaks.around(
            fit.peaks.positions, self.config.mask_width * fit.peaks.widths, rest.shape[-1]
        )
        absolute = magnitude(fit.coefficients).to(fit.coefficients.dtype)
        envelopes = self._by_instrument(JointFit(peaks, absolute).tones).real
        share = shared if self.places is None else self.places.shared
        return share(rest, envelopes, self.config.mask_floor)

    def _sounding(self, tones: Pitches) -> Pitches:
        """Without the notes around, where none of the frames has any."""
        own = self.n_instruments
        return tones if bool((tones.on[:, own:] > 0).any()) else tones[:, :own]

    def _by_instrument(self, tones: Tensor) -> Tensor:
        """Sums over the tones of an instrument, ``[n, i, ...]``, of what is ``[n, t, ...]``."""
        together: Tensor = tones.unflatten(1, (-1, self.n_instruments)).sum(1)
        return together

    def _players(self, pitches: Pitches) -> Tensor:
        """The instruments of some frames' tones, ``[t]``."""
        return self.tones.instruments[: pitches.on.shape[1]]

    def _played(self, pitches: Pitches, spectra: Tensor, direct: JointFit) -> Transcript:
        """What was played, and how well that explains the frames ``[n, f]`` (Eq. 21)."""
        relative = self.dictionary.T[self._players(pitches)].expand_as(direct.coefficients.real)
        amplitude = amplitude_estimate(direct.coefficients, relative) * pitches.on
        phase = direct.coefficients / magnitude(direct.coefficients).clamp_min(1e-12)
        from_dictionary = replace(direct, coefficients=amplitude[..., None] * relative * phase)
        found = objective(
            reference=spectra,
            dictionary_tones=from_dictionary.tones,
            direct_tones=direct.tones,
            on=pitches.on,
            config=self.objective_config,
        )
        own = slice(0, self.n_instruments)
        return Transcript(
            f0_bins=pitches.f0_bins[:, own],
            inharmonicity=pitches.inharmonicity[:, own],
            amplitude=amplitude[:, own],
            on=pitches.on[:, own],
            objective=found.total,
            audible=audible(spectra),
        )


def window_scales(tones: NotesAround, config: ResynthesisConfig) -> Framewise[Tensor]:
    """Length of the windows in which all frames are seen, relative to the frame's, ``[n]``."""

    def scales(tones: Pitches) -> Tensor:
        n_own = tones.on.shape[1] // 3
        changing = (tones.on[:, n_own:] > 0).any(1)
        return torch.where(changing, config.change_window, 1.0)

    return Derived(tones, scales)


@dataclass(frozen=True)
class _Tones(FrameRows):
    """The tones of some frames, fitted.

    Attributes:
        on: u, ``[n, t]``.
        f0_bins: f_1, ``[n, t]``.
        inharmonicity: b, ``[n, t]``.
        coefficients: in every channel, complex ``[n, t, h, c]``.
    """

    on: Tensor
    f0_bins: Tensor
    inharmonicity: Tensor
    coefficients: Tensor

    @classmethod
    def none(cls, tones: Pitches, n_harmonics: int, channels: Tensor) -> _Tones:
        """As many as there are ``tones``, all off, of frames ``[n, c, f]``."""
        shape = (*tones.on.shape, n_harmonics, channels.shape[1])
        on, f0_bins, inharmonicity = torch.zeros_like(tones.on).repeat(3, 1, 1)
        return cls(on, f0_bins, inharmonicity, channels.new_zeros(shape))

    def put(self, rows: Tensor, pitches: Pitches, coefficients: Tensor) -> None:
        """Sets the first tones ``[n, t]`` of some frames, with their harmonics ``[n, j, c]``."""
        n_tones = pitches.on.shape[1]
        for name, values in vars(pitches).items():
            getattr(self, name)[rows, :n_tones] = values
        self.coefficients[rows, :n_tones] = coefficients.unflatten(1, (n_tones, -1))

    @property
    def pitches(self) -> Pitches:
        """Without their harmonics."""
        return Pitches(self.on, self.f0_bins, self.inharmonicity)


@dataclass(frozen=True)
class _Alone:
    """Frames that are seen in one window, each by itself; ``j`` are all harmonics of all tones.

    Attributes:
        pitches: of the tones, set to where their harmonics are strongest, ``[n, t]``.
        channels: complex, ``[n, c, f]``.
        peaks: of the harmonics, ``[n, j]``.
        expected: what they should be, ``[n, j]``.
        noise: what the tone model misses around them, ``[n, j]``.
    """

    pitches: Pitches
    channels: Tensor
    peaks: Peaks
    expected: Tensor
    noise: Tensor

    @cached_property
    def products(self) -> Tensor:
        """<g_h, Y> in every channel, complex ``[n, j, c]``."""
        return torch.stack([self.peaks.correlate(y) for y in self.channels.unbind(1)], -1)

    @cached_property
    def kept(self) -> NDArray[np.bool_]:
        """Which harmonics are in the spectrum, ``[n, j]``; those of tones that are off are not."""
        kept: NDArray[np.bool_] = (self.peaks.positions <= self.peaks.n_bins - 1).cpu().numpy()
        return kept

    def with_noise(self, coefficients: Tensor, rest_noise: float) -> _Alone:
        """With the noise that a fit to the mean of the channels leaves, ``[n, j]``."""
        rest = self.channels.mean(1) - self.peaks.render(coefficients)
        least = LEAST_RELATIVE_NOISE * self.expected
        return replace(self, noise=(rest_noise * _noise(rest, self.peaks)).maximum(least))

    def heard(self, n_harmonics: int) -> list[Heard]:
        """Every frame's harmonics, to be followed."""
        n_tones = self.pitches.on.shape[1]
        tones, numbers = np.divmod(np.arange(n_tones * n_harmonics), n_harmonics)
        columns = (self.peaks.positions, self.expected)
        positions, expected = (values.double().cpu().numpy() for values in columns)
        f0_bins = self.pitches.f0_bins.double().cpu().numpy()
        grams = self.peaks.gram().double().cpu().numpy()
        return [
            Heard(
                tones=tones[j],
                numbers=1 + numbers[j],
                f0_bins=f0_bins[n, tones[j]],
                positions=positions[n, j],
                expected=expected[n, j],
                gram=grams[n][np.ix_(j, j)],
            )
            for n, kept in enumerate(self.kept)
            for j in (np.flatnonzero(kept),)
        ]

    def rows_of(self, values: Tensor) -> list[NDArray[Any]]:
        """Of every frame those of the harmonics there are, of values ``[n, j, ...]``."""
        dtype = torch.complex128 if values.is_complex() else torch.float64
        rows = values.to(dtype).cpu().numpy()
        return [row[kept] for row, kept in zip(rows, self.kept, strict=True)]

    def dense(self, rows: Sequence[Complex]) -> Tensor:
        """The reverse, ``[n, j, c]``, of coefficients: 0 for harmonics that there are not."""
        values = np.zeros((*self.kept.shape, rows[0].shape[1]), np.complex64)
        values[self.kept] = np.concatenate(rows)
        return torch.from_numpy(values).to(self.channels)


def _noise(rest: Tensor, peaks: Peaks) -> Tensor:
    """Root mean square of what is left over around every harmonic, ``[n, t h]``.

    Args:
        rest: complex, ``[n, f]``.
        peaks: of the harmonics.
    """
    reach = math.floor(NOISE_REACH * float(peaks.widths[0]))
    power = (rest * rest.conj()).real[:, None]
    mean = functional.avg_pool1d(power, 2 * reach + 1, stride=1, padding=reach)[:, 0]
    nearest = peaks.positions.clamp(0, peaks.n_bins - 1).round().long()
    noise = mean.sqrt()
    return noise.gather(1, nearest).clamp_min(LEAST_NOISE * noise.amax(1, keepdim=True))
