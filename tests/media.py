"""Sound files that soundfile cannot write, made with FFmpeg's encoders (PyAV)."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

FORMATS = {"alac": "s16p", "wavpack": "s16p", "flac": "s16", "tta": "s16", "pcm_s16le": "s16"}
"""What encoders of lossless formats are to take, where they would take 8 bits by themselves."""


def encode(
    path: Path,
    samples: NDArray[np.floating[Any]],
    sample_rate_hz: int,
    codec: str,
    *,
    options: dict[str, str] | None = None,
    bit_rate: int | None = None,
    picture: bool = False,
    n_tracks: int = 1,
) -> Path:
    """Write samples [t, c] of 16 bits; further tracks hold them the other way up."""
    layout = "stereo" if samples.shape[1] == 2 else "mono"
    with av.open(str(path), "w", container_options=options or {}) as container:
        pictures = _picture_stream(container) if picture else None
        tracks = []
        for _ in range(n_tracks):
            track = container.add_stream(codec, rate=sample_rate_hz, layout=layout)
            track.codec_context.format = FORMATS.get(codec, track.codec_context.format)
            if bit_rate:
                track.codec_context.bit_rate = bit_rate
            tracks.append(track)
        container.start_encoding()
        if pictures:
            container.mux(_black(pictures))
        for number, track in enumerate(tracks):
            integers = np.round(samples * (-1) ** number * 2**15).astype(np.int16)
            frame = _frame(integers, sample_rate_hz, layout)
            container.mux([*track.encode(frame), *track.encode(None)])
    return path


def _frame(integers: NDArray[np.int16], sample_rate_hz: int, layout: str) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(integers.reshape(1, -1), format="s16", layout=layout)
    frame.sample_rate = sample_rate_hz
    frame.pts = 0
    return frame


def _picture_stream(container: Any) -> Any:
    stream = container.add_stream("mpeg4", rate=25)
    stream.width = stream.height = 64
    stream.pix_fmt = "yuv420p"
    return stream


def _black(stream: Any) -> list[Any]:
    """One black picture."""
    black = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
    black.pts, black.time_base = 0, Fraction(1, 25)
    return [*stream.encode(black), *stream.encode(None)]


def picture_only(path: Path) -> Path:
    """Write a video without sound."""
    with av.open(str(path), "w") as container:
        stream = _picture_stream(container)
        container.start_encoding()
        container.mux(_black(stream))
    return path
