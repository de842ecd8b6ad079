"""Soundfont: parts played by FluidSynth, a program of its own, with sampled instruments.

Reverberation and chorus are off: rooms are made when parts are mixed. FluidSynth does not filter
what it plays faster, so it plays at three times the network's rate and the result is resampled.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from musisep_cli.errors import ConfigError
from musisep_cli.methods.identity.frames import SAMPLE_RATE_HZ
from musisep_cli.methods.identity.training.midi_file import SLOT_S, MidiPart, midi_file
from musisep_cli.methods.identity.training.phrases import PIECE_S

FLUID = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
"""Sounds to train with: Debian's fluid-soundfont-gm, MIT licence."""
TIM = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")
"""Sounds to examine with only: Debian's timgm6mb-soundfont, GPL-2."""
PLAYED_RATE_HZ = 3 * SAMPLE_RATE_HZ
"""Rate that FluidSynth plays at, in Hz."""

_OPTIONS = (
    "-ni",
    "-q",
    "-R",
    "0",
    "-C",
    "0",
    "-g",
    "0.5",
    "-O",
    "float",
    "-T",
    "wav",
    "-r",
    str(PLAYED_RATE_HZ),
)


def play(parts: Sequence[MidiPart], font: Path = FLUID) -> NDArray[np.float32]:
    """Return the waveforms ``[i, t]`` of parts at 16 kHz, each as long as a piece.

    Raises:
        ConfigError: FluidSynth or the sounds are not installed, or it fails.
    """
    program = shutil.which("fluidsynth")
    if program is None or not font.exists():
        raise ConfigError(
            f"training music needs FluidSynth and {font}; install them with: "
            "apt-get install fluidsynth fluid-soundfont-gm timgm6mb-soundfont"
        )
    with tempfile.TemporaryDirectory() as folder:
        score, sound = Path(folder) / "score.mid", Path(folder) / "sound.wav"
        score.write_bytes(midi_file(parts))
        _run([program, *_OPTIONS, "-F", str(sound), str(font), str(score)])
        stereo, rate_hz = soundfile.read(sound, dtype="float32", always_2d=True)
    played = soxr.resample(stereo.mean(1), rate_hz, SAMPLE_RATE_HZ)
    return _slots(played, len(parts))


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigError(f"fluidsynth failed ({done.returncode}): {done.stderr.strip()[-300:]}")


def _slots(played: NDArray[np.float32], n_parts: int) -> NDArray[np.float32]:
    """Return the parts ``[i, t]`` that were played one after another in ``[t]``."""
    slot, length = round(SLOT_S * SAMPLE_RATE_HZ), round(PIECE_S * SAMPLE_RATE_HZ)
    whole = np.zeros(n_parts * slot, np.float32)
    whole[: min(len(played), len(whole))] = played[: len(whole)]
    return whole.reshape(n_parts, slot)[:, :length]
