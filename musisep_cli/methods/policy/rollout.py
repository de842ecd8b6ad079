"""Rollout: one frame explained tone after tone (paper, Sections 3.2, 3.6).

Every pass of the network predicts one tone from what the earlier tones left over:
predict -> choose (sample, mode or replay) -> synthesise -> subtract.

Axes: ``b`` frames of the batch, ``k`` rollouts, ``i`` instruments, ``f`` bins, ``h`` harmonics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from typing import Literal

import torch
from torch import Tensor, nn

from musisep_cli.methods.policy.explanation import Explanation, Tone
from musisep_cli.methods.policy.parameters import (
    Output,
    OutputScales,
    ParameterConfig,
    correction,
    offset_bins,
    width_bins,
)
from musisep_cli.methods.policy.sampling import Action, ToneDistribution
from musisep_cli.methods.policy.unet import NetworkConfig, UNet
from musisep_cli.tones.coefficients import harmonic_coefficients
from musisep_cli.tones.dictionary import amplitude_estimate, timbre_misfit
from musisep_cli.tones.objective import ObjectiveConfig, lift
from musisep_cli.tones.peaks import Peaks, harmonic_positions, magnitude
from musisep_cli.tones.tones import Tones

PHASE_FLOOR = 1e-6
"""Below this amplitude a harmonic's phase fades out: the derivative of c / |c| stays finite."""


@dataclass(frozen=True, kw_only=True)
class PolicyConfig:
    """How a frame is explained (Sections 3.2, 3.5, 3.6)."""

    exponents: tuple[float, ...] = (1.0, 0.1, 0.01)
    """Flattening exponents r of the exploration; every combination over the tones occurs once."""
    sampling: Literal["independent", "tree"] = "independent"
    """Tree departs from the paper: tones that share their predecessors share one network pass
    (1 + 3 instead of 1 + 9 passes for two instruments), at the price of dependent samples."""
    tikhonov: float = 1e-3
    """Regularisation of the least squares for phases and direct amplitudes."""
    input_noise: float = field(default=1e-10, metadata={"least": 0})
    """Standard deviation of the Gaussian noise added to the spectrum before prediction."""
    instrument_by: Literal["network", "timbre"] = "network"
    """Timbre departs from the paper: the network proposes tones, whoever plays them, and the
    instrument is drawn by how well each column of the dictionary explains the tone's harmonics.
    One network serves any number of instruments and learns only to find tones; who plays which
    is learned through D alone."""
    timbre_scale: float = 0.05
    """With timbre: an instrument whose misfit is larger by this is e times less probable."""
    lifted_input: bool = False
    """Departs from the paper: the network sees z / sqrt|z| and sqrt|z| instead of z and |z|, the
    same lift as in the objective: a dynamic range of 10^2.5 instead of 10^5."""


@dataclass(frozen=True)
class Fit:
    """The tones that are looked at next, fitted to the artificial spectra: one of every rollout.

    Attributes:
        tones: u, pitch nu + nu~ and b, ``[k]``.
        width: sigma in bins, ``[k]``.
        peaks: g_h of its harmonics.
        coefficients: c_h, complex ``[k, h]``.
    """

    tones: Tones
    width: Tensor
    peaks: Peaks
    coefficients: Tensor


