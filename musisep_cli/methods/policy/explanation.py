"""Explanation: the tones that have been found in a frame so far (paper, Section 3.2).

Axes: ``k`` rollouts, ``i`` instruments, ``f`` bins, ``h`` harmonics.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from musisep_cli.frames.leaves import leafwise
from musisep_cli.methods.policy.sampling import one_hot
from musisep_cli.tones.tones import Tones


@dataclass(frozen=True)
class Tone:
    """One tone of every rollout: what was chosen, its valid values and its two spectra.

    Attributes:
        instrument: number eta of the instrument, from 0, ``[k]``.
        tones: u (0 or 1), pitch nu + nu~ and b, with gradient, ``[k]``.
        amplitude: a, ``[k]``.
        width: sigma in bins, ``[k]``.
        harmonics: absolute values of the coefficients c_h, ``[k, h]``.
        dictionary_spectrum: y_j, complex ``[k, f]``  (Eq. 11).
        direct_spectrum: y_dir_j, complex ``[k, f]``  (Eq. 18).
    """

    instrument: Tensor
    tones: Tones
    amplitude: Tensor
    width: Tensor
    harmonics: Tensor
    dictionary_spectrum: Tensor
    direct_spectrum: Tensor


@dataclass(frozen=True)
class Explanation:
    """What is known of a frame after some tones: one slot per instrument, 0 until it plays.

    Attributes:
        reference: complex spectrum Y, ``[k, f]``.
        dictionary_tones: y_j, ``[k, i, f]``.
        direct_tones: y_dir_j, ``[k, i, f]``.
        playing: whether the instrument has its tone, bool ``[k, i]``.
        tones: u_j (0 or 1), pitches and b, ``[k, i]``.
        amplitude: a, ``[k, i]``.
        width: in bins, ``[k, i]``.
        harmonics: absolute values of the coefficients c_h, ``[k, i, h]``.
        log_prob: flattened log-probability of all choices, ``[k]``.
        plain_log_prob: log-probability of all choices at r = 1, ``[k]``.
    """

    reference: Tensor
    dictionary_tones: Tensor
    direct_tones: Tensor
    playing: Tensor
    tones: Tones
    amplitude: Tensor
    width: Tensor
    harmonics: Tensor
    log_prob: Tensor
    plain_log_prob: Tensor

    @classmethod
    def blank(cls, spectra: Tensor, dictionary: Tensor) -> Explanation:
        """Return the explanation of spectra ``[k, f]`` by no tone, for a dictionary ``[h, i]``."""
        n_harmonics, n_instruments = dictionary.shape
        # Tensors are never changed in place, so that fields may share one.
        tones = spectra.new_zeros(len(spectra), n_instruments, spectra.shape[-1])
        slots = spectra.real.new_zeros(len(spectra), n_instruments)
        rows = slots.new_zeros(len(spectra))
        return cls(
            reference=spectra,
            dictionary_tones=tones,
            direct_tones=tones,
            playing=slots.bool(),
            tones=Tones(slots, slots, slots),
            amplitude=slots,
            width=slots,
            harmonics=slots.new_zeros(*slots.shape, n_harmonics),
            log_prob=rows,
            plain_log_prob=rows,
        )

    def repeat(self, n: int) -> Explanation:
        """Return each rollout ``n`` times in a row, ``[n k, ...]``."""
        if n == 1:
            return self
        return leafwise(lambda values: values.repeat_interleave(n, 0), self)

    def taken(self, rollouts: Tensor) -> Explanation:
        """Return the explanations of some rollouts ``[k]``, in this order."""
        return leafwise(lambda values: values[rollouts], self)

    def add(self, tone: Tone, log_prob: Tensor, plain_log_prob: Tensor) -> Explanation:
        """Return the explanation with one tone more, in its instrument's slot.

        Args:
            tone: the tone.
            log_prob: flattened log-probability of its choice, ``[k]``.
            plain_log_prob: log-probability at r = 1, ``[k]``.
        """
        slot = one_hot(tone.instrument, self.playing.shape[-1])  # k, i

        def put(value: Tensor, slots: Tensor) -> Tensor:
            """Return ``slots [k, i, ...]`` with ``value [k, ...]`` in that of the instrument."""
            chosen = slot if value.ndim == 1 else slot[..., None]
            return torch.where(chosen, value[:, None], slots)

        return Explanation(
            reference=self.reference,
            dictionary_tones=put(tone.dictionary_spectrum, self.dictionary_tones),
            direct_tones=put(tone.direct_spectrum, self.direct_tones),
            playing=self.playing | slot,
            tones=leafwise(put, tone.tones, self.tones),
            amplitude=put(tone.amplitude, self.amplitude),
            width=put(tone.width, self.width),
            harmonics=put(tone.harmonics, self.harmonics),
            log_prob=self.log_prob + log_prob,
            plain_log_prob=self.plain_log_prob + plain_log_prob,
        )
