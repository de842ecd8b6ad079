"""Joint fit: all tones of a frame at once, to the mixture itself.

Departs from the paper (Eq. 17), where every tone is fitted to what the tones before it left over:
where two harmonics meet, the first tone takes them whole. Fitted together, they share.

Axes: ``k`` frames, each with its tones, ``i`` tones of a frame, ``h`` harmonics, ``f`` bins, ``o``
offsets of a pitch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from musisep_cli.tones.coefficients import harmonic_coefficients
from musisep_cli.tones.peaks import FAR_BINS, Peaks, harmonic_positions, magnitude
from musisep_cli.tones.tones import Tones

PITCH_REACH_BINS, PITCH_STEP_BINS = 1.5, 0.1
"""Bins: how far around a given pitch a better one is looked for, and in what steps. The network is
right to about half a bin."""
LOWEST_WIDTHS = 3.6
"""Least pitch, relative to the width of a peak: 27 Hz at the paper's window, just below the lowest
key of a piano. What is lower is rumble, of a foot or a stand: no instrument plays it, and the
harmonics of such tones run into each other, so that they fit anything."""
MATCHED_WIDTHS = 4
"""A matched filter ends at so many widths, where a peak has fallen to exp(-8) = 3e-4."""


@dataclass(frozen=True)
class JointFit:
    """All tones of every frame, fitted together.

    Attributes:
        peaks: of all tones, as if they were the harmonics of one, ``[k, i h]``.
        coefficients: complex c_h, ``[k, i, h]``.
    """

    peaks: Peaks
    coefficients: Tensor

    @classmethod
    def of(
        cls,
        tones: Tones,
        spectra: Tensor,
        *,
        n_harmonics: int,
        width: float,
        tikhonov: float | Tensor,
    ) -> JointFit:
        """Fit all harmonics of all tones to the mixture by least squares.

        Args:
            tones: what to fit, ``[k, i]``.
            spectra: complex, ``[k, f]``.
            n_harmonics: of every tone.
            width: sigma of all peaks in bins.
            tikhonov: weight of |c_h|^2, one for all or ``[k, i h]``.
        """
        peaks = peaks_of(tones, n_harmonics=n_harmonics, width=width, n_bins=spectra.shape[-1])
        coefficients = harmonic_coefficients(peaks, spectra, tikhonov=tikhonov)
        return cls(peaks, coefficients.view(*tones.on.shape, n_harmonics))

    @cached_property
    def tone_spectra(self) -> Tensor:
        """The spectrum of every tone, complex ``[k, i, f]``."""
        return _rendered(self.peaks, self.coefficients)

    def matched_spectra(self) -> Tensor:
        """Return the spectrum of every tone after ``matched_filter``, complex ``[k, i, f]``.

        The inner product of two peaks of width sigma at a distance d is
        sigma sqrt(pi) exp(-d^2 / (4 sigma^2)): a peak sqrt(2) times as wide.
        """
        heights = math.sqrt(math.pi) * self.peaks.widths[:, None, None]
        return _rendered(self.peaks.widened(math.sqrt(2)), heights * self.coefficients)


def peaks_of(tones: Tones, *, n_harmonics: int, width: float, n_bins: int) -> Peaks:
    """Return all peaks of a frame as if they were the harmonics of one tone, ``[k, i h]``.

    A tone that is off has its harmonics far outside the spectrum, where they are 0.
    """
    positions = harmonic_positions(tones.f0_bins, tones.inharmonicity, n_harmonics)
    positions = torch.where(tones.on[..., None] > 0, positions, FAR_BINS).flatten(1)
    widths = positions.new_full(positions.shape[:1], width)
    return Peaks.around(positions, widths, n_bins, between=(width, width))


def _rendered(peaks: Peaks, coefficients: Tensor) -> Tensor:
    """Return the spectrum of every tone ``[k, i, f]``, from the peaks of all of them."""
    _, n_tones, n_harmonics = coefficients.shape
    spectra = [
        peaks.part(slice(i * n_harmonics, (i + 1) * n_harmonics)).render(coefficients[:, i])
        for i in range(n_tones)
    ]
    return torch.stack(spectra, 1)


def refined_pitch(tones: Tones, matched: Tensor, fit: JointFit, lowest_bins: float) -> Tensor:
    """Return where each tone's harmonics are strongest with the other tones removed, ``[k, i]``.

    The matched filter is linear: the others are removed after it. A pitch that is refined again and
    again does not sink below the lowest that there is: the lower, the more its harmonics fit.

    Args:
        tones: each to be found within ``PITCH_REACH_BINS``.
        matched: the spectra after ``matched_filter``, complex, ``[k, f]``.
        fit: of these tones to these spectra.
        lowest_bins: the lowest pitch; a tone given lower gets no lower.
    """
    fitted = fit.matched_spectra()
    rest = matched - fitted.sum(1)  # what no tone explains
    columns = [
        strongest_pitch(
            magnitude(rest + fitted[:, i]),  # the mixture without the other tones
            tones.f0_bins[:, i],
            tones.inharmonicity[:, i],
            n_harmonics=fit.coefficients.shape[-1],
        )
        for i in range(fitted.shape[1])
    ]
    return torch.stack(columns, 1).maximum(tones.f0_bins.clamp_max(lowest_bins))


def strongest_pitch(
    strength: Tensor, f0_bins: Tensor, inharmonicity: Tensor, *, n_harmonics: int
) -> Tensor:
    """Return the pitch near a given one at which the harmonics add up to most, ``[k]``, in bins.

    Args:
        strength: of a harmonic at every bin, ``[k, f]``.
        f0_bins: given pitches, ``[k]``.
        inharmonicity: b, ``[k]``.
        n_harmonics: how many count.
    """
    pitches = pitches_near(f0_bins)  # k, o
    total = comb_strength(strength, pitches, inharmonicity, n_harmonics=n_harmonics)
    best: Tensor = pitches.gather(1, total.argmax(1, keepdim=True)).squeeze(1)
    return best


def pitches_near(f0_bins: Tensor) -> Tensor:
    """Return the pitches within ``PITCH_REACH_BINS`` of given ones ``[k]``, in bins, ``[k, o]``."""
    n_steps = round(PITCH_REACH_BINS / PITCH_STEP_BINS)
    offsets = PITCH_STEP_BINS * torch.arange(-n_steps, n_steps + 1, device=f0_bins.device)
    return (f0_bins[:, None] + offsets).clamp_min(1.0)


def comb_strength(
    strength: Tensor,
    pitches: Tensor,
    inharmonicity: Tensor,
    *,
    n_harmonics: int,
) -> Tensor:
    """Return the sum of the strengths of all harmonics at several pitches, ``[k, o]``.

    Between bins, the strength of a harmonic is that of the cubic through the four bins around it. A
    straight line would have its maximum at a bin, and pull the pitch of a tone with few harmonics
    there.

    Args:
        strength: of a harmonic at every bin, ``[k, f]``.
        pitches: f_1 in bins, ``[k, o]``.
        inharmonicity: b, ``[k]``.
        n_harmonics: how many count.
    """
    positions = harmonic_positions(pitches, inharmonicity[:, None].expand_as(pitches), n_harmonics)
    last = strength.shape[-1] - 1
    below = positions.clamp(1, last - 2).floor().long()  # k, o, h
    t = (positions - below).clamp(-1, 2)  # place between the bins at 0 and 1
    cubic = (  # Lagrange's polynomials of the bins at -1, 0, 1 and 2
        -t * (t - 1) * (t - 2) / 6,
        (t + 1) * (t - 1) * (t - 2) / 2,
        -(t + 1) * t * (t - 2) / 2,
        (t + 1) * t * (t - 1) / 6,
    )
    found = torch.zeros_like(positions)
    for offset, part in enumerate(cubic, -1):
        found += part * strength.gather(1, (below + offset).flatten(1)).view_as(positions)
    found = found.masked_fill(positions > last, 0.0)
    return found.sum(-1)


def matched_filter(spectra: Tensor, width: float) -> Tensor:
    """Return <g_f, Y> for a peak g_f of ``width`` bins around every bin f, complex ``[k, f]``."""
    reach = math.ceil(MATCHED_WIDTHS * width)
    offsets = torch.arange(-reach, reach + 1, device=spectra.device, dtype=spectra.real.dtype)
    peak = torch.exp(-0.5 * (offsets / width).square())
    # The peak is real: real and imaginary parts are convolved as signals of their own.
    parts = torch.view_as_real(spectra).movedim(-1, 1)  # k, 2, f
    rows = parts.reshape(-1, 1, parts.shape[-1])
    matched = functional.conv1d(rows, peak[None, None], padding=reach)
    return torch.complex(*matched.view_as(parts).unbind(1))
