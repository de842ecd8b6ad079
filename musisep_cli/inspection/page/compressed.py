"""Compressed sounds: MP3, which every browser plays, or Ogg Vorbis at rates that MP3 lacks.

All sounds of a page have one codec, so that none is late against another. At the same error an MP3
takes 1.1 to 1.2 times the size of Ogg Vorbis (``python -m tests.benchmarks.codecs``); but there are
browsers of the last years that play no Vorbis.

Axes: ``t`` samples, ``c`` channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from musisep_cli.errors import OutputError
from musisep_cli.sound.blockwise import Blockwise, blocks

MOST_CHANNELS = 2
"""Largest number of channels of a page's sound: MP3 has no more, and a listener has two ears."""
MP3_RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
"""Sample rates of MP3 in Hz (MPEG 1, 2 and 2.5)."""
HIGHEST_RATE_HZ = 200_000
"""Highest sample rate in Hz of libsndfile's Vorbis encoder; a higher one ends the process."""
USUAL_RATE_HZ = 48_000
"""Sample rate in Hz to which sounds of a higher rate are brought."""
_CHUNK_SAMPLES = 8192
"""Samples that are handed to the encoder at once: libsndfile's Vorbis encoder keeps a whole call
on the stack, and a call of seconds ends the process."""


@dataclass(frozen=True, kw_only=True)
class Codec:
    """A way to compress sounds.

    Attributes:
        suffix: end of the names of its files.
        mime: its name in a page.
        container: its name in libsndfile.
        subtype: the name of its samples in libsndfile.
        options: quality: about 90 kbit/s for a melodic line at 48 kHz, in one channel.
    """

    suffix: str
    mime: str
    container: str
    subtype: str
    options: dict[str, Any]


MP3 = Codec(
    suffix=".mp3",
    mime="audio/mpeg",
    container="MP3",
    subtype="MPEG_LAYER_III",
    options={"compression_level": 0.3, "bitrate_mode": "VARIABLE"},
)
VORBIS = Codec(
    suffix=".ogg",
    mime="audio/ogg",
    container="OGG",
    subtype="VORBIS",
    options={"compression_level": 0.5},
)


def codec_for(sample_rate_hz: int) -> Codec:
    """Return the codec for sounds of a sample rate.

    >>> codec_for(44_100).suffix, codec_for(96_000).suffix
    ('.mp3', '.ogg')
    """
    return MP3 if sample_rate_hz in MP3_RATES_HZ else VORBIS


def page_rate_hz(sample_rate_hz: int) -> int:
    """Return the sample rate in Hz of a page's sounds: the recording's, where a codec has it.

    >>> page_rate_hz(96_000), page_rate_hz(384_000)
    (96000, 48000)
    """
    return sample_rate_hz if sample_rate_hz <= HIGHEST_RATE_HZ else USUAL_RATE_HZ


def compress(path: Path, sound: Blockwise, sample_rate_hz: int, *, gain: float = 1.0) -> Codec:
    """Write a sound ``[t, c]`` compressed, of its length to the sample.

    Args:
        path: the file to write, which only this process knows of.
        sound: the samples; more than two channels become their mean.
        sample_rate_hz: samples per second.
        gain: factor of the samples.

    Returns:
        The codec.

    Raises:
        OutputError: the disk is full, or the encoder refuses.
    """
    rate_hz = page_rate_hz(sample_rate_hz)
    codec = codec_for(rate_hz)
    try:
        with soundfile.SoundFile(
            path,
            "w",
            samplerate=rate_hz,
            channels=_n_heard(sound),
            format=codec.container,
            subtype=codec.subtype,
            **codec.options,
        ) as file:
            for samples in _stretches(sound, sample_rate_hz, rate_hz):
                scaled = samples * np.float32(gain)
                for start in range(0, len(scaled), _CHUNK_SAMPLES):
                    file.write(scaled[start : start + _CHUNK_SAMPLES])
    except (OSError, soundfile.SoundFileError) as error:
        raise OutputError(
            f"{path.parent}: a sound of the listening page cannot be written ({error}). Make space,"
            " or separate with --no-page."
        ) from error
    return codec


def _stretches(sound: Blockwise, rate_hz: int, target_hz: int) -> Iterator[NDArray[np.float32]]:
    """Yield a sound block by block, ``[t, c]``, in at most two channels and at another rate."""
    import soxr

    n_samples = sound.shape[0]
    stream = soxr.ResampleStream(rate_hz, target_hz, _n_heard(sound), dtype="float32")
    for block in blocks(n_samples):
        samples = sound[block].astype(np.float32)
        if samples.shape[1] > MOST_CHANNELS:
            samples = samples.mean(axis=1, keepdims=True)
        if rate_hz != target_hz:
            samples = stream.resample_chunk(samples, last=block.stop == n_samples)
        yield samples


def _n_heard(sound: Blockwise) -> int:
    """Return the number of channels in which a page plays a sound."""
    n_channels = int(sound.shape[1])
    return n_channels if n_channels <= MOST_CHANNELS else 1
