"""Quality in stereo: ``python -m tests.benchmarks.stereo``.

The shared recordings are mono. Here their stems are placed between two channels, as a mixing desk
does it and with a reverberation, and separated with and without regard to places.
"""

from typing import TypeAlias

import numpy as np
import typer
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from musisep_cli import separate
from musisep_cli.methods.method import Settings
from tests.benchmarks.crossed import mixed
from tests.benchmarks.quality import CASES, mean_scores, references

Images: TypeAlias = NDArray[np.float64]

PLACEMENTS = {"near": (1 / 3, None), "far": (2 / 3, None), "far, in a hall": (2 / 3, -10.0)}
"""How far from the middle the outermost instruments are, 1 all the way; level of the reverberation
in dB, as much of it for all of them from everywhere."""
REVERBERATION_S, FIRST_REFLECTION_S = 1.0, 0.02
TWO_VIOLINS = (("gm-recorder-violin", "violin"), ("bach10-violin-bassoon", "violin"))
WITHOUT: Settings = {"decoding": {"places": False}, "resynthesis": {"places": False}}


def main(duration: float = 12.0, cases: str = ",".join((*CASES, "two violins"))) -> None:
    """Separate and score; one row per placement as soon as it is done."""
    print("| recording | placement | without places, SDR / SIR, dB | with |")
    print("| --- | --- | --- | --- |")
    for case in cases.split(","):
        if case == "two violins":
            recording, stems = mixed(TWO_VIOLINS, duration)
        else:
            recording, stems = references(case, duration)
        for name, (reach, reverberation_db) in PLACEMENTS.items():
            images = placed(stems, recording.sample_rate_hz, reach, reverberation_db)
            without, with_places = (
                scores(images, recording.sample_rate_hz, settings) for settings in (WITHOUT, {})
            )
            print(f"| {case} | {name} | {without} | {with_places} |", flush=True)


def placed(
    stems: NDArray[np.float64], rate_hz: int, reach: float, reverberation_db: float | None
) -> Images:
    """Stems ``[i, t]`` from left to right at constant power, in stereo ``[i, t, c]``."""
    generator = np.random.default_rng(0)
    angles = np.pi / 4 * (1 + np.linspace(-reach, reach, len(stems)))
    images = stems[..., None] * np.stack([np.cos(angles), np.sin(angles)], 1)[:, None]
    if reverberation_db is None:
        return images
    times_s = np.arange(round(REVERBERATION_S * rate_hz)) / rate_hz
    decay = 10 ** (-3 * times_s / REVERBERATION_S) * (times_s > FIRST_REFLECTION_S)
    responses = generator.standard_normal((len(stems), len(decay), 2)) * decay[:, None]
    responses *= 10 ** (reverberation_db / 20) / np.linalg.norm(responses, axis=1, keepdims=True)
    tails = fftconvolve(stems[..., None], responses, axes=1)
    return np.asarray(images + tails[:, : stems.shape[1]])


def scores(images: Images, rate_hz: int, settings: Settings) -> str:
    """SDR and SIR of a separation of their mixture, all channels as one signal."""
    mixture = images.sum(0).astype(np.float32)
    result = separate(
        mixture, rate_hz, len(images), preset="standard", settings=settings, device="cpu"
    )
    sdr_db, sir_db, _ = mean_scores(images, result.stems.astype(np.float64))
    return f"{sdr_db:.1f} / {sir_db:.1f}"


if __name__ == "__main__":
    typer.run(main)
