"""Mask: the tones of every frame, drawn on the linear axis, as a division of the mixture.

With z_eta the tones of instrument eta on the linear axis and Y the mixture's spectrum, a stem is

    X_eta = Y z_eta / (sum_i z_i + floor max z),                                          (P7)

mixture phase and all. Farther than 6 sigma from all lines every stem is 0.

Departs from the paper: its floor is 1e-40, so that all of Y is handed out however small z is; ours
fades where the tones are weaker than a part of the frame's loudest line.

Axes: ``n`` frames, ``i`` instruments, ``c`` channels, ``f`` bins.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.machine.compiled import compiled
from musisep_cli.methods.pursuit.configs import MaskConfig
from musisep_cli.methods.pursuit.log_axis import BINS_PER_NAT, LINE_POINTS, LOWEST_HZ, add_line
from musisep_cli.methods.pursuit.tone import BEND, HEIGHT, PLACE, WIDTH
from musisep_cli.tones.peaks import magnitude

_TINY = 1e-40
"""Keeps the quotient of (P7) finite where no tone is."""


@compiled
def linear_spectra(
    tones: NDArray[np.float64], columns: NDArray[np.float64], bin_hz: float, n_bins: int
) -> NDArray[np.float32]:
    """Return z, the tones of every instrument on the linear axis, ``[n, i, f]``.

    Args:
        tones: (a, mu, sigma, b), ``[n, i, T, 4]``.
        columns: D, transposed, ``[i, h]``.
        bin_hz: distance of two bins.
        n_bins: of the linear axis.
    """
    n_frames, n_instruments, n_tones, _ = tones.shape
    drawn = np.zeros((n_frames, n_instruments, n_bins), np.float32)
    values = np.empty(LINE_POINTS)
    spectrum = np.empty(n_bins)
    for n in range(n_frames):
        for i in range(n_instruments):
            spectrum[:] = 0.0
            for t in range(n_tones):
                tone = tones[n, i, t]
                f0_bins = LOWEST_HZ * math.exp(tone[PLACE] / BINS_PER_NAT) / bin_hz
                for h in range(1, columns.shape[1] + 1):
                    height = tone[HEIGHT] * columns[i, h - 1]
                    if height > 0:
                        middle = f0_bins * h * math.sqrt(1 + tone[BEND] * h * h)
                        add_line(spectrum, values, height, middle, tone[WIDTH])
            drawn[n, i] = spectrum
    return drawn


def stems_of(
    channels: Tensor,
    tones: NDArray[np.float64],
    columns: NDArray[np.float64],
    frame: GaborFrame,
    config: MaskConfig,
) -> Tensor:
    """Return the spectra of the stems in every channel, complex ``[i, c, n, f]``.

    Args:
        channels: the mixture's, complex ``[c, n, f]``. All share one mask.
        tones: of the mean of the channels, ``[n, i, T, 4]``.
        columns: D, transposed, ``[i, h]``.
        frame: whose spectra they are.
        config: how tones become stems.
    """
    drawn = torch.from_numpy(linear_spectra(tones, columns, frame.bin_hz, channels.shape[-1]))
    if config.enabled:
        loudest = drawn.amax((1, 2), keepdim=True)
        whole = drawn.double().sum(1, keepdim=True) + config.floor * loudest + _TINY
        gains = drawn / whole  # (P7)
    else:
        # The mean's magnitude becomes z; the channels keep their relation to it.
        gains = drawn / magnitude(channels.mean(0))[:, None].clamp_min(_TINY)
    gains = gains.to(channels.real)
    stems: Tensor = gains.transpose(0, 1)[:, None] * channels
    return stems
