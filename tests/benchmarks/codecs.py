"""What the sounds of a listening page weigh: ``python -m tests.benchmarks.codecs``.

MP3 and Ogg Vorbis by libsndfile, at several levels of quality: size of a recording and its stems,
error of each, and the time to write them.
"""

import io
import time
from dataclasses import replace

import numpy as np
import soundfile
import typer

from musisep_cli.inspection.page import compressed
from musisep_cli.inspection.page.compressed import MP3, VORBIS
from tests.benchmarks.quality import references

LEVELS = ((MP3, (0.2, 0.3, 0.5)), (VORBIS, (0.3, 0.5, 0.6)))
CHUNK = 8192


def main(cases: str = "gm-recorder-violin,bach10-trio,piano-violin-16k") -> None:
    """A row per codec and level."""
    print(f"the page takes MP3 at {MP3.options}, Vorbis at {VORBIS.options}\n")
    print("| case | codec | level | kB per second and track | errors, dB | CPU s |")
    print("| --- | --- | --- | --- | --- | --- |")
    for case in cases.split(","):
        mix, stems = references(case, None)
        sounds = np.concatenate([mix.samples.T[:1], stems]).astype(np.float32)
        for codec, levels in LEVELS:
            for level in levels:
                tried = replace(codec, options={**codec.options, "compression_level": level})
                print(row(case, tried, level, sounds, mix.sample_rate_hz), flush=True)


def row(case: str, codec: compressed.Codec, level: float, sounds: np.ndarray, rate_hz: int) -> str:
    start, n_bytes, errors = time.process_time(), 0, []
    for sound in sounds:
        stream = io.BytesIO()
        with soundfile.SoundFile(
            stream, "w", rate_hz, 1, codec.subtype, format=codec.container, **codec.options
        ) as file:
            for first in range(0, len(sound), CHUNK):
                file.write(sound[first : first + CHUNK])
        n_bytes += stream.getbuffer().nbytes
        stream.seek(0)
        decoded, _ = soundfile.read(stream, dtype="float32")
        error = np.mean((decoded - sound) ** 2) / np.mean(sound**2)
        errors.append(f"{10 * np.log10(error):.0f}")
    rate = n_bytes / sounds.shape[1] * rate_hz / len(sounds) / 1000
    spent = f"{time.process_time() - start:.1f}"
    cells = (case, codec.container, str(level), f"{rate:.1f}", ", ".join(errors), spent)
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    typer.run(main)
