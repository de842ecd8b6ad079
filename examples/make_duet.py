"""The example duet: an excerpt of a longer recording, whose stems add up to it sample for sample.

Run from the repository root, with the development recordings beside it:

    python examples/make_duet.py ../shared/data/gm-recorder-violin examples
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musisep_cli.sound import audio_file

INSTRUMENTS = ("recorder", "violin")

# From a phrase's first note to a phrase's last; both instruments play in 98 % of it.
START_S = 32.74
DURATION_S = 12.0
FADE_S = 0.01

FULL_SCALE = 2**15


def excerpt(path: Path) -> tuple[NDArray[np.float64], int]:
    """One stem's excerpt [t, c], faded at its ends and rounded to 16 bits, and its sample rate."""
    recording = audio_file.read(path, start_s=START_S, duration_s=DURATION_S)
    n_fade = round(FADE_S * recording.sample_rate_hz)
    rise = 0.5 - 0.5 * np.cos(np.pi * np.arange(n_fade) / n_fade)
    samples = recording.samples.astype(np.float64)
    samples[:n_fade] *= rise[:, None]
    samples[-n_fade:] *= rise[::-1, None]
    return np.rint(samples * FULL_SCALE) / FULL_SCALE, recording.sample_rate_hz


def main(source: Path, target: Path) -> None:
    """Write `duet.flac` and `duet-references/` into `target` from the stems in `source`."""
    references = target / "duet-references"
    references.mkdir(parents=True, exist_ok=True)
    mix: NDArray[np.float64] | float = 0.0
    for instrument in INSTRUMENTS:
        samples, sample_rate_hz = excerpt(source / f"{instrument}.flac")
        audio_file.write(
            references / f"{instrument}.flac", samples, sample_rate_hz, subtype="int16"
        )
        mix = mix + samples
    audio_file.write(target / "duet.flac", np.asarray(mix), sample_rate_hz, subtype="int16")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
