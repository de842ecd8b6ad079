"""Fitting: the decoded tones of all frames, fitted to the mixture together.

The most probable harmonics c_h of ``refinement``. First every frame is for itself: what the
timbres lead to expect of its harmonics, every pitch where its harmonics are strongest, and the
noise n around a harmonic, which is what a fit leaves over there. A tone that others hide is as loud
as in the frames around (``levels``). Then the harmonics are followed from frame to frame
(``partials``), which tells those apart that are too near for one window; the noise is measured once
more, and in stereo every instrument is taken from where it sounds (``places``).

Axes: ``n`` frames, ``i`` instruments, ``t`` tones of a frame, ``h`` harmonics, ``j`` those of all
tones of a frame, ``f`` bins, ``c`` channels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from musisep_cli.frames.framewise import (
    BLOCK_FRAMES,
    Derived,
    FrameRows,
    Framewise,
    excerpt,
    stretches,
)
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.machine.threads import CALLERS_OWN, Threads
from musisep_cli.stems import levels
from musisep_cli.stems.one_window import (
    LEAST_EXPECTED,
    Alone,
    ResynthesisConfig,
    Seen,
    seen_alike,
    window_scales,
)
from musisep_cli.stems.partials import Complex, Partials
from musisep_cli.stems.stereo import Places
from musisep_cli.tones.inharmonicity import Inharmonicity
from musisep_cli.tones.joint_fit import JointFit, matched_filter, refined_pitch
from musisep_cli.tones.notes import NotesAround
from musisep_cli.tones.timbre import LEARNED_HOPS, comb_of, learn_timbres
from musisep_cli.tones.tones import Tones

TUNINGS = 2
"""Of the harmonics' frequencies, by their phases."""
FOLLOWED_FRAMES, FOLLOWED_REACH = 4 * BLOCK_FRAMES, 32
"""Harmonics are followed through so many frames at once, and so many more at both ends: from 0.3 s
away little is heard of them."""
EXCERPT_STRETCHES = 16
"""Places are learned from as many blocks of frames from all over a recording."""
PLACE_ROUNDS = 4
"""Of learning the places from the tones' coefficients, and these with the places in turn."""


@dataclass(frozen=True)
class Fitted(FrameRows):
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
    def none(cls, tones: Tones, n_harmonics: int, channels: Tensor) -> Fitted:
        """As many as there are ``tones``, all off, of frames ``[n, c, f]``."""
        shape = (*tones.on.shape, n_harmonics, channels.shape[1])
        on, f0_bins, inharmonicity = torch.zeros_like(tones.on).repeat(3, 1, 1)
        return cls(on, f0_bins, inharmonicity, channels.new_zeros(shape))

    def put(self, rows: Tensor, pitches: Tones, coefficients: Tensor) -> None:
        """Sets the first tones ``[n, t]`` of some frames, with their harmonics ``[n, j, c]``."""
        n_tones = pitches.on.shape[1]
        for name, values in vars(pitches).items():
            getattr(self, name)[rows, :n_tones] = values
        self.coefficients[rows, :n_tones] = coefficients.unflatten(1, (n_tones, -1))

    @property
    def pitches(self) -> Tones:
        """Without their harmonics."""
        return Tones(self.on, self.f0_bins, self.inharmonicity)


