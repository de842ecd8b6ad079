"""Results of seeds that nobody trained, for the tests of what is done with them."""

import numpy as np

from musisep_cli.methods.method import StepReport
from musisep_cli.run.result import SeedResult
from musisep_cli.tones.tracks import PitchTracks

RATE_HZ = 8_000


def tracks(n_instruments: int = 2) -> PitchTracks:
    """Two frames: in the first all instruments play, in the second nobody."""
    on = np.tile([True, False], (n_instruments, 1))
    return PitchTracks(
        times_s=np.array([0.0, 0.5]),
        f0_hz=np.where(on, 440.0, 0.0).astype(np.float32),
        amplitude=np.where(on, 0.25, 0.0).astype(np.float32),
        on=on,
    )


def result(
    *,
    seed: int = 0,
    objective: float = 0.5,
    level: float = 0.25,
    curve: tuple[StepReport, ...] = (),
    dictionary: bool = False,
) -> SeedResult:
    """Two stems of 16 samples: a constant level and its opposite."""
    stems = np.full((2, 16, 1), level, np.float32) * np.array([1, -1], np.float32)[:, None, None]
    return SeedResult(
        stems=stems,
        tracks=tracks(),
        objective=objective,
        dictionary=np.array([[1.0, 0.5], [0.25, 1.0]], np.float32) if dictionary else None,
        files={"learned.bin": b"learned"} if dictionary else {},
        seed=seed,
        curve=curve,
        wall_s=2.0,
    )
