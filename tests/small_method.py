"""A small method of the tests' own: two stems by a low and a high pass.

One stage, one setting, no dictionary, no network. Importing it registers it, also in the worker
processes that read it from its settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from musisep_cli.methods import registry
from musisep_cli.methods.method import Method, Preset, Result, Trial, Work
from musisep_cli.sound.recording import Recording
from musisep_cli.tones.tracks import PitchTracks

N_BLOCKS = 20
HOP_S = 0.1


@dataclass(frozen=True, kw_only=True)
class CrossoverConfig:
    """Where the two stems part."""

    frequency_hz: float = field(default=500.0, metadata={"least": 100, "most": 2000})


@dataclass(frozen=True, kw_only=True)
class CrossoverSettings:
    """All sections."""

    crossover: CrossoverConfig = field(default_factory=CrossoverConfig)


class CrossoverMethod(Method):
    """What is above a frequency is one instrument, what is below another."""

    name = "crossover"
    settings = CrossoverSettings
    presets: Mapping[str, Preset] = {
        "crossover": Preset(method="crossover", summary="a low and a high pass")
    }
    stages: ClassVar[Mapping[str, str]] = {"filtering": "filtering block"}
    most_instruments = 2

    def separate(
        self, recording: Recording, n_instruments: int, settings: CrossoverSettings, work: Work
    ) -> Result:
        """Filter a recording; whatever was done before an interruption is not done again."""
        section = butter(
            1, settings.crossover.frequency_hz, fs=recording.sample_rate_hz, output="sos"
        )
        memory = np.zeros((len(section), 2, recording.n_channels))
        state = work.take_up()
        done, low = 0, np.zeros_like(recording.samples)
        if state:
            with work.fitting():
                done, memory, low = state["done"], state["memory"].numpy(), state["low"].numpy()
        bounds = np.linspace(0, recording.n_samples, N_BLOCKS + 1).round().astype(int)

        work.keep = lambda: {
            "done": done,
            "memory": torch.from_numpy(memory),
            "low": torch.from_numpy(low),
        }
        for number in range(done, N_BLOCKS):
            block = slice(bounds[number], bounds[number + 1])
            low[block], memory = sosfilt(section, recording.samples[block], axis=0, zi=memory)
            done = number + 1
            work.reached("filtering", done, N_BLOCKS)
        high = recording.samples - low
        shape = (2, recording.n_samples, recording.n_channels)
        stems = work.shelve(iter([np.stack([high, low]).astype(np.float32)]), shape)
        return Result(stems=stems, tracks=_no_tracks(recording), objective=1.0 / (1 + work.seed))

    def trial(self, settings: Any, sample_rate_hz: int, n_threads: int) -> Trial:
        """Filter two seconds."""
        return Trial(settings=settings, hop_s=HOP_S, n_frames=20, n_steps=0, may_stop=False)


def _no_tracks(recording: Recording) -> PitchTracks:
    """Pitch tracks of who finds no pitch: nothing plays."""
    times_s = np.arange(0, recording.duration_s, HOP_S)
    nothing: NDArray[np.float32] = np.zeros((2, len(times_s)), np.float32)
    return PitchTracks(times_s=times_s, f0_hz=nothing, amplitude=nothing, on=nothing > 0)


registry.register(CrossoverMethod())
