"""Separation by sparse pursuit, from a recording to its stems.

Frames to the log-frequency spectrogram, a dictionary from random ones of them, the tones of all of
them under that dictionary, and a mask over the mixture.

Axes: ``c`` channels, ``n`` frames, ``i`` instruments, ``h`` harmonics, ``f`` bins, ``t`` samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musisep_cli.frames.framewise import BLOCK_FRAMES, Framewise, stretches
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.frames.spectra import Spectra
from musisep_cli.frames.spool import SpooledFrames
from musisep_cli.machine.threads import Threads, sharing_threads
from musisep_cli.methods.method import Result, State, StepReport, Work
from musisep_cli.methods.pursuit.choice import Choice
from musisep_cli.methods.pursuit.decoded import decoded
from musisep_cli.methods.pursuit.mask import stems_of
from musisep_cli.methods.pursuit.overview import FILE, Overview
from musisep_cli.methods.pursuit.settings import PursuitSettings
from musisep_cli.methods.pursuit.spectrogram import log_spectra
from musisep_cli.methods.pursuit.transcription import (
    FoundTones,
    LogFrames,
    found_tones,
    misfit,
    tracks_of,
)
from musisep_cli.players.given.by_likeness import Known
from musisep_cli.sound.blockwise import Stems
from musisep_cli.sound.recording import Recording
from musisep_cli.stems.waveforms import shelved
from musisep_cli.tones.dictionary import DictionaryConfig, load

CPU = torch.device("cpu")
"""Device on which tones are pursued: the loops are compiled for the processor."""
TERM = "misfit"
"""Name of the one term that a training step reports: mean of d(Y, y) / sum Y since the last report.
"""


def separate(
    recording: Recording, n_instruments: int, settings: PursuitSettings, work: Work, known: Known
) -> Result:
    """Separate a recording.

    Args:
        recording: what is separated.
        n_instruments: number of instruments in it.
        settings: all sections.
        work: what the run lends.
        known: where tones are decoded, of every instrument that is known from elsewhere, the
            identities that it may have.

    Raises:
        KeyboardInterrupt: the work was stopped.
        CheckpointError: the state does not fit.
        OutputError: the disk is full.
    """
    with sharing_threads(work.n_threads, CPU) as threads:
        frame = GaborFrame(settings.frame, recording.sample_rate_hz)
        spectra = Spectra(recording, frame)
        state = work.take_up()
        work.keep = lambda: state
        overview = Overview(len(spectra))
        frames = _converted(spectra, settings, work, threads, overview)
        columns = _dictionary(frames, n_instruments, settings, work, threads, state)
        learned: dict[str, Any] = {
            "dictionary": columns.T.astype(np.float32),
            "files": {FILE: overview.content(spectra.gain, recording.duration_s)},
        }
        if settings.pursuit.sound == "decoded":
            result = decoded(frames, columns, spectra, settings, work, threads, known)
            return replace(result, **learned)
        found = _pursued(frames, columns, settings, work, threads)
        stems = _resynthesised(found, spectra, columns, settings, work)
        return Result(
            stems=stems,
            tracks=tracks_of(found, frame, recording.n_samples, spectra.gain),
            objective=misfit(found),
            **learned,
        )


def given_atoms(config: DictionaryConfig, n_instruments: int) -> NDArray[np.float64] | None:
    """Return the atoms ``[i, h]`` of the configured file, None if there is none.

    Raises:
        DictionaryError: the file does not fit.
    """
    if not config.init_file:
        return None
    dictionary = load(
        Path(config.init_file), n_harmonics=config.n_harmonics, n_instruments=n_instruments
    )
    # A dictionary of another method may go a little beyond 1, the upper bound here.
    atoms: NDArray[np.float64] = dictionary.T.clamp(0, 1).double().numpy()
    return atoms


def _converted(
    spectra: Spectra, settings: PursuitSettings, work: Work, threads: Threads, overview: Overview
) -> SpooledFrames[LogFrames]:
    """Return the log-frequency spectrogram, in a file.

    It is in no checkpoint: a run that is resumed makes it anew, in a tenth of the whole time.
    """
    spool = work.files.enter_context(closing(work.scratch()))
    frames = SpooledFrames(LogFrames, spool, CPU)
    for part in stretches(len(spectra), BLOCK_FRAMES * threads.n):
        work.pause("conversion", part.start, len(spectra))
        blocks = [spectra.of_mean[block] for block in stretches(part, BLOCK_FRAMES)]
        drawn = threads.map(lambda block: log_spectra(block, spectra.frame, settings.lines), blocks)
        for block in drawn:
            frames.add(LogFrames(block))
            overview.add(block.numpy())
        work.tell("conversion", part.stop, len(spectra))
    return frames


def _dictionary(
    frames: Framewise[LogFrames],
    n_instruments: int,
    settings: PursuitSettings,
    work: Work,
    threads: Threads,
    state: State,
) -> NDArray[np.float64]:
    """Return the dictionary ``[i, h]``: learned from the frames, or the given one if frozen."""
    start = given_atoms(settings.dictionary, n_instruments)
    if start is not None and settings.dictionary.frozen:
        return start
    choice = Choice(frames, settings, n_instruments, work.seed, start, threads)
    if state:
        with work.fitting():
            choice.load_state_dict(state)
    work.keep = choice.state_dict
    n_steps = settings.training.iterations * settings.training.dictionaries
    for n_done, distance in choice.run():
        work.stepped("training", StepReport(n_done, {TERM: distance}, 0), n_steps)
    assert choice.best is not None  # noqa: S101 - at least one iteration is done
    return choice.best


def _pursued(
    frames: Framewise[LogFrames],
    columns: NDArray[np.float64],
    settings: PursuitSettings,
    work: Work,
    threads: Threads,
) -> SpooledFrames[FoundTones]:
    """Return the tones of all frames, in a file."""
    spool = work.files.enter_context(closing(work.frames("listening")))
    found = SpooledFrames(FoundTones, spool, CPU)
    while len(found) < len(frames):
        part = slice(len(found), min(len(found) + BLOCK_FRAMES * threads.n, len(frames)))
        blocks = [frames[block] for block in stretches(part, BLOCK_FRAMES)]
        for tones in threads.map(lambda b: found_tones(b, columns, settings.pursuit), blocks):
            found.add(tones)
        work.reached("listening", len(found), len(frames))
    return found


def _resynthesised(
    found: Framewise[FoundTones],
    spectra: Spectra,
    columns: NDArray[np.float64],
    settings: PursuitSettings,
    work: Work,
) -> Stems:
    """Turn the tones of all frames into stems, put where the run wants them (P7)."""
    offer = work.hold("listening", len(found), len(found))
    blocks: Iterator[slice] = stretches(len(found), BLOCK_FRAMES)

    def explain(channels: Tensor) -> Tensor:
        """Return what every instrument plays in the next block of complex frames."""
        block = next(blocks)
        tones = found[block].tones.numpy()
        work.tell("resynthesis", block.stop, len(found))
        return stems_of(channels, tones, columns, spectra.frame, settings.mask)

    return shelved(explain, spectra, len(columns), work.shelve, offer)
