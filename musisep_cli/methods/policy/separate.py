"""Separation by the policy itself: trained on the recording, then asked frame by frame (Sec. 3.8).

Axes: ``c`` channels, ``n`` frames, ``i`` instruments, ``h`` harmonics, ``f`` bins.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.frames.spectra import Spectra
from musisep_cli.machine.portions import Portions
from musisep_cli.machine.threads import threads_of_operations
from musisep_cli.methods.method import Result, Work
from musisep_cli.methods.played_notes import mean_objective
from musisep_cli.methods.policy import warmstart
from musisep_cli.methods.policy.listening import Listener
from musisep_cli.methods.policy.rollout import Policy
from musisep_cli.methods.policy.settings import NetworkSettings, PolicySettings
from musisep_cli.methods.policy.trainer import Trainer
from musisep_cli.sound.recording import Recording
from musisep_cli.stems.waveforms import shelved
from musisep_cli.tones.dictionary import DictionaryConfig, load, start_dictionary
from musisep_cli.tones.tracks import Transcript, pitch_tracks


def separate(
    recording: Recording, n_instruments: int, settings: PolicySettings, work: Work
) -> Result:
    """Train on a recording, then take the most probable tones of every frame.

    Raises:
        KeyboardInterrupt: the work was stopped.
        CheckpointError: the state does not fit.
        OutputError: the disk is full.
    """
    with threads_of_operations(work.n_threads):
        frame = GaborFrame(settings.frame, recording.sample_rate_hz, device=work.device)
        spectra = Spectra(recording, frame)
        policy = started_policy(settings, n_instruments, frame, work.device, work.precision)
        trainer = _trainer(settings, n_instruments, policy, spectra)
        state = work.take_up()
        if state:
            with work.fitting():
                trainer.load_state_dict(state)
        work.keep = trainer.state_dict
        for report in trainer.run():
            work.stepped("training", report, trainer.config.iterations)
        return _resynthesised(trainer, spectra, work)


def _trainer(
    settings: PolicySettings, n_instruments: int, policy: Policy, spectra: Spectra
) -> Trainer:
    """Return the trainer that runs Algorithm 1."""
    return Trainer(
        settings.training,
        estimator=settings.estimator,
        policy=policy,
        dictionary=first_dictionary(settings.dictionary, n_instruments),
        dictionary_frozen=settings.dictionary.frozen,
        frame=spectra.frame,
        signal=spectra.mean,
        recorded=settings.training.cuda_graphs and spectra.mean.is_cuda,
    )


def _resynthesised(trainer: Trainer, spectra: Spectra, work: Work) -> Result:
    """Turn the most probable tones of all frames into stems (Section 3.8).

    The tones are in no checkpoint: a run that is resumed starts this stage anew.
    """
    n_frames, dictionary = len(spectra), trainer.dictionary.detach()
    offer = work.hold("resynthesis", 0, n_frames)
    portions = Portions()
    listener = Listener(
        trainer.policy,
        dictionary,
        n_frames,
        lambda n_done: work.tell("resynthesis", n_done, n_frames),
    )

    def explain(channels: Tensor) -> Tensor:
        """Return what every instrument plays in complex frames of all channels, by portions."""
        parts = portions.map(
            lambda part: listener.explain(part.transpose(0, 1)), channels.transpose(0, 1)
        )
        return torch.cat(parts, 2)

    stems = shelved(explain, spectra, trainer.policy.n_instruments, work.shelve, offer)
    transcript = listener.transcript.joined()
    return result_of(stems, transcript, spectra, dictionary, trainer.state_dict())


def result_of(
    stems: Any,
    transcript: Transcript,
    spectra: Spectra,
    dictionary: Tensor,
    state: dict[str, Any],
    players: NDArray[np.int64] | None = None,
) -> Result:
    """Return what a method with a network and a dictionary ``[h, i]`` ends in.

    The objective is the mean of Eq. 21 over all frames; the network's state is ``checkpoint.pt``.
    Voices whose ``players [v]`` have no column in the dictionary are left out.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    n_samples = spectra.samples.shape[-1]
    return Result(
        stems=stems,
        tracks=pitch_tracks(
            transcript, spectra.frame, n_samples, spectra.gain, players, dictionary.shape[1]
        ),
        objective=mean_objective(transcript),
        dictionary=dictionary.cpu().numpy(),
        files={"checkpoint.pt": buffer.getvalue()},
    )


def started_policy(
    settings: NetworkSettings,
    n_instruments: int,
    frame: GaborFrame,
    device: torch.device,
    precision: str,
) -> Policy:
    """Return the network for a recording, with random weights or those of the warm start."""
    policy = new_policy(settings, n_instruments, frame, precision).to(device)
    if settings.warmstart.weights:
        warmstart.load(policy, settings.warmstart)
    return policy


def new_policy(
    settings: NetworkSettings, n_instruments: int, frame: GaborFrame, precision: str = "float32"
) -> Policy:
    """Return the untrained network for a recording."""
    return Policy(
        settings.policy,
        network=settings.network,
        parameters=settings.parameters,
        objective=settings.objective,
        n_instruments=n_instruments,
        ideal_width_bins=frame.ideal_width_bins,
        in_bfloat16=precision == "bfloat16",
    )


def first_dictionary(config: DictionaryConfig, n_instruments: int) -> Tensor:
    """Return the dictionary of the configured file, or else the untrained one, ``[h, i]``.

    Raises:
        DictionaryError: the file does not fit.
    """
    if config.init_file:
        return load(
            Path(config.init_file), n_harmonics=config.n_harmonics, n_instruments=n_instruments
        )
    return start_dictionary(config, n_instruments)