class Fitter:
    """The fitted tones of all frames, a block at a time; cheap only from the first to the last.

    Args:
        tones: of all frames, ``[n, t]``.
        channels: spectra of all frames, ``[n, c, f]``, for timbres and places.
        in_windows: gives the same in windows of some lengths, ``[n]``.
        dictionary: D, ``[h, i]``.
        frame: the representation.
        config: how tones become stems.
        threads: fit the frames, before they are asked for.

    Attributes:
        scales: lengths of all frames' windows, ``[n]``.
    """

    def __init__(
        self,
        tones: NotesAround,
        channels: Framewise[Tensor],
        in_windows: Callable[[Framewise[Tensor]], Framewise[Tensor]],
        dictionary: Tensor,
        frame: GaborFrame,
        config: ResynthesisConfig,
        threads: Threads = CALLERS_OWN,
    ) -> None:
        self.frame, self.config, self.threads = frame, config, threads
        self.scales = Derived(tones, partial(window_scales, config=config))
        self.in_windows = in_windows(self.scales)
        self.n_harmonics, self.n_instruments = dictionary.shape
        spectra = Derived(channels, lambda block: block.mean(1))
        if config.stretched:
            learned = Inharmonicity.learn(tones.played, spectra, frame, self.n_harmonics)
            tones = replace(tones, played=Derived(tones.played, learned.of))
        self.tones = tones
        self.timbres = learn_timbres(tones, spectra, dictionary, frame)
        in_stereo = config.places and channels[:1].shape[1] == 2
        self.places = self._learned_places(channels) if in_stereo else None
        self._begun: dict[int, Future[Fitted]] = {}

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.tones)

    def __getitem__(self, block: slice) -> Fitted:
        """Of some consecutive frames."""
        first, last, _ = block.indices(len(self))
        parts = []
        while first < last:
            start = first - first % FOLLOWED_FRAMES
            stop = min(last, start + FOLLOWED_FRAMES)
            parts.append(self._stretch(start)[first - start : stop - start])
            first = stop
        columns = zip(*(vars(part).values() for part in parts), strict=True)
        return Fitted(*(torch.cat(column) for column in columns))

    def _stretch(self, start: int) -> Fitted:
        """The fitted frames from one on; those after it are begun, if there are threads for it."""
        ahead = self.threads.n if self.threads.n > 1 else 0
        stop = min(start + (1 + ahead) * FOLLOWED_FRAMES, len(self))
        # What is read is read here: a file has one place at which it is read.
        self._begun = {
            first: self._begun.get(first) or self.threads.begin(self._follow, self._seen(first))
            for first in range(start, stop, FOLLOWED_FRAMES)
        }
        return self._begun[start].result()

    def _learned_places(self, channels: Framewise[Tensor]) -> Places:
        """Places from the tones' coefficients, these with the places in turn."""
        every = slice(None, None, LEARNED_HOPS)
        fits = [
            self._alone(self.tones[block][every], 1.0, channels[block][every])
            for part in excerpt(len(channels), EXCERPT_STRETCHES, BLOCK_FRAMES)
            for block in stretches(part, BLOCK_FRAMES)
        ]
        places = Places.anywhere(self.n_instruments, channels[:1])
        for _ in range(PLACE_ROUNDS):
            products = torch.zeros_like(places.covariances)
            for fit in fits:
                players = self.tones.players(fit.pitches)
                c = places.coefficients(
                    fit.peaks,
                    fit.channels.transpose(0, 1),
                    players.repeat_interleave(self.n_harmonics),
                    (fit.noise / fit.expected).square(),
                )
                products += places.scatter(c.unflatten(2, (len(players), -1)), players)
            places = Places.of(products)
        return places

    def _seen(self, start: int) -> Seen:
        """The stretch of frames from one on, and the frames around it, which have their say."""
        stop = min(start + FOLLOWED_FRAMES, len(self))
        before = min(FOLLOWED_REACH, start)
        wide = slice(start - before, min(stop + FOLLOWED_REACH, len(self)))
        return Seen(self.tones[wide], self.in_windows[wide], slice(before, before + stop - start))

    def _follow(self, seen: Seen) -> Fitted:
        """The tones of a stretch of frames."""
        tones, channels = seen.tones, seen.channels
        scales = window_scales(tones, self.config)
        alike = seen_alike(scales)
        fits = [self._alone(tones[rows], float(scales[rows[0]]), channels[rows]) for rows in alike]
        fits = self._levelled(fits, alike, tones)
        order = torch.cat(alike).argsort().tolist()

        def by_frame(of_each: Callable[[Alone], Sequence[Any]]) -> list[Any]:
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
        noise = by_frame(lambda fit: fit.rows_of(fit.noise))
        for _ in range(TUNINGS):
            found = partials.coefficients(of_mean, noise)
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
        followed = Fitted.none(tones, self.n_harmonics, channels)
        for rows, fit, coefficients in zip(alike, fits, by_window(found), strict=True):
            followed.put(rows, fit.pitches, coefficients)
        return followed[seen.own]

    def _levelled(
        self, fits: Sequence[Alone], alike: Sequence[Tensor], tones: Tones
    ) -> list[Alone]:
        """The fits of some frames ``alike``, their tones as loud as the frames around tell."""
        own = slice(0, self.n_instruments)
        order = torch.cat(list(alike)).argsort()
        factors = levels.steadied(
            torch.cat([fit.levels[:, own] for fit in fits])[order],
            torch.cat([fit.seen[:, own] for fit in fits])[order],
            tones[:, own],
            hop_s=self.frame.hop_samples / self.frame.sample_rate_hz,
            level_s=self.config.level_s,
        )
        return [fit.louder(factors[rows]) for fit, rows in zip(fits, alike, strict=True)]

    def _alone(self, tones: Tones, scale: float, channels: Tensor) -> Alone:
        """Frames ``[n, c, f]`` seen in one window, each by itself."""
        mean, width = channels.mean(1), self.frame.ideal_width_bins / scale
        pitches, expected = self._expected(tones, mean, width)
        fitted = partial(JointFit.of, n_harmonics=self.n_harmonics, width=width)
        prior = (self.config.timbre_noise * expected.amax(1, keepdim=True) / expected).square()
        first = fitted(pitches, mean, tikhonov=prior)
        matched = matched_filter(mean, width)
        pitches = replace(pitches, f0_bins=refined_pitch(pitches, matched, first))
        first = fitted(pitches, mean, tikhonov=prior)
        fit = Alone(pitches, channels, first.peaks, expected, torch.zeros_like(expected))
        return fit.with_noise(first.coefficients.flatten(1), self.config.rest_noise)

    def _expected(self, tones: Tones, spectra: Tensor, width: float) -> tuple[Tones, Tensor]:
        """The tones that there are, and what their harmonics should be, ``[n, j]``."""
        pitches = self.tones.sounding(tones)
        players = self.tones.players(pitches)
        comb = comb_of(pitches, players, spectra, self.frame, self.n_harmonics, width)
        expected = self.timbres.expected(comb).flatten(1)
        strongest = expected.amax(1, keepdim=True).clamp_min(1e-12)
        return pitches, expected.clamp_min(LEAST_EXPECTED * strongest)
