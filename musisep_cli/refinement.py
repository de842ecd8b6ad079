"""Refinement: the decoded tones of a frame fitted again, together and with what was learned.

Departs from the paper (Section 3.8), where every tone is fitted to what the tones before it left
over. All tones are fitted to the mixture at once, at a change of note the one that ends and the one
that begins. Where two harmonics meet, the mixture cannot say whose they are; there the instrument's
timbre at this pitch decides, with the tone's level in its other harmonics. Then every pitch is set
to where its harmonics are strongest, and all is fitted once more.

Axes: ``n`` frames, ``i`` instruments, ``t`` tones of a frame, ``h`` harmonics, ``f`` bins, ``c``
channels. Of every frame there are the tones of the instruments, then those they played before, then
those they play next: ``t = 3 i``.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from musisep_cli.framewise import Framewise
from musisep_cli.model.gabor import GaborFrame
from musisep_cli.model.tones import Peaks, harmonic_positions, magnitude
from musisep_cli.notes import NotesAround, comb_of, learn_timbres
from musisep_cli.policy.distance import ObjectiveConfig, objective
from musisep_cli.policy.joint import JointFit, Pitches, matched_filter, refined_pitch
from musisep_cli.policy.parameters import amplitude_estimate
from musisep_cli.resynthesis import ResynthesisConfig, shares
from musisep_cli.transcript import Frames, Transcript, audible

LEAST_EXPECTED = 1e-4
"""Relative to a frame's strongest harmonic: no harmonic is expected weaker."""


class Refiner:
    """Turns the decoded tones into spectra of the stems, block after block in order.

    Args:
        tones: of all frames, ``[n, t]``.
        spectra: of all frames, ``[n, f]``, for the timbres.
        dictionary: D, ``[h, i]``.
        frame: the representation.
        config: how tones become stems.
        objective_config: weights of Eq. 21.
    """

    def __init__(
        self,
        tones: NotesAround,
        spectra: Framewise[Tensor],
        dictionary: Tensor,
        frame: GaborFrame,
        config: ResynthesisConfig,
        objective_config: ObjectiveConfig,
    ) -> None:
        self.tones, self.dictionary, self.frame = tones, dictionary, frame
        self.config, self.objective_config = config, objective_config
        self.n_harmonics, self.n_instruments = dictionary.shape
        self.timbres = learn_timbres(tones, spectra, dictionary, frame)
        self.transcript = Frames(Transcript, len(tones))

    def explain(self, mean: Tensor, channels: Tensor) -> Tensor:
        """Spectra of the stems ``[i, c, n, f]`` for the mean ``[n, f]`` and channels ``[c, n, f]``.

        Tones are found on the mean; every channel is divided by the same shares, or fitted with
        the same peaks, so that a stem keeps its place between the channels.
        """
        n_done = self.transcript.n_done
        pitches = self.tones[n_done : n_done + len(mean)]
        tikhonov = self._tikhonov(pitches, mean)
        fit = self._fit(pitches, mean, tikhonov)
        matched = matched_filter(mean, self.frame.ideal_width_bins)
        pitches = replace(pitches, f0_bins=refined_pitch(pitches, matched, fit))
        fit = self._fit(pitches, mean, tikhonov)
        self._note(pitches, mean, fit)
        if self.config.stems == "mask":
            masks = self._masks(pitches, fit.coefficients) * audible(mean)[:, None, None]
            return masks.transpose(0, 1)[:, None] * channels
        fits = [self._fit(pitches, channel, tikhonov) for channel in channels]
        stems = torch.stack([self._by_instrument(fit.tones) for fit in fits]).permute(2, 0, 1, 3)
        return stems * audible(channels)[..., None]

    def _tikhonov(self, pitches: Pitches, spectra: Tensor) -> Tensor:
        """Weights of |c_h|^2, ``[n, t h]``: noise power over the power that the timbre expects.

        With these the least squares is the most probable c under Y = sum c_h g_h + noise and
        c_h normal with the expected power.
        """
        instruments = self.tones.instruments
        comb = comb_of(pitches, instruments, spectra, self.frame, self.n_harmonics)
        expected = self.timbres.expected(comb)
        strongest = expected.amax((1, 2), keepdim=True).clamp_min(1e-12)
        relative = (expected / strongest).clamp_min(LEAST_EXPECTED)
        return (self.config.timbre_noise / relative).square().flatten(1)

    def _fit(self, pitches: Pitches, spectra: Tensor, tikhonov: Tensor) -> JointFit:
        return JointFit.of(
            pitches,
            spectra,
            n_harmonics=self.n_harmonics,
            width=self.frame.ideal_width_bins,
            tikhonov=tikhonov,
        )

    def _masks(self, pitches: Pitches, coefficients: Tensor) -> Tensor:
        """Share of every instrument in every bin, ``[n, i, f]``."""
        width = self.config.mask_width * self.frame.ideal_width_bins
        peaks = Peaks.around(
            harmonic_positions(pitches.f0_bins, pitches.inharmonicity, self.n_harmonics),
            torch.full_like(pitches.f0_bins, width),
            self.frame.n_network_bins,
        )
        absolute = magnitude(coefficients) * pitches.on[..., None]
        envelopes = peaks.render(torch.complex(absolute, torch.zeros_like(absolute))).real
        return shares(self._by_instrument(envelopes), self.config.mask_floor)

    def _by_instrument(self, tones: Tensor) -> Tensor:
        """Sums over the tones of an instrument, ``[n, i, ...]``, of what is ``[n, t, ...]``."""
        together: Tensor = tones.unflatten(1, (-1, self.n_instruments)).sum(1)
        return together

    def _note(self, pitches: Pitches, spectra: Tensor, fit: JointFit) -> None:
        """Keep what was played, and how well that explains the frames (Eq. 21)."""
        relative = self.dictionary.T[self.tones.instruments].expand_as(fit.coefficients.real)
        amplitude = amplitude_estimate(fit.coefficients, relative) * pitches.on
        phase = fit.coefficients / magnitude(fit.coefficients).clamp_min(1e-12)
        from_dictionary = JointFit(fit.peaks, amplitude[..., None] * relative * phase)
        found = objective(
            reference=spectra,
            dictionary_tones=from_dictionary.tones,
            direct_tones=fit.tones,
            on=pitches.on,
            config=self.objective_config,
        )
        own = slice(0, self.n_instruments)
        played = Transcript(
            f0_bins=pitches.f0_bins[:, own],
            inharmonicity=pitches.inharmonicity[:, own],
            amplitude=amplitude[:, own],
            on=pitches.on[:, own],
            objective=found.total,
            audible=audible(spectra),
        )
        self.transcript.add(played)
