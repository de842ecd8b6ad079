"""Wiener filter: the spectra of the stems, from tones that are fitted to the mixture together.

Departs from the paper (Section 3.8), where every tone is fitted to what the tones before it left
over, and a stem is the sum of its tones. Here all tones are fitted to the mixture at once, at a
change of note the one that ends and the one that begins, and what they leave over is shared out.
Instrument i makes harmonics g_h and besides them a noise e_i, all of its sound that is in no tone:

    Y[f] = sum_i (sum_{h of i} c_h g_h[f] + e_i[f]),                                            (1)
    c_h ~ N(0, p_h),  e_i[f] ~ N(0, m_i[f] n[f]),  sum_i m_i[f] = 1.                            (2)

The expectation of a stem, given Y, is that of Wiener's filter:

    S_i = sum_{h of i} c_h g_h + m_i (Y - sum_h c_h g_h),                                       (3)
    c = argmin sum_f |Y - sum_h c_h g_h|^2 / n + sum_h |c_h|^2 / p_h.                           (4)

The shares m_i of a bin are those of the magnitudes E_i that an instrument's tones have there, with
a floor below which what there is goes to nobody:

    m_i[f] = E_i[f] / (sum_j E_j[f] + floor max_{j, f} E_j[f]).                                 (5)

What is nobody's so far lies between the harmonics. The instruments get as much of it as they may
breathe (``breath``), and the residual all else.

How c is found stands in ``fitting``. Two harmonics that meet in one bin are told apart by their
frequencies, for which every harmonic is followed from frame to frame (``partials``), and where
these are the same by p: what the instruments' timbres at these pitches lead to expect, at the
levels that the tones have in their other harmonics (``timbre``). Glides, onsets and breath, which
no steady peak can follow, go by the shares m, which the tones have in every bin.

Where a note changes, a frame holds two notes of an instrument, and the window is shorter. In a
stereo recording, c and e have a covariance between the channels besides (``stereo``).

Axes: ``n`` frames, ``i`` instruments, ``t`` tones of a frame, ``h`` harmonics, ``f`` bins, ``c``
channels. Of every frame there are the tones of the instruments, then those they played before, then
those they play next: ``t = 3 i``.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from musisep_cli.frames.framewise import Frames
from musisep_cli.frames.leaves import leafwise
from musisep_cli.frames.spectra import audible
from musisep_cli.stems.breath import breath
from musisep_cli.stems.fitting import Fitted, Fitter
from musisep_cli.stems.one_window import seen_alike, window_scales
from musisep_cli.tones.dictionary import amplitude_estimate
from musisep_cli.tones.gliding import GlidingPeaks, gliding
from musisep_cli.tones.joint_fit import JointFit, peaks_of
from musisep_cli.tones.notes import NeighbourTones
from musisep_cli.tones.objective import ObjectiveConfig, objective
from musisep_cli.tones.peaks import magnitude
from musisep_cli.tones.tones import Tones
from musisep_cli.tones.tracks import Transcript


class WienerFilter:
    """Turns the fitted tones into spectra of the stems, block after block in order.

    Args:
        fitter: the fitted tones of all frames.
        dictionary: D, ``[h, i]``.
        objective_config: weights of Eq. 21.
    """

    def __init__(
        self, fitter: Fitter, dictionary: Tensor, objective_config: ObjectiveConfig
    ) -> None:
        self.fitter, self.dictionary = fitter, dictionary
        self.frame, self.config, self.places = fitter.frame, fitter.config, fitter.places
        self.objective_config = objective_config
        self.n_harmonics, self.n_instruments = dictionary.shape
        self.transcript = Frames(Transcript, len(fitter))

    def explain(self, channels: Tensor) -> Tensor:
        """Return the spectra of the stems ``[i, c, n, f]`` of the next frames.

        Tones are found on the mean of the channels. In stereo they are taken from the instruments'
        places; else every channel is divided by the same filter, so that a stem keeps its place
        between the channels.

        Args:
            channels: of the next frames, in windows of ``window_scales``, complex ``[c, n, f]``.
        """
        n_done = self.transcript.n_done
        block = slice(n_done, n_done + channels.shape[1])
        fitted = self.fitter[block]
        scales = window_scales(NeighbourTones.split(fitted.tones), self.config)
        alike = seen_alike(scales)
        parts = [
            self._explained(fitted[rows], float(scales[rows[0]]), channels[:, rows])
            for rows in alike
        ]
        order = torch.cat(alike).argsort()
        transcripts = (transcript for _, transcript in parts)
        self.transcript.add(leafwise(lambda *rows: torch.cat(rows)[order], *transcripts))
        return torch.cat([stems for stems, _ in parts], 2)[:, :, order]

    def _explained(
        self, fitted: Fitted, scale: float, channels: Tensor
    ) -> tuple[Tensor, Transcript]:
        """Return stems ``[i, c, n, f]`` of frames seen in one window, and what was played."""
        tones = NeighbourTones.split(fitted.tones).sounding
        coefficients = fitted.coefficients[:, : tones.on.shape[1]]
        n_bins, width = channels.shape[-1], self.frame.ideal_width_bins / scale
        steady = peaks_of(tones, n_harmonics=self.n_harmonics, width=width, n_bins=n_bins)
        rates = fitted.rates[:, : tones.on.shape[1]]
        peaks = gliding(steady, rates, self.frame.bin_hz)
        # The first term of (3): every tone in every channel, summed over each instrument's tones.
        in_channels = [JointFit(peaks, c).tone_spectra for c in coefficients.unbind(-1)]
        stems = self._by_instrument(torch.stack(in_channels, 2))  # n, i, c, f
        # A fit is linear in the spectrum: the mean's is the mean of the channels'.
        of_mean = JointFit(peaks, coefficients.mean(-1))
        if self.config.stems == "wiener":
            leftover = channels.transpose(0, 1) - stems.sum(1)
            # The second term of (3).
            stems = stems + self._shared(leftover, peaks, of_mean.coefficients)
            if self.config.breath > 0:
                leftover = channels.transpose(0, 1) - stems.sum(1)
                stems = stems + breath(leftover, stems, self.frame, self.config.breath)
        mean = channels.mean(0)
        heard = audible(mean)[:, None, None, None]
        return (stems * heard).permute(1, 2, 0, 3), self._played(tones, mean, of_mean)

    def _shared(self, leftover: Tensor, peaks: GlidingPeaks, coefficients: Tensor) -> Tensor:
        """Return every instrument's part ``[n, i, c, f]`` of what the tones leave over."""
        # E of (5): the sums of the tones' peaks without their phases, somewhat widened.
        absolute = magnitude(coefficients).to(coefficients.dtype)
        wide = peaks.envelopes(self.config.mask_width)
        envelopes = self._by_instrument(JointFit(wide, absolute).tone_spectra).real
        share = shared if self.places is None else self.places.shared
        return share(leftover, envelopes, self.config.mask_floor)

    def _by_instrument(self, tones: Tensor) -> Tensor:
        """Return sums over the tones of every instrument, ``[n, i, ...]``, of ``[n, t, ...]``."""
        players = self.fitter.notes.instruments[: tones.shape[1]]
        together = tones.new_zeros(len(tones), self.n_instruments, *tones.shape[2:])
        return together.index_add_(1, players, tones)

    def _played(self, tones: Tones, spectra: Tensor, direct: JointFit) -> Transcript:
        """Return what was played, and how well that explains the frames ``[n, f]`` (Eq. 21)."""
        players = self.fitter.notes.players(tones)
        relative = self.dictionary.T[players].expand_as(direct.coefficients.real)
        amplitude = amplitude_estimate(direct.coefficients, relative) * tones.on
        # The dictionary's prediction, with the phases of the direct one (Eq. 11).
        phase = direct.coefficients / magnitude(direct.coefficients).clamp_min(1e-12)
        from_dictionary = replace(direct, coefficients=amplitude[..., None] * relative * phase)
        found = objective(
            reference=spectra,
            dictionary_tones=from_dictionary.tone_spectra,
            direct_tones=direct.tone_spectra,
            on=tones.on,
            config=self.objective_config,
        )
        own = slice(0, self.fitter.notes.n_voices)
        return Transcript(
            tones=tones[:, own],
            amplitude=amplitude[:, own],
            objective=found.total,
            audible=audible(spectra),
        )


def shares(envelopes: Tensor, floor: float) -> Tensor:
    """Return the share of every instrument in every bin (5), a ratio mask, ``[n, i, f]``.

    The shares of a bin add up to 1 where there are tones, and fade to 0 where there are none.

    Args:
        envelopes: E, magnitudes that the tones lead to expect, ``[n, i, f]``.
        floor: share of nobody, relative to the highest envelope in the frame.
    """
    highest = envelopes.amax((1, 2), keepdim=True)
    tiny = torch.finfo(envelopes.dtype).tiny
    return envelopes / (envelopes.sum(1, keepdim=True) + floor * highest + tiny)  # (5)


def shared(leftover: Tensor, envelopes: Tensor, floor: float) -> Tensor:
    """Return the second term of (3), every instrument's part of the leftover, ``[n, i, c, f]``.

    With c of (4) and the share m_i of the noise's power, it is the expectation of e_i, given Y.

    Args:
        leftover: what the tones leave over, complex ``[n, c, f]``.
        envelopes: E, magnitudes that the tones lead to expect, ``[n, i, f]``.
        floor: share of nobody, relative to the highest envelope in the frame.
    """
    return shares(envelopes, floor)[:, :, None] * leftover[:, None]
