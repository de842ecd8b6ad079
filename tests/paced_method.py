"""The small method at a pace that leaves time to interrupt it, and with a log of what it did.

Beside a recording, in `log/`, every unit of it notes each block and its process. Files there say
how it is to go: `pace` holds the seconds for a block, `die-SEED` the block in which that seed's
process kills itself, every time. Checkpoints are kept after every block.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import soundfile

from musisep_cli.methods import registry
from musisep_cli.methods.method import Preset, Result
from musisep_cli.run import checkpoint
from musisep_cli.sound.recording import Recording
from tests.signals import pure_tone
from tests.small_method import CrossoverMethod, CrossoverSettings

RATE_HZ = 16_000


@dataclass(frozen=True, kw_only=True)
class PacedSettings(CrossoverSettings):
    """Those of the small method; a class of its own, so that workers import this module."""


class PacedMethod(CrossoverMethod):
    """The small method, slowed down."""

    name = "paced"
    settings = PacedSettings
    presets: Mapping[str, Preset] = {"paced": Preset(method="paced", summary="slow crossover")}

    def separate(
        self, recording: Recording, n_instruments: int, settings: Any, work: Any
    ) -> Result:
        """Separate with a checkpoint after every block."""
        assert recording.path is not None
        with patch.object(checkpoint, "INTERVAL_S", 0.0):
            paced = _Paced(work, recording.path)
            return super().separate(recording, n_instruments, settings, paced)


class _Paced:
    """The work that the run lends, with a log."""

    def __init__(self, work: Any, recording: Path) -> None:
        vars(self).update(work=work, log=recording.parent / "log", track=recording.stem)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.work, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.work, name, value)

    def reached(self, stage: str, done: int, total: int) -> None:
        """Note a block, and take time for it."""
        seed = self.work.seed
        with (self.log / f"{self.track}-{seed}.txt").open("a") as log:
            log.write(f"{done} {os.getpid()}\n")
        deadly = self.log / f"die-{seed}"
        if deadly.exists() and done >= int(deadly.read_text()):
            os.kill(os.getpid(), signal.SIGKILL)
        pace = self.log / "pace"
        time.sleep(float(pace.read_text()) if pace.exists() else 0.0)
        self.work.reached(stage, done, total)


def write_songs(folder: Path, *names: str, block_s: float = 0.0) -> Path:
    """A folder with a short recording of each name, and a log."""
    (folder / "songs" / "log").mkdir(parents=True)
    (folder / "songs" / "log" / "pace").write_text(str(block_s))
    for number, name in enumerate(names):
        tones = [
            0.2 * pure_tone(f0_hz, duration_s=0.5, sample_rate_hz=RATE_HZ)
            for f0_hz in (4000.0 + 20 * number, 60.0)
        ]
        soundfile.write(folder / "songs" / f"{name}.wav", np.sum(tones, axis=0), RATE_HZ)
    return folder / "songs"


def blocks(songs: Path) -> dict[str, Counter[int]]:
    """How often each block of a unit was worked on, by the unit's name."""
    return {path.stem: Counter(block for block, _ in _lines(path)) for path in _logs(songs)}


def processes(songs: Path) -> dict[str, int]:
    """The process that last worked on each unit that was begun, by the unit's name."""
    return {path.stem: _lines(path)[-1][1] for path in _logs(songs)}


def _logs(songs: Path) -> list[Path]:
    return sorted((songs / "log").glob("*.txt"))


def _lines(path: Path) -> list[tuple[int, int]]:
    rows = [line.split() for line in path.read_text().splitlines()]
    return [(int(row[0]), int(row[1])) for row in rows if len(row) == 2]


registry.register(PacedMethod())
