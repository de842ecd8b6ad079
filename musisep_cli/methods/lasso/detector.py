"""Detector: the sets of tones that frames may hold, by the certificate alone.

Axes: ``n`` frames, ``s`` sets of a frame, ``i`` tones of a set or instruments, ``c`` channels,
``f`` bins, ``h`` harmonics.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from musisep_cli.frames.framewise import stretches
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.frames.spectra import audible
from musisep_cli.machine.threads import CALLERS_OWN, Threads
from musisep_cli.methods.lasso.regularisation import detect
from musisep_cli.methods.lasso.sets import sets_of_tones
from musisep_cli.methods.lasso.settings import LassoSettings
from musisep_cli.players.hypotheses import Hypotheses, SetFit
from musisep_cli.players.octaves import with_octaves
from musisep_cli.tones.certificate import pitch_grid
from musisep_cli.tones.joint_fit import LOWEST_WIDTHS
from musisep_cli.tones.tones import Tones

FRAMES_AT_ONCE = 512
"""Frames listened to in one go, whole multiples of any number of hops: the solver's matrices are
small, and so many of them at once are worth the calls."""
SOLVED_AT_ONCE, FITTED_AT_ONCE = 128, 16
"""Frames that one thread solves, and fits sets of tones to, at a time. Fixed, so that no bit
depends on the number of threads; what is fitted stays in the processor's cache."""


class Detector:
    """Finds the sets of tones that frames may hold.

    Args:
        frame: the representation.
        n_instruments: most tones of a set.
        dictionary: D; of the instruments, or one column for all, ``[h, i]``.
        settings: all sections.
    """

    def __init__(
        self, frame: GaborFrame, n_instruments: int, dictionary: Tensor, settings: LassoSettings
    ) -> None:
        self.n_instruments, self.settings = n_instruments, settings
        self.lowest_bins = LOWEST_WIDTHS * frame.ideal_width_bins
        self.grid = pitch_grid(dictionary, frame, settings.certificate, settings.objective)
        self.fit = SetFit(
            n_harmonics=settings.dictionary.n_harmonics,
            width_bins=frame.ideal_width_bins,
            objective=settings.objective,
            refined_pitch=settings.lasso.refined_pitch,
        )

    def hear(
        self, channels: Tensor, hops: int = 1, threads: Threads = CALLERS_OWN
    ) -> list[Hypotheses]:
        """Return the hypotheses of frames, block after block; in silence there are no tones.

        Args:
            channels: complex ``[n, c, f]``.
            hops: tones are looked for in every so many frames.
            threads: solve and fit the frames.
        """
        spectra = channels.mean(1)
        looked_at = list(spectra[::hops].split(SOLVED_AT_ONCE))
        found = threads.map(self.sets, looked_at)
        each = partial(Tensor.repeat_interleave, repeats=hops, dim=0)
        log_prob, on, f0_bins, inharmonicity = (
            each(torch.cat(columns))[: len(channels)]
            for columns in zip(
                *((log_prob, *vars(t).values()) for log_prob, t in found), strict=True
            )
        )
        tones = Tones(on, f0_bins, inharmonicity)

        def fitted(block: slice) -> Hypotheses:
            hypotheses = self.fit(log_prob[block], tones[block], channels[block])
            return hypotheses.heard(audible(spectra[block]))

        return threads.map(fitted, list(stretches(len(channels), FITTED_AT_ONCE)))

    def sets(self, spectra: Tensor) -> tuple[Tensor, Tones]:
        """Return log-probabilities ``[n, s]`` and tones ``[n, s, i]`` of frames ``[n, f]``."""
        config = self.settings.lasso
        detected = detect(
            spectra,
            self.grid,
            self.n_instruments,
            path=self.settings.path,
            solver=self.settings.frank_wolfe,
        )
        log_prob, tones = sets_of_tones(detected, self.grid, self.n_instruments, config.sets)
        if config.octave_nats == 0:
            return log_prob, tones
        return with_octaves(log_prob, tones, config.octave_nats, self.lowest_bins)
