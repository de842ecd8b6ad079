"""Line count: how many melodic lines a recording speaks for, asked of the network in some frames.

The network looks for ``MOST_LINES`` tones in frames from all over the recording, as it does when it
separates, and a line is counted if its tone is one of its own (``players.worth``) in a share of the
frames of some stretches.

Axes: ``n`` frames, ``i`` tones.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch

from musisep_cli.frames.framewise import Frames
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.frames.spectra import Spectra
from musisep_cli.machine.threads import threads_of_operations
from musisep_cli.methods.decoding.search import FRAMES_AT_ONCE, Searcher
from musisep_cli.methods.decoding.settings import DecodingSettings
from musisep_cli.methods.policy.separate import started_policy
from musisep_cli.players.hypotheses import Hypotheses
from musisep_cli.players.worth import Worth
from musisep_cli.sound.recording import Recording

MOST_LINES = 3
"""Most lines that are counted: a fourth tone is seldom worth much beside three."""
N_FRAMES = 96
"""Frames that are listened to, from all over the recording: a few seconds of work."""
LEAST_SHARES = (0.45, 0.45)
"""Least share of the frames of a stretch in which the second and the third tone is one of its own.
Between the 0.2 of solos with a second and the 0.6 of trios with their third tone."""


def n_lines(
    recording: Recording,
    settings: DecodingSettings,
    device: torch.device,
    precision: Literal["float32", "bfloat16"],
) -> int:
    """Return how many lines a recording speaks for, 1 to ``MOST_LINES``.

    Args:
        recording: with its channels turned, if they are to be (``sound.turn``).
        settings: all sections.
        device: where to compute.
        precision: number format of the network's convolutions.
    """
    worth = listened(recording, settings, device, precision)
    for k, least in enumerate(LEAST_SHARES, 2):
        if worth.share(k) < least:
            return k - 1
    return MOST_LINES


def listened(
    recording: Recording,
    settings: DecodingSettings,
    device: torch.device,
    precision: Literal["float32", "bfloat16"],
) -> Worth:
    """Return what up to ``MOST_LINES`` tones are worth in some frames; arguments of ``n_lines``."""
    frame = GaborFrame(settings.frame, recording.sample_rate_hz, device=device)
    spectra = Spectra(recording, frame)
    policy = started_policy(settings, MOST_LINES, frame, device, precision)
    chosen = np.linspace(0, len(spectra) - 1, min(N_FRAMES, len(spectra))).round().astype(int)
    found = Frames(Hypotheses, len(chosen))
    searcher = Searcher(policy, settings.dictionary.n_harmonics, settings.search, found.add)
    channels = spectra.of_channels
    with threads_of_operations(1):
        for block in np.split(chosen, range(FRAMES_AT_ONCE, len(chosen), FRAMES_AT_ONCE)):
            searcher.listen(torch.cat([channels[n : n + 1] for n in block.tolist()]))
    return Worth.of(found.joined(), settings.decoding)
