"""Overview: the log-frequency spectrogram at the resolution of a picture, in a small file.

Axes: ``n`` frames, ``x`` columns of the picture, ``f`` bins.
"""

from __future__ import annotations

import io
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from musisep_cli.errors import OutputError
from musisep_cli.methods.pursuit.log_axis import LOWEST_HZ, N_BINS
from musisep_cli.pictures import canvas

FILE = "log-spectrogram.npz"
"""Name of the file among the results of a seed."""
MOST_COLUMNS = 1000
"""Columns of the picture; of a longer recording each shows the loudest of several frames."""
RANGE_DB = 80.0
"""Levels that are shown, below the loudest."""
_TICKS_HZ = (20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)


class Overview:
    """Gathers the loudest of the frames that fall into each column.

    Args:
        n_frames: of the recording.
    """

    def __init__(self, n_frames: int) -> None:
        self.n_frames, self.n_done = n_frames, 0
        n_columns = min(max(n_frames, 1), MOST_COLUMNS)
        self.columns = np.zeros((n_columns, N_BINS), np.float32)

    def add(self, spectra: NDArray[np.float32]) -> None:
        """Take the next frames, ``[n, f]``."""
        frames = np.arange(self.n_done, self.n_done + len(spectra))
        np.maximum.at(self.columns, frames * len(self.columns) // self.n_frames, spectra)
        self.n_done += len(spectra)

    def content(self, gain: float, duration_s: float) -> bytes:
        """Return the file: levels in dB re full scale below the loudest, as whole numbers.

        Args:
            gain: what the recording was multiplied by for the analysis.
            duration_s: of the recording.
        """
        level_db = 20 * np.log10(np.maximum(2 * self.columns / gain, 1e-10))
        loudest_db = float(level_db.max())
        below_db = np.minimum(loudest_db - level_db, 255).round().astype(np.uint8)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, below_db=below_db, loudest_db=loudest_db, duration_s=duration_s)
        return buffer.getvalue()


def draw(source: Path, target: Path, title: str) -> None:
    """Write the picture of an overview's file as a PNG.

    Raises:
        OutputError: the file is missing or damaged, or the picture cannot be written.
    """
    try:
        with np.load(source) as content:
            below_db, loudest_db = content["below_db"], float(content["loudest_db"])
            duration_s = float(content["duration_s"])
    except (OSError, LookupError, ValueError, BadZipFile) as error:
        raise OutputError(
            f"{source}: cannot be read as a log-frequency spectrogram ({error}). Separate again "
            "with --overwrite."
        ) from error
    figure = canvas.new_figure()
    axes = figure.add_subplot()
    image = axes.imshow(
        loudest_db - below_db.T.astype(np.float32),
        cmap="magma",
        vmin=loudest_db - RANGE_DB,
        vmax=loudest_db,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        extent=(0.0, duration_s, 0.0, 10.0),  # octaves
    )
    canvas.label_time(axes, duration_s)
    axes.set_ylabel("frequency in Hz")
    ticks = [float(np.log2(hz / LOWEST_HZ)) for hz in _TICKS_HZ]
    axes.set_yticks(ticks, [canvas.label_hz(hz) for hz in _TICKS_HZ])
    axes.set_title(canvas.plain(f"{title}: log-frequency spectrogram, redrawn from its lines"))
    figure.colorbar(image, ax=axes, extend="min").set_label("level in dB re full scale")
    canvas.save(figure, target)
