"""Sets: which of the tones that are pursued in a frame sound together, as a decoding may choose.

lambda decides in every frame by itself how many tones there are, and often takes one for two. Here
more tones are pursued than there are instruments, with a milder lambda, and the sets of the tallest
of them are kept, as likely as their heights say:

    ln p(S) = -nats (1 - sum_{t in S} a_t / max_S' sum_{t in S'} a_t).                        (S1)

Ours: the authors take what lambda leaves.

Axes: ``n`` frames, ``s`` sets of a frame, ``i`` instruments and tones of a set, ``k`` pursued tones
of a frame, ``z`` all sets of few enough tones.
"""

from __future__ import annotations

import torch
from torch import Tensor

from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.methods.pursuit.configs import SetsConfig
from musisep_cli.methods.pursuit.log_axis import to_hz
from musisep_cli.methods.pursuit.tone import BEND, HEIGHT, PLACE
from musisep_cli.players.octaves import with_octaves
from musisep_cli.players.subsets import subsets, tones_of_sets
from musisep_cli.tones.joint_fit import LOWEST_WIDTHS
from musisep_cli.tones.tones import Tones

UNISON_BINS = 2.5
"""Places of tones on the log axis this close, 0.3 semitones, are one tone: which of two atoms plays
it is left to the decoding."""


def sets_of(
    pursued: Tensor, n_instruments: int, frame: GaborFrame, config: SetsConfig
) -> tuple[Tensor, Tones]:
    """Return the log-probability ``[n, s]`` and the tones ``[n, s, i]`` of the sets of frames.

    Args:
        pursued: (a, mu, sigma, b) of the tones, T of every atom, ``[n, atoms, T, 4]``.
        n_instruments: most tones of a set.
        frame: window, hop and bins of the frames.
        config: how many sets are kept.
    """
    tallest = _apart(pursued.flatten(1, 2))
    order = tallest[..., HEIGHT].argsort(dim=1, descending=True, stable=True)
    n_tones = min(tallest.shape[1], config.most_tones)
    kept = tallest.gather(1, order[:, :n_tones, None].expand(-1, -1, 4))  # n, k, 4
    heights = kept[..., HEIGHT]
    chosen = subsets(heights.shape[1], n_instruments).to(heights.device)  # z, k
    sums = heights @ chosen.to(heights.dtype).T  # n, z
    # A set with a tone that is none is another set once more.
    sums = sums.masked_fill(((heights == 0)[:, None] & chosen).any(-1), -1.0)
    best = sums.topk(min(config.sets, len(chosen)), 1)
    largest = best.values[:, :1].clamp_min(torch.finfo(sums.dtype).tiny)
    log_prob = -config.nats * (1 - best.values.clamp_min(0) / largest)  # Eq. (S1)
    log_prob = torch.where(best.values < 0, -2 * config.nats, log_prob)
    f0_bins = torch.from_numpy(to_hz(kept[..., PLACE].numpy())) / frame.bin_hz
    sounding = chosen[best.indices] & (best.values >= 0)[..., None]
    tones = tones_of_sets(sounding, f0_bins, kept[..., BEND], n_instruments)
    lowest = LOWEST_WIDTHS * frame.ideal_width_bins
    return with_octaves(log_prob.float(), tones, config.octave_nats, lowest)


def _apart(tones: Tensor) -> Tensor:
    """Return tones ``[n, k, 4]`` with height 0 where a taller one has the same pitch."""
    heights, places = tones[..., HEIGHT], tones[..., PLACE]
    near = (places[:, :, None] - places[:, None]).abs() < UNISON_BINS  # n, k, k'
    taller = heights[:, None] > heights[:, :, None]
    index = torch.arange(tones.shape[1], device=tones.device)
    first = (heights[:, None] == heights[:, :, None]) & (index[None] < index[:, None])
    covered = (near & (taller | first)).any(-1)
    found = tones.clone()
    found[..., HEIGHT] = heights.masked_fill(covered, 0.0)
    return found
