"""Explained: how badly the tones of a frame explain it, with other tones in one of the voices.

All tones are fitted to the frame at once (``hypotheses.SetFit``), so that a tone gets no credit for
what another explains, and two in unison are told apart by upper harmonics that do not quite meet.

Axes: ``n`` frames, ``k`` voices, ``r`` questions, ``o`` tones that are tried in each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musisep_cli.frames.framewise import BLOCK_FRAMES, stretches
from musisep_cli.frames.leaves import leafwise
from musisep_cli.frames.spectra import Spectra
from musisep_cli.machine.threads import CALLERS_OWN, Threads
from musisep_cli.players.costs import TINY, usual_loudness
from musisep_cli.players.hypotheses import SetFit
from musisep_cli.players.path import go_on
from musisep_cli.sound.score.part import Values
from musisep_cli.tones.objective import ObjectiveConfig
from musisep_cli.tones.peaks import magnitude
from musisep_cli.tones.tones import Tones

FAINT = 0.01
"""Share of the usual level below which a frame has no say."""
FITTED_AT_ONCE = 512
"""Sets of tones that one thread fits at a time."""


@dataclass(frozen=True)
class Explained:
    """A recording whose frames are explained by tones that are known.

    Attributes:
        spectra: of the recording.
        fit: how tones are fitted to their frames; pitches are taken as they are.
        threads: fit the frames side by side.
        pause: called block after block; may raise to end the work.
    """

    spectra: Spectra
    fit: SetFit
    threads: Threads = CALLERS_OWN
    pause: Callable[[], None] = go_on

    @classmethod
    def of(
        cls,
        spectra: Spectra,
        n_harmonics: int,
        objective: ObjectiveConfig,
        threads: Threads = CALLERS_OWN,
        pause: Callable[[], None] = go_on,
    ) -> Explained:
        """Return a recording to be explained by tones with so many harmonics.

        Args:
            spectra: of the recording.
            n_harmonics: of every tone.
            objective: the lift under which frames and tones are compared.
            threads: fit the frames side by side.
            pause: called block after block; may raise to end the work.
        """
        fit = SetFit(
            n_harmonics=n_harmonics,
            width_bins=spectra.frame.ideal_width_bins,
            objective=objective,
            refined_pitch=False,
        )
        return cls(spectra, fit, threads, pause)

    @property
    def times_s(self) -> Values:
        """Return the centres of the frames in s, ``[n]``."""
        centres = self.spectra.centres.cpu().numpy().astype(np.float64)
        return centres / self.spectra.frame.sample_rate_hz

    @cached_property
    def says(self) -> Values:
        """How much say every frame has, as its loudest tone in blind decoding, ``[n]``.

        With the RMS value x of its spectrum relative to the usual one, min(1, sqrt(x)), and none
        where it is faint: in noise any tone explains a little.
        """
        spectra = self.spectra
        blocks = stretches(len(spectra), BLOCK_FRAMES)
        power = [magnitude(spectra.of_mean[block]).square().mean(1) for block in blocks]
        rms = torch.cat(power).sqrt().cpu().numpy().astype(np.float64)
        level = rms / max(usual_loudness(rms), TINY)
        return np.where(level < FAINT, 0.0, np.sqrt(level.clip(max=1.0)))

    def misfits(
        self,
        tones: Tones,
        voice: int,
        frames: NDArray[np.int64],
        on: NDArray[np.bool_],
        f0_bins: Values,
    ) -> Values:
        """Return the misfits of frames with other tones in one voice, ``[r, o]``.

        Args:
            tones: of all frames, ``[n, k]``.
            voice: the one that is asked about.
            frames: which frame each question is about, ``[r]``.
            on: whether its voice sounds there, ``[r, o]``.
            f0_bins: at which pitch, ``[r, o]``.
        """
        if not len(frames):
            return np.zeros(on.shape)
        at_once = max(1, FITTED_AT_ONCE // on.shape[1])

        def of_block(block: slice) -> Values:
            """Return the misfits of some of the questions."""
            asked, rows = np.unique(frames[block], return_inverse=True)
            centres = self.spectra.centres[torch.from_numpy(asked)]
            frame = self.spectra.frame
            heard = frame.analyse(self.spectra.mean, centres)[:, : frame.n_network_bins]
            each = partial(Tensor.repeat_interleave, repeats=on.shape[1], dim=1)
            tried = leafwise(lambda values: each(values[frames[block], None]), tones)
            tried.on[:, :, voice] = torch.from_numpy(on[block]).to(tried.on)
            tried.f0_bins[:, :, voice] = torch.from_numpy(f0_bins[block]).to(tried.f0_bins)
            unknown = heard.real.new_zeros(on[block].shape)
            found = self.fit(unknown, tried, heard[torch.from_numpy(rows)][:, None])
            misfit: Values = found.misfit.cpu().numpy()
            return misfit

        def blocks() -> Iterator[slice]:
            """Yield the questions that are asked at once."""
            for block in stretches(len(frames), at_once):
                self.pause()
                yield block

        return np.concatenate(list(self.threads.ahead(of_block, blocks())))
