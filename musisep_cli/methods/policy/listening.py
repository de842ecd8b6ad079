"""Listening: the frames of a recording explained by the network, block after block in order.

Axes: ``n`` frames, ``i`` instruments, ``c`` channels, ``f`` bins, ``h`` harmonics.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from musisep_cli.frames.framewise import Frames
from musisep_cli.frames.spectra import audible
from musisep_cli.methods.policy.rollout import Policy
from musisep_cli.methods.policy.trainer import explanation_objective
from musisep_cli.tones.tracks import Transcript


class Listener:
    """Explains frames as the paper does (Section 3.8): by the most probable tone after tone.

    Args:
        policy: the network.
        dictionary: D, ``[h, i]``.
        n_frames: number of frames of the whole recording.
        report: called after every block with the number of frames done.
    """

    def __init__(
        self, policy: Policy, dictionary: Tensor, n_frames: int, report: Callable[[int], None]
    ) -> None:
        self.policy, self.dictionary, self.report = policy, dictionary, report
        self.transcript = Frames(Transcript, n_frames)

    def explain(self, channels: Tensor) -> Tensor:
        """Return the stems' direct predictions ``[i, c, n, f]`` of the next frames ``[c, n, f]``.

        Tones and instruments are found on the mean of the channels. If there are several, every
        channel gets its own direct prediction with them, so that a stem keeps its place between
        the channels.
        """
        mean = channels.mean(0)
        explanation, actions = self.policy.predict(mean, self.dictionary)
        found = Transcript(
            tones=explanation.tones,
            amplitude=explanation.amplitude,
            objective=explanation_objective(explanation, self.policy).total,
            audible=audible(mean),
        )
        tones = [explanation.direct_tones]
        if len(channels) > 1:
            tones = [self.policy.replay(c, self.dictionary, actions).direct_tones for c in channels]
        self.transcript.add(found)  # last, for a block that fails is explained again in parts
        self.report(self.transcript.n_done)
        stems: Tensor = torch.stack(tones).permute(2, 0, 1, 3)  # i, c, n, f
        return stems * audible(channels)[..., None]
