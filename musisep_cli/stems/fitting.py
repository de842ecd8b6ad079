"""Fitting: the decoded tones of all frames, fitted to the mixture together.

How the most probable harmonics c_h of the Wiener filter (``wiener``, Eq. 4) are found:

1. Every frame by itself (``one_window``). The timbres say what to expect of its harmonics
   (``tones.timbre``). All tones are fitted, each pitch is set to where its harmonics are strongest,
   and they are fitted again; what the fit leaves over around a harmonic is its noise n.
2. A tone that others hide is taken to be as loud as in the frames around (``levels``).
3. Harmonics are followed from frame to frame (``partials``), which tells those apart that are too
   near for one window. How far they turn between frames is learned from their phases. Within a
   window they glide as their pitch does (``tones.gliding``).
4. The noise is measured once more, and all is fitted a last time; in stereo, every instrument is
   taken from where it sounds (``stereo``).

Axes: ``n`` frames, ``i`` instruments, ``t`` tones of a frame, ``h`` harmonics, ``j`` those of all
tones of a frame, ``f`` bins, ``c`` channels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial

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
from musisep_cli.frames.leaves import leafwise, leaves
from musisep_cli.machine.threads import CALLERS_OWN, Threads
from musisep_cli.stems import levels
from musisep_cli.stems.one_window import (
    LEAST_EXPECTED,
    ResynthesisConfig,
    Seen,
    WindowFit,
    seen_alike,
    window_scales,
)
from musisep_cli.stems.partials import Complex, Partials
from musisep_cli.stems.stereo import Places
from musisep_cli.stems.windows import WindowFits
from musisep_cli.tones.gliding import glide_rates
from musisep_cli.tones.inharmonicity import Inharmonicity
from musisep_cli.tones.joint_fit import (
    LOWEST_WIDTHS,
    JointFit,
    matched_filter,
    refined_pitch,
)
from musisep_cli.tones.notes import NeighbourTones, NotesAround
from musisep_cli.tones.timbre import LEARNED_HOPS, comb_of, learn_timbres
from musisep_cli.tones.tones import Tones

TUNINGS = 2
"""How often frequencies are re-estimated from phase advance."""
FOLLOWED_FRAMES, FOLLOWED_REACH = 4 * BLOCK_FRAMES, 32
"""Number of frames through which harmonics are followed at once, and of frames more at both ends:
what is 0.3 s away hardly matters."""
EXCERPT_BLOCKS = 16
"""Number of blocks of frames, from all over a recording, that places are learned from."""
PLACE_ROUNDS = 4
"""How often places are learned from the coefficients and coefficients with the places, in turn."""
TINY = 1e-12
"""Least magnitude of the strongest harmonic, so that nothing is divided by 0 in silence."""


@dataclass(frozen=True)
class Fitted(FrameRows):
    """The tones of some frames with their fitted harmonics.

    Attributes:
        tones: own, before and after in a row, as of ``NeighbourTones``, ``[n, t]``.
        coefficients: c in every channel, complex ``[n, t, h, c]``.
        rates: how fast they glide, relative to their pitch, per second, ``[n, t]``.
    """

    tones: Tones
    coefficients: Tensor
    rates: Tensor

    @classmethod
    def none(cls, tones: Tones, n_harmonics: int, channels: Tensor) -> Fitted:
        """Return as many tones as there are ``tones [n, t]``, all off, for ``channels [n, c, f]``.

        All are new tensors, to be filled by ``put``.
        """
        shape = (*tones.on.shape, n_harmonics, channels.shape[1])
        off = leafwise(torch.zeros_like, tones)
        return cls(off, channels.new_zeros(shape), torch.zeros_like(off.f0_bins))

    def put(self, rows: Tensor, tones: Tones, coefficients: Tensor) -> None:
        """Set the first tones ``[n, t]`` of some frames, and their harmonics ``[n, j, c]``."""
        n_tones = tones.on.shape[1]
        for name, values in leaves(tones).items():
            leaves(self.tones)[name][rows, :n_tones] = values
        self.coefficients[rows, :n_tones] = coefficients.unflatten(1, (n_tones, -1))


class Fitter:
    """The fitted tones of all frames, a block at a time.

    Blocks are to be asked for in order: a stretch of frames is fitted once and then forgotten.

    Args:
        notes: the tones of all frames.
        channels: spectra of all frames, ``[n, c, f]``, for timbres and places.
        in_windows: gives the same in windows of other lengths relative to the frame's, ``[n]``.
        dictionary: D, ``[h, i]``.
        frame: the representation.
        config: how tones become stems.
        threads: where stretches are fitted before they are asked for.

    Attributes:
        scales: length of every frame's window relative to the frame's own, ``[n]``.
    """

    def __init__(
        self,
        notes: NotesAround,
        channels: Framewise[Tensor],
        in_windows: Callable[[Framewise[Tensor]], Framewise[Tensor]],
        dictionary: Tensor,
        frame: GaborFrame,
        config: ResynthesisConfig,
        threads: Threads = CALLERS_OWN,
    ) -> None:
        self.frame, self.config, self.threads = frame, config, threads
        self.scales = Derived(notes, partial(window_scales, config=config))
        self.in_windows = in_windows(self.scales)
        self.n_harmonics, self.n_instruments = dictionary.shape
        spectra = Derived(channels, lambda block: block.mean(1))
        if config.stretched:
            learned = Inharmonicity.learn(notes.tones, spectra, frame, self.n_harmonics)
            notes = replace(notes, tones=Derived(notes.tones, learned.of))
        self.notes = notes
        self.timbres = learn_timbres(notes, spectra, dictionary, frame)
        in_stereo = config.places and channels[:1].shape[1] == 2
        self.places = self._learned_places(channels) if in_stereo else None
        self._begun: dict[int, Future[Fitted]] = {}

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.notes)

    def __getitem__(self, block: slice) -> Fitted:
        """Return the fitted tones of some consecutive frames."""
        first, last, _ = block.indices(len(self))
        parts = []
        while first < last:
            # Stretches begin at fixed frames, whichever are asked for: none is fitted twice.
            start = first - first % FOLLOWED_FRAMES
            stop = min(last, start + FOLLOWED_FRAMES)
            parts.append(self._stretch(start)[first - start : stop - start])
            first = stop
        return leafwise(lambda *columns: torch.cat(columns), *parts)

    def _stretch(self, start: int) -> Fitted:
        """Return the fitted stretch that starts at a frame; begin those after it on the threads."""
        ahead = self.threads.n if self.threads.n > 1 else 0
        stop = min(start + (1 + ahead) * FOLLOWED_FRAMES, len(self))
        # Frames are read in this thread: a file has one place at which it is read.
        self._begun = {
            first: self._begun.get(first) or self.threads.begin(self._follow, self._seen(first))
            for first in range(start, stop, FOLLOWED_FRAMES)
        }
        return self._begun[start].result()

    def _learned_places(self, channels: Framewise[Tensor]) -> Places:
        """Learn the places from the coefficients and these with the places, in turn."""
        every = slice(None, None, LEARNED_HOPS)
        fits = [
            self._window_fit(self.notes[block][every], 1.0, channels[block][every])
            for part in excerpt(len(channels), EXCERPT_BLOCKS, BLOCK_FRAMES)
            for block in stretches(part, BLOCK_FRAMES)
        ]
        places = Places.anywhere(self.n_instruments, channels[:1])
        for _ in range(PLACE_ROUNDS):
            products = torch.zeros_like(places.covariances)
            for fit in fits:
                players = self.notes.players(fit.tones)
                # stereo, (3): t = n^2 / p of every harmonic.
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
        """Return the stretch that starts at a frame, with the frames around it."""
        stop = min(start + FOLLOWED_FRAMES, len(self))
        before = min(FOLLOWED_REACH, start)
        wide = slice(start - before, min(stop + FOLLOWED_REACH, len(self)))
        return Seen(self.notes[wide], self.in_windows[wide], slice(before, before + stop - start))

    def _follow(self, seen: Seen) -> Fitted:
        """Return the tones of a stretch, their harmonics followed from frame to frame."""
        # Steps 1 and 2 of the module's docstring.
        windows = self._levelled(self._in_windows(seen.tones, seen.channels), seen.tones.own)
        # How fast the tones glide, by their pitches in all frames.
        rates = self._rates(windows, seen.tones.own)
        windows = windows.changed(
            fit.gliding(rates[rows], self.frame.bin_hz) for rows, fit in windows
        )
        # Step 3.
        partials = Partials(
            windows.by_frame(lambda fit: fit.heard(self.n_harmonics)),
            self.notes.instruments.cpu().numpy(),
            self.frame,
            self.config.steady_s,
        )
        # Step 4.
        windows = self._with_noise_after(self._tuned(partials, windows), windows)
        coefficients = partials.coefficients(
            windows.by_frame(lambda fit: fit.rows_of(fit.products)),
            windows.by_frame(lambda fit: fit.rows_of(fit.noise)),
            None if self.places is None else self.places.roots().cpu().numpy(),
        )
        fitted = Fitted.none(seen.tones.in_a_row, self.n_harmonics, seen.channels)
        for (rows, fit), of_fit in zip(windows, windows.by_window(coefficients), strict=True):
            fitted.put(rows, fit.tones, of_fit)
        fitted.rates[:, : rates.shape[1]] = rates
        return fitted[seen.own]

    def _in_windows(self, tones: NeighbourTones, channels: Tensor) -> WindowFits:
        """Return frames ``[n, c, f]`` fitted each by itself, in windows of their own lengths."""
        scales = window_scales(tones, self.config)
        groups = seen_alike(scales)
        fits = [
            self._window_fit(tones[rows], float(scales[rows[0]]), channels[rows]) for rows in groups
        ]
        return WindowFits(groups, fits)

    def _levelled(self, windows: WindowFits, tones: Tones) -> WindowFits:
        """Return the fits with tones ``[n, v]`` as loud as the frames around tell."""
        own = slice(0, tones.on.shape[1])
        factors = levels.steadied(
            windows.joined(lambda fit: fit.levels[:, own]),
            windows.joined(lambda fit: fit.seen[:, own]),
            tones,
            hop_s=self.frame.hop_samples / self.frame.sample_rate_hz,
            level_s=self.config.level_s,
        )
        return windows.changed(fit.louder(factors[rows]) for rows, fit in windows)

    def _rates(self, windows: WindowFits, tones: Tones) -> Tensor:
        """Return how fast tones ``[n, v]`` glide, by the pitches that were fitted."""
        own = slice(0, tones.on.shape[1])
        f0_bins = windows.joined(lambda fit: fit.tones.f0_bins[:, own])
        if not self.config.gliding:
            return torch.zeros_like(f0_bins)
        hop_s = self.frame.hop_samples / self.frame.sample_rate_hz
        span_s = self.frame.config.zeta_s  # as long as the window
        return glide_rates(replace(tones, f0_bins=f0_bins), hop_s, span_s)

    def _tuned(self, partials: Partials, windows: WindowFits) -> list[Complex]:
        """Tune the harmonics by their phases; return the last coefficients, of all frames."""
        of_mean = windows.by_frame(lambda fit: fit.rows_of(fit.products.mean(-1, keepdim=True)))
        noise = windows.by_frame(lambda fit: fit.rows_of(fit.noise))
        for _ in range(TUNINGS):
            coefficients = partials.coefficients(of_mean, noise)
            partials.tune(coefficients)
        return coefficients

    def _with_noise_after(self, coefficients: Sequence[Complex], windows: WindowFits) -> WindowFits:
        """Return the fits with the noise that coefficients of the mean of the channels leave."""
        of_fits = zip(windows.fits, windows.by_window(coefficients), strict=True)
        return windows.changed(
            fit.with_noise(of_fit[..., 0], self.config.rest_noise) for fit, of_fit in of_fits
        )

    def _window_fit(self, tones: NeighbourTones, scale: float, channels: Tensor) -> WindowFit:
        """Return frames ``[n, c, f]`` seen in one window, each fitted by itself."""
        mean, width = channels.mean(1), self.frame.ideal_width_bins / scale
        sounding = tones.sounding
        expected = self._expected(sounding, mean, width)
        # n^2 / p of the Wiener filter, with one noise for all of a frame: none is measured yet.
        fitted = partial(JointFit.of, n_harmonics=self.n_harmonics, width=width)
        prior = (self.config.timbre_noise * expected.amax(1, keepdim=True) / expected).square()
        # The fit shows where each pitch is best, with the other tones removed; then it is repeated.
        first = fitted(sounding, mean, tikhonov=prior)
        matched = matched_filter(mean, width)
        lowest = LOWEST_WIDTHS * self.frame.ideal_width_bins
        tuned = replace(sounding, f0_bins=refined_pitch(sounding, matched, first, lowest))
        second = fitted(tuned, mean, tikhonov=prior)
        fit = WindowFit(tuned, channels, second.peaks, expected, torch.zeros_like(expected))
        return fit.with_noise(second.coefficients.flatten(1), self.config.rest_noise)

    def _expected(self, tones: Tones, spectra: Tensor, width: float) -> Tensor:
        """Return what the harmonics of tones ``[n, t]`` should be, ``[n, j]``."""
        comb = comb_of(
            tones,
            spectra,
            instruments=self.notes.players(tones),
            frame=self.frame,
            n_harmonics=self.n_harmonics,
            width_bins=width,
        )
        expected = self.timbres.expected(comb).flatten(1)
        strongest = expected.amax(1, keepdim=True).clamp_min(TINY)
        return expected.clamp_min(LEAST_EXPECTED * strongest)
