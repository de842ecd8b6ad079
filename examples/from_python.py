"""Separate an excerpt of a recording from Python, print a table, write the stems.

For example: python examples/from_python.py examples/duet.flac 2 stems --start 2 --duration 3
"""

import argparse
from pathlib import Path

import numpy as np
import soundfile

from musisep_cli import Separation, separate
from musisep_cli.errors import MusisepError

SILENCE = 1e-6
"""Level that counts as none, relative to full scale: -120 dB."""


def excerpt_of(path: Path, *, start_s: float, duration_s: float) -> tuple[np.ndarray, int]:
    """Return samples ``[t, c]`` of a part of a sound file, and its sample rate in Hz."""
    with soundfile.SoundFile(path) as file:
        file.seek(min(round(start_s * file.samplerate), file.frames))
        n_samples = round(duration_s * file.samplerate)
        return file.read(n_samples, dtype="float32", always_2d=True), file.samplerate


def table(result: Separation) -> str:
    """Return a line per stem and one for the residual: root mean square and peak level."""
    names = [f"instrument-{number + 1}" for number in range(len(result.stems))]
    lines = [f"{'stem':<14} {'rms, dBFS':>10} {'peak, dBFS':>11}"]
    for name, samples in zip([*names, "residual"], [*result.stems, result.residual], strict=True):
        rms, peak = np.sqrt(np.mean(samples**2, dtype=np.float64)), np.abs(samples).max()
        rms_db, peak_db = 20 * np.log10(np.maximum([rms, peak], SILENCE))
        lines.append(f"{name:<14} {rms_db:>10.1f} {peak_db:>11.1f}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, and do what the file's docstring says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recording", type=Path)
    parser.add_argument("instruments", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--start", type=float, default=0.0, help="seconds")
    parser.add_argument("--duration", type=float, default=10.0, help="seconds")
    given = parser.parse_args(arguments)

    samples, sample_rate_hz = excerpt_of(
        given.recording, start_s=given.start, duration_s=given.duration
    )
    try:
        result = separate(samples, sample_rate_hz, given.instruments)
    except MusisepError as error:
        parser.exit(1, f"error: {error}\n")
    print(table(result))

    given.folder.mkdir(parents=True, exist_ok=True)
    for number, stem in enumerate(result.stems):
        path = given.folder / f"instrument-{number + 1}.wav"
        soundfile.write(path, stem, sample_rate_hz, subtype="FLOAT")
    soundfile.write(given.folder / "residual.wav", result.residual, sample_rate_hz, subtype="FLOAT")


if __name__ == "__main__":
    main()
