"""Warnings of `musisep separate`: what the user should know before time is spent, and after."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from musisep_cli.inspection.character import judge
from musisep_cli.inspection.sound import describe
from musisep_cli.run.settings.config import Config
from musisep_cli.run.settings.limits import MAX_WARM_INSTRUMENTS

if TYPE_CHECKING:
    from musisep_cli.cli.separate.run import Job
    from musisep_cli.run.folder.manifest import Manifest
    from musisep_cli.sound.recording import Recording

COARSE = 1e-3
"""A sum of stems that misses the recording by more, relative to its peak, is worth a warning."""
MANY_SKIPPED = 0.01
_SETTINGS = {
    "--batch-size": ("training", "batch_size"),
    "--sampling": ("policy", "sampling"),
    "--freeze-dictionary": ("dictionary", "frozen"),
    "--no-decode": ("search", "beam"),
}
"""Flags that not every preset heeds, and where they are among the settings."""


def of_settings(
    config: Config, given: Mapping[str, Mapping[str, Any]], *, preset_is_default: bool
) -> list[str]:
    """What is asked for in vain, and a preset that nobody asked for and that seldom does.

    Args:
        config: all settings.
        given: those that flags gave.
        preset_is_default: whether neither a flag nor a file named it.
    """
    ineffective = dict(_ineffective(config))
    warnings = [
        f"{flag} has no effect: preset {config.preset} {ineffective[flag]}"
        for flag, (section, key) in _SETTINGS.items()
        if flag in ineffective and key in given.get(section, {})
    ]
    n_seeds, n_iterations = config.run.seeds, config.training.iterations
    if n_seeds > 1 and n_iterations == 0:
        warnings.append(
            f"{n_seeds} seeds take {n_seeds} times the time for next to nothing: without training "
            "they differ only in the random starts of decoding, and agree to 0.1 dB"
        )
    if preset_is_default and config.preset == "quick":
        warnings.append(
            f"preset quick was chosen, as standard serves up to {MAX_WARM_INSTRUMENTS} "
            f"instruments: {n_iterations:,} iterations from scratch take hours to days, and real "
            "recordings rarely come apart"
        )
    return warnings


def _ineffective(config: Config) -> Iterator[tuple[str, str]]:
    """Flags that these settings do not heed, and why."""
    training = config.training
    untrained = "does not train on the recording (--iterations 100 does)"
    if training.iterations == 0:
        yield "--batch-size", untrained
    if training.by == "decoded tones":
        yield "--sampling", "does not learn by exploring (quick and paper do)"
        yield "--freeze-dictionary", "keeps the decoded dictionary (quick and paper learn theirs)"
    elif training.iterations == 0:
        yield "--sampling", untrained
        yield "--freeze-dictionary", untrained
    if not config.decoding.enabled:
        yield "--no-decode", "does not decode, it takes every frame by itself anyway"


def of_crowding(job: Job) -> list[str]:
    """In training more threads than cores wait actively: two seeds take longer than one."""
    at_once, threads = min(job.jobs, job.config.run.seeds), job.config.run.threads
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if (
        job.device.type != "cpu"
        or job.config.training.iterations == 0
        or 1 in (at_once, threads)
        or not cores
        or at_once * threads <= cores
    ):
        return []
    return [
        f"{at_once} seeds of {threads} threads each on {cores} cores: that is slower than "
        f"one after the other; use --threads {max(1, cores // at_once)}"
    ]


def of_recording(recording: Recording) -> list[str]:
    """What the user should know of a recording before hours are spent on it."""
    character = judge(recording)
    return describe(recording).warnings() + (character.warnings() if character else [])


def of_result(manifest: Manifest) -> list[str]:
    """Stems in a format that is too coarse for them, and trainings that often failed."""
    warnings = []
    if manifest["sum_error"] > COARSE:
        warnings.append(
            f"too quiet for {manifest['output']['subtype']}: the stems add up to it only roughly. "
            "Write --float32."
        )
    n_steps = manifest["config"]["training"]["iterations"]
    for row in manifest["ranking"]:
        if row["n_skipped_steps"] > MANY_SKIPPED * n_steps:
            warnings.append(
                f"seed {row['seed']}: {row['n_skipped_steps']} of {n_steps} steps were not finite, "
                "and skipped"
            )
    return warnings
