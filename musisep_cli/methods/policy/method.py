"""The policy method as the house sees it: the paper's own system."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch

from musisep_cli.machine.device import Precision
from musisep_cli.methods.learned_dictionary import shown_dictionary
from musisep_cli.methods.method import AsSettings, Method, Result, Shown, Trial, Work, setting
from musisep_cli.methods.policy.limits import (
    MAX_INSTRUMENTS,
    check,
    most_instruments,
    network_precision,
)
from musisep_cli.methods.policy.separate import first_dictionary, separate
from musisep_cli.methods.policy.settings import NetworkSettings, PolicySettings
from musisep_cli.methods.policy.trainer import TERMS
from musisep_cli.methods.registry import presets_of
from musisep_cli.sound.recording import Recording

TRIAL_STEPS = 4
"""Number of training steps of a trial; the first is not timed, as it allocates and compiles."""
TRIAL_FRAMES = 256
"""Number of frames of a trial: some blocks of frames that are explained at once."""
NETWORK_FLAGS: Mapping[str, AsSettings] = {
    "--iterations": setting("training", "iterations"),
    "--batch-size": setting("training", "batch_size"),
    "--harmonics": setting("dictionary", "n_harmonics"),
    "--init-dictionary": setting("dictionary", "init_file"),
}
"""Flags of ``musisep separate`` for methods that train a network and start from a dictionary."""


class NetworkMethod(Method):
    """What methods with the policy's network have in common."""

    terms = TERMS

    def completed(self, settings: Any, n_instruments: int, *, on_gpu: bool) -> Any:
        """Return the settings with more training for three and more instruments (Section 3.5)."""
        if n_instruments < 3:
            return settings
        iterations = settings.training.iterations_from_three
        return replace(settings, training=replace(settings.training, iterations=iterations))

    def check_files(self, settings: NetworkSettings, n_instruments: int) -> None:
        """Read the dictionary that is to be started from."""
        first_dictionary(settings.dictionary, n_instruments)

    def precision(
        self, settings: NetworkSettings, asked: Precision, device: torch.device
    ) -> Literal["float32", "bfloat16"]:
        """Return the number format of the network's convolutions."""
        return network_precision(settings.network, asked, device)

    def n_steps(self, settings: Any) -> int:
        """Return the number of training steps."""
        return int(settings.training.iterations)

    def training(self, settings: Any, n_done: int | None = None) -> str:
        """Return in words how many steps are trained, or were."""
        training = settings.training
        if not training.iterations:
            return "no training"
        if n_done is None:
            return f"{training.iterations} iterations of {training.batch_size} frames"
        of_all = f" of {training.iterations}" if n_done < training.iterations else ""
        return f"{n_done}{of_all} steps of {training.batch_size} frames"

    def start(self, settings: NetworkSettings) -> str:
        """Return in words where the network's first weights come from."""
        return (
            "from the weights that come with it" if settings.warmstart.weights else "from scratch"
        )

    def shown(self, folder: Path, names: Sequence[str]) -> Shown:
        """Return the dictionary, as a table and as a picture."""
        return shown_dictionary(folder / "dictionary.json", names)


class PolicyMethod(NetworkMethod):
    """Train the network by policy gradients, then let it find the tones of every frame."""

    name = "policy"
    settings = PolicySettings
    presets = presets_of("policy")
    stages: ClassVar[Mapping[str, str]] = {
        "training": "training step",
        "resynthesis": "resynthesis of frame",
    }
    flags: ClassVar[Mapping[str, AsSettings]] = {
        **NETWORK_FLAGS,
        "--sampling": setting("policy", "sampling"),
        "--freeze-dictionary": setting("dictionary", "frozen"),
    }
    most_instruments = MAX_INSTRUMENTS

    def separate(
        self, recording: Recording, n_instruments: int, settings: PolicySettings, work: Work
    ) -> Result:
        """Train on the recording, then take the most probable tones of every frame."""
        return separate(recording, n_instruments, settings, work)

    def check(self, settings: PolicySettings, n_instruments: int) -> None:
        """Refuse settings that do not go together."""
        check(settings, n_instruments)

    def most(self, settings: PolicySettings) -> int:
        """Return the largest number of instruments: the more exponents, the fewer."""
        return most_instruments(len(settings.policy.exponents))

    def without_effect(self, settings: PolicySettings) -> Mapping[str, str]:
        """Return the flags that change nothing with these settings."""
        return dict(self._without_effect(settings))

    def _without_effect(self, settings: PolicySettings) -> Iterator[tuple[str, str]]:
        """Yield each flag that changes nothing, with the reason."""
        yield "--no-decode", "does not decode, it takes every frame by itself anyway"
        if settings.training.iterations == 0:
            for flag in ("--batch-size", "--sampling", "--freeze-dictionary"):
                yield flag, "does not train on the recording (--iterations does)"

    def trial(self, settings: PolicySettings, sample_rate_hz: int, n_threads: int) -> Trial:
        """Return a few training steps, and the prediction of some blocks of frames."""
        training = settings.training
        n_steps = min(TRIAL_STEPS, training.iterations)
        return Trial(
            settings=replace(settings, training=replace(training, iterations=n_steps)),
            hop_s=settings.frame.hop_zetas * settings.frame.zeta_s,
            n_frames=TRIAL_FRAMES,
            n_steps=training.iterations,
            may_stop=False,
        )


METHOD = PolicyMethod()
