"""Hypotheses: sets of tones that a frame may hold, each fitted to the frame.

Departs from the paper (Section 3.8), where a frame has one set: the most probable tone after tone.
Here several are kept, with the evidence for each, and which of them sounded is decided over all
frames (``path``).

Axes: ``n`` frames, ``s`` hypotheses of a frame, ``i`` tones, ``c`` channels, ``f`` bins, ``h``
harmonics; ``k = n s``, those of one frame in a row.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from musisep_cli.frames.framewise import FrameRows
from musisep_cli.frames.leaves import leafwise
from musisep_cli.tones.coefficients import coefficients_in_channels
from musisep_cli.tones.compiled_fit import fitted_sets
from musisep_cli.tones.joint_fit import LOWEST_WIDTHS, JointFit, matched_filter, refined_pitch
from musisep_cli.tones.objective import ObjectiveConfig, lifted_magnitude
from musisep_cli.tones.peaks import magnitude
from musisep_cli.tones.tones import Tones

LEAST_LOG_PROB = -60.0
"""Nats: sets that are less probable are not told apart."""
TIKHONOV = 1e-2
"""Weight of |c_h|^2 where all tones of a set are fitted at once: c is finite where peaks meet."""
Fit: TypeAlias = tuple[Tensor, Tensor, Tensor, Tensor]
"""Pitches in bins ``[n, s, i]``, |c_h| ``[n, s, i, h]``, their sums in every channel
``[n, s, i, c]`` and the misfit ``[n, s]``."""


@dataclass(frozen=True)
class Hypotheses(FrameRows):
    """Sets of tones of every frame, the most probable first, those with a tone moved last.

    Attributes:
        log_prob: log-probability of the set under the policy, whatever the order of its tones,
            ``[n, s]``.
        misfit: distance of lifted magnitudes between the frame and the fit of all tones, relative
            to that of silence, ``[n, s]``.
        tones: of every set, ``on`` as bool, ``[n, s, i]``.
        loudness: sum of the absolute harmonic amplitudes, ``[n, s, i]``.
        timbre: sqrt|c_h| as a unit vector, or 0 where there is no tone, half precision,
            ``[n, s, i, h]``.
        place: square root of the loudness in every channel as a unit vector, or 0 where there is no
            tone, ``[n, s, i, c]``.
    """

    log_prob: Tensor
    misfit: Tensor
    tones: Tones
    loudness: Tensor
    timbre: Tensor
    place: Tensor

    def heard(self, audible: Tensor) -> Hypotheses:
        """Return the hypotheses with all tones off where a frame is not ``audible [n]``."""
        on = self.tones.on & audible[:, None, None]
        return replace(
            self,
            tones=replace(self.tones, on=on),
            loudness=self.loudness * on,
            timbre=self.timbre * on[..., None],
            place=self.place * on[..., None],
        )


@dataclass(frozen=True)
class SetFit:
    """How sets of tones are fitted to their frames.

    Attributes:
        n_harmonics: number of harmonics of a tone.
        width_bins: sigma of a peak.
        objective: the lift under which frame and fit are compared.
        refined_pitch: whether pitches are set to where their harmonics are strongest.
    """

    n_harmonics: int
    width_bins: float
    objective: ObjectiveConfig
    refined_pitch: bool

    @torch.no_grad()
    def __call__(self, log_prob: Tensor, tones: Tones, channels: Tensor) -> Hypotheses:
        """Fit all tones of every set to its frame at once; twice if pitches are refined.

        The network's pitches are right to about half a bin, which at the tenth harmonic is five.
        After the first fit every pitch is set to where its harmonics are strongest.

        Args:
            log_prob: log-probability of the sets, ``[n, s]``.
            tones: of every set, ``[n, s, i]``.
            channels: complex ``[n, c, f]``.
        """
        fit = self._compiled if channels.is_cpu else self._by_operations
        f0_bins, amplitudes, in_channels, misfit = fit(tones, channels)
        loudness = amplitudes.sum(-1)
        tiny = torch.finfo(amplitudes.dtype).tiny
        # |c_h| over their sum: its square root is a unit vector.
        timbre = (amplitudes / loudness[..., None].clamp_min(tiny)).sqrt()
        place = (in_channels / in_channels.sum(-1, keepdim=True).clamp_min(tiny)).sqrt()
        return Hypotheses(
            log_prob=log_prob,
            misfit=misfit,
            tones=Tones(tones.on > 0, f0_bins, tones.inharmonicity),
            loudness=loudness,
            timbre=timbre.half(),
            place=place,
        )

    def _compiled(self, tones: Tones, channels: Tensor) -> Fit:
        """Return the fits of one set after another, in machine code and single precision."""
        spectra = channels.to(torch.complex64).contiguous()
        mean = spectra.mean(1)
        matched = matched_filter(mean, self.width_bins) if self.refined_pitch else mean
        found = fitted_sets(
            spectra.numpy(),
            matched.numpy(),
            (tones.on > 0).contiguous().numpy(),
            tones.f0_bins.float().contiguous().numpy(),
            tones.inharmonicity.float().contiguous().numpy(),
            self.n_harmonics,
            self.width_bins,
            np.full(tones.on.shape[-1] * self.n_harmonics, TIKHONOV),
            LOWEST_WIDTHS * self.width_bins,
            self.refined_pitch,
            self.objective.lift_exponent,
            self.objective.lift_offset,
        )
        dtype = tones.f0_bins.dtype
        f0_bins, amplitudes, in_channels, misfit = (torch.from_numpy(v).to(dtype) for v in found)
        return f0_bins, amplitudes, in_channels, misfit

    def _by_operations(self, tones: Tones, channels: Tensor) -> Fit:
        """Return the fits of all sets at once, on any device."""
        width, spectra = self.width_bins, channels.mean(1)
        shape = tones.on.shape[:2]
        each = partial(Tensor.repeat_interleave, repeats=shape[1], dim=0)
        # Every set is a row of its own, with its frame's spectrum.
        rows = each(spectra)  # k, f
        of_rows = leafwise(lambda values: values.flatten(0, 1), tones)  # k, i
        fit_to = partial(
            JointFit.of, spectra=rows, n_harmonics=self.n_harmonics, width=width, tikhonov=TIKHONOV
        )
        fit = fit_to(of_rows)
        if self.refined_pitch:
            matched = each(matched_filter(spectra, width))
            lowest = LOWEST_WIDTHS * width
            of_rows = replace(of_rows, f0_bins=refined_pitch(of_rows, matched, fit, lowest))
            fit = fit_to(of_rows)
        amplitudes = magnitude(fit.coefficients) * of_rows.on[..., None]  # k, i, h
        in_channels = _in_channels(fit, each(channels)) * of_rows.on[..., None]
        misfit = relative_misfit(rows, fit.tone_spectra.sum(1), self.objective)
        return (
            of_rows.f0_bins.unflatten(0, shape),
            amplitudes.unflatten(0, shape),
            in_channels.unflatten(0, shape),
            misfit.unflatten(0, shape),
        )


def _in_channels(fit: JointFit, channels: Tensor) -> Tensor:
    """Return how loud every tone of a fit is in every channel ``[k, c, f]``, ``[k, i, c]``."""
    if channels.shape[1] == 1:
        return magnitude(fit.coefficients).sum(-1)[..., None]
    # Pitches are those found on the mean; only the coefficients are found in every channel.
    found = coefficients_in_channels(fit.peaks, channels.transpose(0, 1), tikhonov=TIKHONOV)
    tones = found.unflatten(-1, fit.coefficients.shape[1:])  # c, k, i, h
    return magnitude(tones).sum(-1).movedim(0, -1)


def relative_misfit(spectra: Tensor, explained: Tensor, config: ObjectiveConfig) -> Tensor:
    """Return the distance of lifted magnitudes (Eq. 12), relative to that of silence, ``[k]``.

    Args:
        spectra: of the frames, complex ``[k, f]``.
        explained: sum of the fitted tones, complex ``[k, f]``.
        config: the lift.
    """
    lifted = lifted_magnitude(spectra, config)
    distance = (lifted - lifted_magnitude(explained, config)).square().sum(-1)
    tiny = torch.finfo(lifted.dtype).tiny
    misfit: Tensor = distance / lifted.square().sum(-1).clamp_min(tiny)
    return misfit
