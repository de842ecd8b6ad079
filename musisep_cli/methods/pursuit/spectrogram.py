"""Spectrogram: a recording's frames on the log-frequency axis, redrawn from their lines.

An STFT that is merely read at other frequencies has lines as wide in Hz as before, which are far
too wide in octaves at low frequencies. Instead every line that was found on the linear axis is
drawn again at s = K ln(f / 20 Hz), its height and its width in bins unchanged: a tone is then the
same picture at every pitch, shifted.

Axes: ``n`` frames, ``f`` bins, ``j`` lines.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.frames.spectra import SILENT_PEAK
from musisep_cli.machine.compiled import compiled
from musisep_cli.methods.pursuit.configs import LineConfig
from musisep_cli.methods.pursuit.lines import pursue_lines
from musisep_cli.methods.pursuit.log_axis import (
    BINS_PER_NAT,
    LINE_POINTS,
    LOWEST_HZ,
    N_BINS,
    add_line,
)


@compiled
def redraw(lines: NDArray[np.float64], bin_hz: float) -> NDArray[np.float64]:
    """Return lines ``[j, 3]`` of the linear axis on the log axis, ``[f]``; f <= 0 vanishes."""
    spectrum = np.zeros(N_BINS)
    values = np.empty(LINE_POINTS)
    for j in range(len(lines)):
        if lines[j, 1] > 0:
            place = BINS_PER_NAT * math.log(lines[j, 1] * bin_hz / LOWEST_HZ)
            add_line(spectrum, values, lines[j, 0], place, lines[j, 2])
    return spectrum


@compiled
def _redrawn(
    magnitudes: NDArray[np.float32],
    bin_hz: float,
    n_rounds: int,
    n_sweeps: int,
    floor: float,
    most: int,
) -> NDArray[np.float32]:
    """Return spectra ``[n, f]`` on the log axis."""
    redrawn = np.zeros((len(magnitudes), N_BINS), np.float32)
    for n in range(len(magnitudes)):
        spectrum = magnitudes[n].astype(np.float64)
        if spectrum.max() > SILENT_PEAK:
            lines = pursue_lines(spectrum, n_rounds, n_sweeps, floor, most)
            redrawn[n] = redraw(lines, bin_hz)
    return redrawn


def log_spectra(spectra: Tensor, frame: GaborFrame, config: LineConfig) -> Tensor:
    """Return spectra on the log axis, float32 ``[n, 1024]``; 0 where a frame is silent.

    Args:
        spectra: complex, ``[n, f]``.
        frame: whose spectra they are.
        config: how they are taken apart into lines.
    """
    magnitudes = spectra.abs().to("cpu", torch.float32).contiguous().numpy()
    redrawn = _redrawn(
        magnitudes, frame.bin_hz, config.n_rounds, config.n_sweeps, config.floor, config.most
    )
    return torch.from_numpy(redrawn)
