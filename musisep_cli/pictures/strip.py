"""Strip: a spectrogram without axes, as a mask that a page fills with a colour of its own.

The picture holds levels only, as opacity: a page in the dark and one in the light show the same
file, each stem in its colour.

Axes: ``t`` samples; ``y`` rows and ``x`` columns of the picture.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from musisep_cli.pictures.spectrogram import HIGHEST_HZ, LOWEST_HZ, log_rows, loudest
from musisep_cli.sound.blockwise import Blockwise
from musisep_cli.sound.level import decibels_of

RANGE_DB = 60.0
"""Range of levels in dB from opaque to transparent: less than in a picture of its own, since in a
strip of a few dozen rows faint noise would hide the lines."""
WIDTH_PX, HEIGHT_PX = 1600, 96
"""Size of a strip in pixels: enough for a wide screen, and some ten kilobytes."""
_STEPS = 32
"""Number of steps of opacity: the eye sees no more in it, and the file is half as large."""


def strip_png(
    samples: Blockwise,
    sample_rate_hz: int,
    *,
    peak_db: float | None = None,
    low_hz: float = LOWEST_HZ,
    high_hz: float = HIGHEST_HZ,
    height_px: int = HEIGHT_PX,
) -> bytes:
    """Return the spectrogram of a signal as the bytes of a PNG whose opacity is the level.

    Args:
        samples: the signal ``[t, c]``, finite.
        sample_rate_hz: samples per second.
        peak_db: level in dBFS that is opaque; the signal's own peak if None.
        low_hz: frequency of the lower edge, in Hz.
        high_hz: frequency of the upper edge, in Hz; at most half the sample rate is drawn.
        height_px: height of the picture.
    """
    rows = log_rows(low_hz, min(high_hz, sample_rate_hz / 2), height_px, sample_rate_hz)
    level_db = decibels_of(loudest(samples, sample_rate_hz, rows, n_columns=WIDTH_PX))
    top_db = float(level_db.max()) if peak_db is None else peak_db
    opacity = np.clip(1 + (level_db - top_db) / RANGE_DB, 0.0, 1.0)
    steps = np.rint(opacity[::-1] * (_STEPS - 1)).astype(np.uint8)
    return _png(steps)


def peak_level_db(samples: Blockwise, sample_rate_hz: int) -> float:
    """Return the level in dBFS of the loudest point of a signal's strip.

    >>> round(peak_level_db(0.5 * np.sin(np.arange(8000)[:, None] / 8 * 2 * np.pi), 8000))
    -6
    """
    rows = log_rows(LOWEST_HZ, min(HIGHEST_HZ, sample_rate_hz / 2), HEIGHT_PX, sample_rate_hz)
    return float(decibels_of(loudest(samples, sample_rate_hz, rows)).max())


def _png(steps: NDArray[np.uint8]) -> bytes:
    """Return steps of opacity ``[y, x]`` as a PNG: black everywhere, more or less opaque."""
    from PIL import Image

    picture = Image.fromarray(steps, mode="L").convert("P")
    picture.putdata(steps.ravel().tolist())
    picture.putpalette([0] * (3 * _STEPS))
    opacities = bytes(round(255 * step / (_STEPS - 1)) for step in range(_STEPS))
    with io.BytesIO() as stream:
        picture.save(stream, "PNG", transparency=opacities, optimize=True)
        return stream.getvalue()
