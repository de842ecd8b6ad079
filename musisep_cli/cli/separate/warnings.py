"""Warnings of `musisep separate`: what the user should know before time is spent, and after."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from musisep_cli.inspection.character import Character, judge
from musisep_cli.inspection.sound import describe
from musisep_cli.methods import registry
from musisep_cli.run.settings.compose import remembered
from musisep_cli.run.settings.config import largest
from musisep_cli.tones.tone_count import counts_by_stretch, lines_at_once

if TYPE_CHECKING:
    from musisep_cli.cli.separate.job import Job
    from musisep_cli.run.folder.differences import Manifest
    from musisep_cli.run.settings.config import Config
    from musisep_cli.sound.recording import Recording

FAINT = 1e-3
"""Share of the recording's energy below which the stem of who was asked for is doubted: -30 dB."""
COARSE = 1e-3
"""Largest error of the stems' sum, relative to the recording's peak, that needs no warning."""
MANY_MORE = 1.0
"""Number of tones at once, in the mean, beyond that of the instruments from which on to warn: tones
of bassoons, oboes and organs are taken for two."""
MANY_SKIPPED = 0.01
"""Share of training steps, 0 to 1, that may be skipped as not finite without a warning."""


def of_crowding(job: Job) -> list[str]:
    """Return a warning if seeds that train at once have more threads than there are cores.

    Threads in training wait actively for each other: then two seeds at once take longer than one
    after the other.
    """
    at_once, threads = min(job.jobs or 1, job.config.run.seeds), job.config.run.threads
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if (
        job.device.type != "cpu"
        or job.where  # elsewhere there are other cores
        or registry.get(job.config.run.method).n_steps(job.config.settings) == 0
        or 1 in (at_once, threads)
        or not cores
        or at_once * threads <= cores
    ):
        return []
    return [
        f"{at_once} seeds of {threads} threads each on {cores} cores: that is slower than "
        f"one after the other; use --threads {max(1, cores // at_once)}"
    ]


def of_recording(recording: Recording, config: Config) -> list[str]:
    """Return warnings about a recording and -n, before hours are spent on it."""
    character = judge(recording)
    if character is None:
        return describe(recording).warnings()
    of_character = character.warnings()
    if not of_character and not registry.get(config.run.method).has_chords(config.settings):
        of_character = _of_number(recording, character, config.run.instruments)
    return describe(recording).warnings() + of_character


def _of_number(recording: Recording, character: Character, n_instruments: int) -> list[str]:
    """Return a warning if a few lines sound, but another number of them than of instruments.

    An instrument that enters late or rests during a solo does not cause it.
    """
    counts = counts_by_stretch(recording.samples, recording.sample_rate_hz)
    n_lines = lines_at_once(counts, n_instruments)
    if n_lines < n_instruments:
        return [
            f"-n {n_instruments}, but hardly ever more than {n_lines} tone{'s' * (n_lines > 1)} at "
            f"once: this sounds like {n_lines} line{'s' * (n_lines > 1)}. Try -n {n_lines}, unless "
            "one is much softer or they take turns"
        ]
    if character.tones > n_instruments + MANY_MORE:
        return [
            f"-n {n_instruments}, but about {character.tones:.0f} tones at once: try -n "
            f"{min(round(character.tones), largest('instruments'))} or, if an instrument plays "
            "chords, --voices with the most tones of each at once, for example 1,4"
        ]
    return []


def of_result(manifest: Manifest) -> list[str]:
    """Return warnings about a result: too coarse a format of stems, many training steps skipped."""
    warnings = []
    if manifest["sum_error"] > COARSE:
        warnings.append(
            f"too quiet for {manifest['output']['subtype']}: the stems add up to it only roughly. "
            "Write --float32."
        )
    warnings += _of_likes(manifest)
    config = remembered(manifest["config"])
    n_steps = registry.get(config.run.method).n_steps(config.settings)
    for row in manifest["ranking"]:
        if row["n_skipped_steps"] > MANY_SKIPPED * n_steps:
            warnings.append(
                f"seed {row['seed']}: {row['n_skipped_steps']} of {n_steps} steps were not finite, "
                "and skipped"
            )
    return warnings


def _of_likes(manifest: Manifest) -> list[str]:
    """Return warnings about instruments that were asked for: not heard, or hardly."""
    shares = {stem["name"]: stem["energy_share"] for stem in manifest.get("stems", [])}
    found = []
    for each in manifest.get("likes", []):
        name, presence = each["name"], each["presence"]
        if not each["heard"]:
            found.append(
                f"{name}: not heard (presence {presence:.2f}), its stem is silent; nothing there "
                f"is like {each['like']}"
            )
        elif shares.get(name, 1.0) < FAINT:
            found.append(
                f"{name}: its stem is 30 dB below the recording or more; perhaps it is what others "
                "leave, and not the instrument itself"
            )
    return found