class Policy(nn.Module):
    """The network, with everything that turns its outputs into tones.

    Args:
        config: how a frame is explained.
        network: size of the network.
        parameters: maps from outputs to valid values.
        objective: the lift, where the network sees lifted spectra.
        n_instruments: m, the number of instruments and of tones per frame.
        ideal_width_bins: the frame's own peak width.
        in_bfloat16: whether the network's convolutions compute in this type.
    """

    def __init__(
        self,
        config: PolicyConfig,
        *,
        network: NetworkConfig,
        parameters: ParameterConfig,
        objective: ObjectiveConfig,
        n_instruments: int,
        ideal_width_bins: float,
        in_bfloat16: bool = False,
    ) -> None:
        super().__init__()
        self.config, self.parameter_config, self.objective_config = config, parameters, objective
        self.n_instruments = n_instruments
        self.ideal_width_bins = ideal_width_bins
        self.by_instrument = config.instrument_by == "network"
        n_slots = n_instruments if self.by_instrument else 1
        self.unet = UNet(
            network,
            n_inputs=n_input_channels(n_instruments, by_instrument=self.by_instrument),
            n_outputs=len(Output) * n_slots,
            in_bfloat16=in_bfloat16,
        )
        self.scales = OutputScales(parameters, n_slots)

    def explore(self, spectra: Tensor, dictionary: Tensor) -> Explanation:
        """Draw S = len(exponents)^m random explanations of each frame (Section 3.5).

        Args:
            spectra: complex ``[b, f]``.
            dictionary: D, ``[h, i]``.

        Returns:
            Explanations, ``k = S b``, those of one frame in a row.
        """
        explanation = Explanation.blank(self._with_noise(spectra), dictionary)
        for n_children, exponents in branches(self.config, self.n_instruments):
            distribution, explanation = self.propose(explanation, dictionary, n_children)
            # Filled in on the device: to copy numbers there, the host waits for it.
            each = torch.cat([spectra.real.new_full((1,), exponent) for exponent in exponents])
            exponent = each.repeat(len(explanation.playing) // len(exponents))
            action = distribution.sample(exponent)
            raw = distribution.read(action)
            explanation = explanation.add(
                self.tone(distribution, action, raw, explanation, dictionary),
                distribution.log_prob(action, raw, exponent),
                distribution.log_prob(action, raw, torch.ones_like(exponent)).detach(),
            )
        return explanation

    @torch.no_grad()
    def predict(self, spectra: Tensor, dictionary: Tensor) -> tuple[Explanation, list[Action]]:
        """Return the most probable explanation of frames ``[b, f]``, and its choices (Sec. 3.8)."""
        explanation = Explanation.blank(self._with_noise(spectra), dictionary)
        actions = []
        for _ in range(self.n_instruments):
            distribution, explanation = self.propose(explanation, dictionary)
            actions.append(distribution.mode())
            explanation = self._follow(distribution, actions[-1], explanation, dictionary)
        return explanation, actions

    @torch.no_grad()
    def replay(self, spectra: Tensor, dictionary: Tensor, actions: Sequence[Action]) -> Explanation:
        """Return the explanation of other spectra ``[b, f]``, say a channel's, by given choices."""
        explanation = Explanation.blank(self._with_noise(spectra), dictionary)
        for action in actions:
            distribution, explanation = self.propose(explanation, dictionary)
            explanation = self._follow(distribution, action, explanation, dictionary)
        return explanation

    def propose(
        self, explanation: Explanation, dictionary: Tensor, n_children: int = 1
    ) -> tuple[ToneDistribution, Explanation]:
        """Return the next tone's distribution, and the rollouts that it continues.

        The network is run once per rollout; ``n_children`` rollouts in a row continue each.
        """
        outputs: Tensor = self.scales(self.unet(self._network_input(explanation)))
        passes = torch.arange(len(outputs), device=outputs.device).repeat_interleave(n_children)
        explanation = explanation.repeat(n_children)
        timbre = partial(self._timbre, explanation, dictionary)
        return ToneDistribution(
            outputs,
            explanation.playing,
            passes,
            self.parameter_config,
            None if self.by_instrument else timbre,
        ), explanation

    def _follow(
        self,
        distribution: ToneDistribution,
        action: Action,
        explanation: Explanation,
        dictionary: Tensor,
    ) -> Explanation:
        """Return the explanation with one tone more, without its probability, for prediction."""
        unused = explanation.log_prob
        tone = self.tone(distribution, action, distribution.read(action), explanation, dictionary)
        return explanation.add(tone, unused, unused)

    def _network_input(self, explanation: Explanation) -> Tensor:
        """Return what the network sees of an explanation."""
        return network_input(
            explanation,
            lifted=self.objective_config if self.config.lifted_input else None,
            by_instrument=self.by_instrument,
        )

    def _with_noise(self, spectra: Tensor) -> Tensor:
        """Return spectra with the configured noise added."""
        return spectra + self.config.input_noise * torch.randn_like(spectra)

    @torch.no_grad()
    def _timbre(
        self,
        explanation: Explanation,
        dictionary: Tensor,
        distribution: ToneDistribution,
        bins: Tensor,
    ) -> Tensor:
        """Return how well each instrument explains a tone at bins ``[k]``, as logits ``[k, i]``.

        Minus the relative misfit min_a sum_h (sqrt|c_h| - sqrt(a D_h))^2 / sum_h |c_h|, between 0
        and 1, over ``timbre_scale``.
        """
        action = distribution.at(torch.zeros_like(bins), bins)
        fit = self._fit(
            distribution, action, distribution.read(action), explanation, len(dictionary)
        )
        misfit = timbre_misfit(fit.coefficients[:, None], dictionary.T)
        return -misfit / self.config.timbre_scale

    def _fit(
        self,
        distribution: ToneDistribution,
        action: Action,
        raw: Tensor,
        explanation: Explanation,
        n_harmonics: int,
    ) -> Fit:
        """Return the peaks of a tone and their least-squares coefficients (Eqs. 3, 17)."""
        f0_bins = action.bin + offset_bins(raw[:, Output.OFFSET], self.parameter_config)
        width = width_bins(raw[:, Output.WIDTH], self.parameter_config, ideal=self.ideal_width_bins)
        inharmonicity = action.inharmonicity.to(f0_bins.dtype)
        positions = harmonic_positions(f0_bins, inharmonicity, n_harmonics)  # Eq. 3
        peaks = Peaks.of(positions, width, explanation.reference.shape[-1])
        artificial = distribution.artificial_spectrum(action)
        if self.parameter_config.residual:
            # The network gives a correction of what the tones so far have left over.
            residual = explanation.reference - explanation.direct_tones.sum(1)
            artificial = residual * (1 + correction(artificial))
        # Eq. 17
        coefficients = harmonic_coefficients(peaks, artificial, tikhonov=self.config.tikhonov)
        tones = Tones(action.on, f0_bins, inharmonicity)
        return Fit(tones, width, peaks, coefficients)

    def tone(
        self,
        distribution: ToneDistribution,
        action: Action,
        raw: Tensor,
        explanation: Explanation,
        dictionary: Tensor,
    ) -> Tone:
        """Return valid values and spectra of the chosen tone (Eqs. 11, 18)."""
        fit = self._fit(distribution, action, raw, explanation, len(dictionary))
        relative = dictionary.T[action.instrument]  # k, h
        amplitude = self._amplitude(raw[:, Output.AMPLITUDE], fit.coefficients, relative)
        harmonics = magnitude(fit.coefficients)  # k, h
        # c / |c|, fading to 0 where a harmonic is too faint to have a phase.
        phase = fit.coefficients / (harmonics.square() + PHASE_FLOOR**2).sqrt()
        return Tone(
            instrument=action.instrument,
            tones=fit.tones,
            amplitude=amplitude,
            width=fit.width,
            harmonics=harmonics,
            # Eq. 11: the amplitudes of the dictionary with the phases of the fit
            dictionary_spectrum=fit.peaks.render(amplitude[:, None] * relative * phase),
            direct_spectrum=fit.peaks.render(fit.coefficients),  # Eq. 18
        )

    def _amplitude(self, raw: Tensor, coefficients: Tensor, relative: Tensor) -> Tensor:
        """Return the amplitude a of a tone, ``[k]``: given, or a correction of an estimate."""
        if self.parameter_config.residual:
            return amplitude_estimate(coefficients, relative) * torch.exp(3 * torch.tanh(raw))
        return raw.abs()


def branches(config: PolicyConfig, n_tones: int) -> list[tuple[int, tuple[float, ...]]]:
    """Return per tone how many rollouts continue each so far, and their exponents r, cyclic.

    Independent samples: all S = len(exponents)^m rollouts part at the first tone, and every
    combination of exponents occurs once. Tree: each parts in len(exponents) at every tone.

    >>> branches(PolicyConfig(exponents=(1.0, 0.1)), 2)
    [(4, (1.0, 1.0, 0.1, 0.1)), (1, (1.0, 0.1, 1.0, 0.1))]
    >>> branches(PolicyConfig(exponents=(1.0, 0.1), sampling="tree"), 2)
    [(2, (1.0, 0.1)), (2, (1.0, 0.1))]
    """
    if config.sampling == "tree":
        return [(len(config.exponents), config.exponents)] * n_tones
    combinations = tuple(product(config.exponents, repeat=n_tones))
    n_children = [len(combinations)] + [1] * (n_tones - 1)
    return list(zip(n_children, zip(*combinations, strict=True), strict=True))


def network_input(
    explanation: Explanation, *, lifted: ObjectiveConfig | None, by_instrument: bool
) -> Tensor:
    """Return what the network sees before the next tone, real ``[k, channels, f]`` (Section 3.6).

    By instrument: the residuals of both predictions (dictionary, direct), then the tones found so
    far (dictionary, direct), one slot per instrument. Otherwise the residual of the direct
    prediction and the sum of its tones: a network that serves any instruments needs no dictionary.
    Complex spectra, perhaps lifted, as real and imaginary part, the residuals also as magnitude.
    """
    groups = [explanation.direct_tones]  # k, i, f
    if by_instrument:
        groups.insert(0, explanation.dictionary_tones)
    sums = [tones.sum(1, keepdim=True) for tones in groups]
    residuals = [explanation.reference[:, None] - total for total in sums]
    spectra = torch.cat([*residuals, *(groups if by_instrument else sums)], 1)
    if lifted is not None:
        spectra = lift(spectra, lifted)
    return torch.cat([spectra.real, spectra.imag, magnitude(spectra[:, : len(residuals)])], 1)


def n_input_channels(n_instruments: int, *, by_instrument: bool) -> int:
    """Return the number of channels of ``network_input``.

    >>> n_input_channels(2, by_instrument=True), n_input_channels(2, by_instrument=False)
    (14, 5)
    """
    return 2 * (3 + 2 * n_instruments) if by_instrument else 3 + 2
