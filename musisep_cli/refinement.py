"""Refinement: the decoded tones of a frame fitted again, together and with what was learned.

Departs from the paper (Section 3.8), where every tone is fitted to what the tones before it left
over, and a stem is the sum of its tones. All tones are fitted to the mixture at once, at a change
of note the one that ends and the one that begins, and what they leave over is shared out. With
the harmonics g_h and the noise e_i of instrument i, which is all that it does and no tone has,

    Y[f] = sum_i (sum_{h of i} c_h g_h[f] + e_i[f]),
    c_h ~ N(0, p_h),  e_i[f] ~ N(0, m_i[f] n[f]),  sum_i m_i[f] = 1,

a stem's expectation, given Y, is that of Wiener's filter:

    S_i = sum_{h of i} c_h g_h + m_i (Y - sum_h c_h g_h),
    c = argmin sum_f |Y - sum_h c_h g_h|^2 / n + sum_h |c_h|^2 / p_h.

Two harmonics that meet in one bin are told apart by their frequencies, and where these are the
same by p: what the instruments' timbres at these pitches lead to expect, at the levels that the
tones have in their other harmonics (``timbre``). Glides, onsets and breath, which no stationary
peak can follow, go by the shares m, which the tones have in every bin. The noise n around a
harmonic is what a first fit leaves over there; the first fit also sets every pitch to where its
harmonics are strongest.

Where a note changes, a frame holds two notes of an instrument, and the window is shorter. In a
stereo recording, c and e have a covariance between the channels besides (``places``).

Axes: ``n`` frames, ``i`` instruments, ``t`` tones of a frame, ``h`` harmonics, ``f`` bins, ``c``
channels. Of every frame there are the tones of the instruments, then those they played before, then
those they play next: ``t = 3 i``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from musisep_cli.framewise import Derived, Framewise, excerpt, stretches
from musisep_cli.model.gabor import GaborFrame
from musisep_cli.model.tones import Peaks, magnitude
from musisep_cli.notes import NotesAround, comb_of, learn_timbres
from musisep_cli.places import Places
from musisep_cli.policy.distance import ObjectiveConfig, objective
from musisep_cli.policy.joint import JointFit, Pitches, matched_filter, refined_pitch
from musisep_cli.policy.parameters import amplitude_estimate
from musisep_cli.policy.phase import coefficients_in_channels
from musisep_cli.resynthesis import BLOCK_FRAMES, ResynthesisConfig, shared
from musisep_cli.transcript import Frames, Transcript, audible

LEAST_EXPECTED = 1e-4
"""Relative to a frame's strongest harmonic: no harmonic is expected weaker."""
NOISE_REACH = 2.0
"""The noise around a harmonic is the mean over this many widths to both sides."""
LEAST_NOISE = 0.03
"""Relative to where a frame has most of it: nowhere is there less."""
LEAST_WEIGHT = 1e-4
"""Of |c_h|^2, so that the normal equations are never singular."""
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
        dictionary: D, ``[h, i]``.
        frame: the representation.
        config: how tones become stems.
        objective_config: weights of Eq. 21.
    """

    def __init__(
        self,
        tones: NotesAround,
        channels: Framewise[Tensor],
        dictionary: Tensor,
        frame: GaborFrame,
        config: ResynthesisConfig,
        objective_config: ObjectiveConfig,
    ) -> None:
        self.tones, self.dictionary, self.frame = tones, dictionary, frame
        self.config, self.objective_config = config, objective_config
        self.n_harmonics, self.n_instruments = dictionary.shape
        spectra = Derived(channels, lambda block: block.mean(1))
        self.timbres = learn_timbres(tones, spectra, dictionary, frame)
        self.transcript = Frames(Transcript, len(tones))
        self.scales = Derived(tones, self._window_scales)
        in_stereo = config.places and channels[:1].shape[1] == 2
        self.places = self._learned_places(channels) if in_stereo else None

    def _learned_places(self, channels: Framewise[Tensor]) -> Places:
        """Places from the tones' coefficients, these with the places in turn."""
        every = slice(None, None, PLACE_HOPS)
        heard = [
            (self.tones[block][every], channels[block][every].transpose(0, 1))
            for part in excerpt(len(channels), EXCERPT_STRETCHES, BLOCK_FRAMES)
            for block in stretches(part, BLOCK_FRAMES)
        ]
        places = Places.anywhere(self.n_instruments, channels[:1])
        for _ in range(PLACE_ROUNDS):
            products = torch.zeros_like(places.covariances)
            for tones, spectra in heard:
                fit = self._fitted(tones, 1.0, spectra, places)
                products += places.scatter(fit.coefficients, self._players(fit.pitches))
            places = Places.of(products)
        return places

    def _window_scales(self, tones: Pitches) -> Tensor:
        """Length of the windows in which some frames are seen, relative to the frame's, ``[n]``."""
        changing = (tones.on[:, self.n_instruments :] > 0).any(1)
        return torch.where(changing, self.config.change_window, 1.0)

    def explain(self, channels: Tensor) -> Tensor:
        """Spectra of the stems ``[i, c, n, f]`` in every channel ``[c, n, f]``.

        The next frames, analysed with windows of their ``scales``. Tones are found on the mean of
        the channels. In stereo they are taken from the instruments' places; else every channel is
        divided by the same filter, so that a stem keeps its place between them.
        """
        n_done = self.transcript.n_done
        block = slice(n_done, n_done + channels.shape[1])
        tones = self.tones[block]
        scales = self._window_scales(tones)
        alike = [(scales == scale).nonzero()[:, 0] for scale in scales.unique()]
        parts = [
            self._explained(tones[rows], float(scales[rows[0]]), channels[:, rows])
            for rows in alike
        ]
        order = torch.cat(alike).argsort()
        columns = zip(*(vars(played).values() for _, played in parts), strict=True)
        self.transcript.add(Transcript(*(torch.cat(column)[order] for column in columns)))
        return torch.cat([stems for stems, _ in parts], 2)[:, :, order]

    def _explained(
        self, tones: Pitches, scale: float, channels: Tensor
    ) -> tuple[Tensor, Transcript]:
        """Stems ``[i, c, n, f]`` of frames that are seen in one window, and what was played."""
        fit = self._fitted(tones, scale, channels, self.places)
        in_channels = [replace(fit.mean, coefficients=c).tones for c in fit.coefficients]
        stems = self._by_instrument(torch.stack(in_channels, 2))  # n, i, c, f
        if self.config.stems == "wiener":
            rest = channels.transpose(0, 1) - stems.sum(1)
            stems = stems + self._shared(rest, fit)
        heard = audible(fit.spectra)[:, None, None, None]
        return (stems * heard).permute(1, 2, 0, 3), self._played(fit)

    def _fitted(
        self, tones: Pitches, scale: float, channels: Tensor, places: Places | None
    ) -> _Fit:
        """All tones fitted to their mean over the channels, then to every channel."""
        mean, width = channels.mean(0), self.frame.ideal_width_bins / scale
        pitches, expected = self._expected(tones, mean, width)
        fitted = partial(JointFit.of, n_harmonics=self.n_harmonics, width=width)
        noise = self.config.timbre_noise * expected.amax(1, keepdim=True)
        prior = (noise / expected).square()
        first = fitted(pitches, mean, tikhonov=prior)
        matched = matched_filter(mean, width)
        pitches = replace(pitches, f0_bins=refined_pitch(pitches, matched, first))
        first = fitted(pitches, mean, tikhonov=prior)
        noise = self.config.rest_noise * _noise(mean - first.tones.sum(1), first.peaks)
        prior = (noise / expected).square().clamp_min(LEAST_WEIGHT)
        if places is None:
            coefficients = coefficients_in_channels(first.peaks, channels, tikhonov=prior)
        else:
            players = self._players(pitches).repeat_interleave(self.n_harmonics)
            coefficients = places.coefficients(first.peaks, channels, players, prior)
        return _Fit(pitches, mean, first, coefficients.unflatten(2, first.coefficients.shape[1:]))

    def _expected(self, tones: Pitches, spectra: Tensor, width: float) -> tuple[Pitches, Tensor]:
        """The tones that there are, and what their harmonics should be, ``[n, t h]``."""
        own = self.n_instruments
        pitches = tones if bool((tones.on[:, own:] > 0).any()) else tones[:, :own]
        comb = comb_of(
            pitches, self._players(pitches), spectra, self.frame, self.n_harmonics, width
        )
        expected = self.timbres.expected(comb).flatten(1)
        strongest = expected.amax(1, keepdim=True).clamp_min(1e-12)
        return pitches, expected.clamp_min(LEAST_EXPECTED * strongest)

    def _shared(self, rest: Tensor, fit: _Fit) -> Tensor:
        """Of what the tones leave over ``[n, c, f]`` that of every instrument, ``[n, i, c, f]``."""
        peaks = Peaks.around(
            fit.mean.peaks.positions, self.config.mask_width * fit.mean.peaks.widths, rest.shape[-1]
        )
        first = fit.mean.coefficients
        absolute = magnitude(first).to(first.dtype)
        envelopes = self._by_instrument(JointFit(peaks, absolute).tones).real
        floor = self.config.mask_floor
        share = shared if self.places is None else self.places.shared
        return share(rest, envelopes, floor)

    def _by_instrument(self, tones: Tensor) -> Tensor:
        """Sums over the tones of an instrument, ``[n, i, ...]``, of what is ``[n, t, ...]``."""
        together: Tensor = tones.unflatten(1, (-1, self.n_instruments)).sum(1)
        return together

    def _players(self, pitches: Pitches) -> Tensor:
        """The instruments of some frames' tones, ``[t]``."""
        return self.tones.instruments[: pitches.on.shape[1]]

    def _played(self, fit: _Fit) -> Transcript:
        """What was played, and how well that explains the frames (Eq. 21)."""
        pitches = fit.pitches
        # A fit is linear in the spectrum: the mean's is the mean of the channels'.
        direct = replace(fit.mean, coefficients=fit.coefficients.mean(0))
        relative = self.dictionary.T[self._players(pitches)].expand_as(direct.coefficients.real)
        amplitude = amplitude_estimate(direct.coefficients, relative) * pitches.on
        phase = direct.coefficients / magnitude(direct.coefficients).clamp_min(1e-12)
        from_dictionary = replace(direct, coefficients=amplitude[..., None] * relative * phase)
        found = objective(
            reference=fit.spectra,
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
            audible=audible(fit.spectra),
        )


@dataclass(frozen=True)
class _Fit:
    """The tones of some frames, fitted.

    Attributes:
        pitches: of the tones, set to where their harmonics are strongest, ``[n, t]``.
        spectra: mean over the channels, ``[n, f]``.
        mean: first fit to it, in which the timbres have more say.
        coefficients: in every channel, complex ``[c, n, t, h]``.
    """

    pitches: Pitches
    spectra: Tensor
    mean: JointFit
    coefficients: Tensor


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
