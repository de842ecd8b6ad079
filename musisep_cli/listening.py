"""Listening: the frames of a recording shown to the network, block after block in order.

Axes: ``n`` frames, ``i`` instruments, ``c`` channels, ``f`` bins, ``h`` harmonics.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from musisep_cli.policy.hypotheses import Hypotheses
from musisep_cli.policy.rollout import Policy
from musisep_cli.policy.search import SearchConfig, search
from musisep_cli.threads import CALLERS_OWN, Threads
from musisep_cli.training.trainer import explanation_objective
from musisep_cli.transcript import Frames, Transcript, audible

FRAMES_AT_ONCE = 8
"""Frames searched in one go. The network's activations then fit into the processor's cache; blocks
of 64 frames took twice the processor time, half of it the system's, for fresh memory."""


class Listener:
    """Explains frames as the paper does (Section 3.8): by the most probable tone after tone.

    Args:
        policy: the network.
        dictionary: D, ``[h, i]``.
        n_frames: of the whole recording.
        report: called after every block.
    """

    def __init__(
        self, policy: Policy, dictionary: Tensor, n_frames: int, report: Callable[[int], None]
    ) -> None:
        self.policy, self.dictionary, self.report = policy, dictionary, report
        self.transcript = Frames(Transcript, n_frames)

    def explain(self, channels: Tensor) -> Tensor:
        """Direct spectra ``[i, c, n, f]`` of every channel ``[c, n, f]``.

        Pitches and instruments are found on their mean. Every channel of several gets its own
        direct prediction with them, so a stem keeps its place between the channels.
        """
        mean = channels.mean(0)
        explanation, actions = self.policy.predict(mean, self.dictionary)
        found = Transcript(
            f0_bins=explanation.f0_bins,
            inharmonicity=explanation.inharmonicity,
            amplitude=explanation.amplitude,
            on=explanation.on,
            objective=explanation_objective(explanation, self.policy).total,
            audible=audible(mean),
        )
        tones = [explanation.direct_tones]
        if len(channels) > 1:
            tones = [self.policy.replay(c, self.dictionary, actions).direct_tones for c in channels]
        self.transcript.add(found)  # nothing after it may fail
        self.report(self.transcript.n_done)
        stems: Tensor = torch.stack(tones).permute(2, 0, 1, 3)  # i, c, n, f
        return stems * audible(channels)[..., None]


class Searcher:
    """Looks for the most probable sets of tones of every frame.

    Args:
        policy: the network.
        n_harmonics: of a tone.
        config: how many sets.
        keep: takes what is found in the next frames.
        threads: search the frames.
    """

    def __init__(
        self,
        policy: Policy,
        n_harmonics: int,
        config: SearchConfig,
        keep: Callable[[Hypotheses], None],
        threads: Threads = CALLERS_OWN,
    ) -> None:
        self.policy, self.n_harmonics, self.config = policy, n_harmonics, config
        self.keep, self.threads = keep, threads

    def listen(self, channels: Tensor) -> None:
        """Search the next frames ``[n, c, f]``; in silence there are no tones."""
        blocks = channels.split(FRAMES_AT_ONCE)
        with self.policy.unet.unchanged():
            found = self.threads.map(self._search, blocks)
        heard = [
            sets.heard(audible(block.mean(1))) for sets, block in zip(found, blocks, strict=True)
        ]
        for hypotheses in heard:  # from here on the frames must not be searched again
            self.keep(hypotheses)

    def _search(self, block: Tensor) -> Hypotheses:
        return search(self.policy, block, self.n_harmonics, self.config)
