"""Refinement: the decoded tones of a frame fitted again, together and with what was learned.

Departs from the paper (Section 3.8), where every tone is fitted to what the tones before it left
over. All tones are fitted to the mixture at once. Where two harmonics meet, the mixture cannot say
whose they are; there the instrument's timbre at this pitch decides. Then every pitch is set to
where its harmonics are strongest, and all is fitted once more.

Axes: ``n`` frames, ``i`` instruments, ``h`` harmonics, ``f`` bins, ``c`` channels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from musisep_cli.decoding import Decoding
from musisep_cli.framewise import Derived, FrameRows, Framewise
from musisep_cli.model.gabor import GaborFrame
from musisep_cli.model.tones import Peaks, harmonic_positions, magnitude
from musisep_cli.policy.distance import ObjectiveConfig, objective
from musisep_cli.policy.hypotheses import Hypotheses
from musisep_cli.policy.joint import JointFit, Pitches, matched_filter, refined_pitch
from musisep_cli.policy.parameters import amplitude_estimate
from musisep_cli.resynthesis import ResynthesisConfig, shares
from musisep_cli.timbre import Timbre, Tones, free_harmonics
from musisep_cli.transcript import LOWEST_HZ, Frames, Transcript, audible

LEAST_EXPECTED = 1e-4
"""Relative to a frame's strongest harmonic: no harmonic is expected weaker."""


@dataclass(frozen=True)
class Score(FrameRows):
    """The decoded tones of some frames, a slot per instrument.

    Attributes:
        pitches: the tones, ``[n, i]``.
        amplitudes: absolute harmonic amplitudes, ``[n, i, h]``.
    """

    pitches: Pitches
    amplitudes: Tensor

    def at(self, f0_bins: Tensor) -> Score:
        """With other pitches, ``[n, i]``."""
        return replace(self, pitches=replace(self.pitches, f0_bins=f0_bins))


@dataclass(frozen=True)
class Decoded:
    """The score that was decoded, a block at a time.

    Attributes:
        found: the hypotheses of all frames.
        decoding: what was chosen of them.
    """

    found: Framewise[Hypotheses]
    decoding: Decoding

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.found)

    def __getitem__(self, block: slice) -> Score:
        """Of some consecutive frames."""
        found = self.found[block]
        device = found.on.device
        frames = torch.arange(len(found), device=device)[:, None]
        chosen = torch.from_numpy(self.decoding.hypotheses[block]).to(device)[:, None]
        tones = torch.from_numpy(self.decoding.tones[block]).to(device)
        loudness = found.loudness[frames, chosen, tones]
        timbre = found.timbre[frames, chosen, tones].to(loudness.dtype)
        pitches = Pitches(
            on=found.on[frames, chosen, tones].to(loudness.dtype),
            f0_bins=found.f0_bins[frames, chosen, tones],
            inharmonicity=found.inharmonicity[frames, chosen, tones],
        )
        return Score(pitches, timbre.square() * loudness[..., None])


class Refiner:
    """Turns the decoded tones into spectra of the stems, block after block in order.

    Args:
        score: the decoded tones of all frames.
        dictionary: D, ``[h, i]``, for the objective.
        frame: the representation.
        config: how tones become stems.
        objective_config: weights of Eq. 21.
    """

    def __init__(
        self,
        score: Framewise[Score],
        dictionary: Tensor,
        frame: GaborFrame,
        config: ResynthesisConfig,
        objective_config: ObjectiveConfig,
    ) -> None:
        self.score, self.dictionary, self.frame = score, dictionary, frame
        self.config, self.objective_config = config, objective_config
        self.timbres = learn_timbres(score, frame)
        self.transcript = Frames(Transcript, len(score))

    def explain(self, mean: Tensor, channels: Tensor) -> Tensor:
        """Spectra of the stems ``[i, c, n, f]`` for the mean ``[n, f]`` and channels ``[c, n, f]``.

        Tones are found on the mean; every channel is divided by the same shares, or fitted with
        the same peaks, so that a stem keeps its place between the channels.
        """
        n_done = self.transcript.n_done
        score = self.score[n_done : n_done + len(mean)]
        tikhonov = self._tikhonov(score)
        fit = self._fit(score, mean, tikhonov)
        matched = matched_filter(mean, self.frame.ideal_width_bins)
        score = score.at(refined_pitch(score.pitches, matched, fit))
        fit = self._fit(score, mean, tikhonov)
        self._note(score, mean, fit)
        if self.config.stems == "mask":
            masks = self._masks(score, fit.coefficients) * audible(mean)[:, None, None]
            return masks.transpose(0, 1)[:, None] * channels
        tones = torch.stack([self._fit(score, channel, tikhonov).tones for channel in channels])
        stems: Tensor = tones.permute(2, 0, 1, 3) * audible(channels)[..., None]
        return stems

    def _tikhonov(self, score: Score) -> Tensor:
        """Weights of |c_h|^2, ``[n, i h]``: noise power over the power that the timbre expects.

        With these the least squares is the most probable c under Y = sum c_h g_h + noise and
        c_h normal with the expected power.
        """
        tones = _tones(score, self.frame)
        each = [timbre.expected(tones.of(i)) for i, timbre in enumerate(self.timbres)]
        expected = torch.stack(each, 1)
        strongest = score.amplitudes.amax((1, 2), keepdim=True).clamp_min(1e-12)
        relative = (expected / strongest).clamp_min(LEAST_EXPECTED)
        return (self.config.timbre_noise / relative).square().flatten(1)

    def _fit(self, score: Score, spectra: Tensor, tikhonov: Tensor) -> JointFit:
        return JointFit.of(
            score.pitches,
            spectra,
            n_harmonics=score.amplitudes.shape[-1],
            width=self.frame.ideal_width_bins,
            tikhonov=tikhonov,
        )

    def _masks(self, score: Score, coefficients: Tensor) -> Tensor:
        """Share of every instrument in every bin, ``[n, i, f]``."""
        width = self.config.mask_width * self.frame.ideal_width_bins
        peaks = Peaks.around(
            _positions(score),
            torch.full_like(score.pitches.f0_bins, width),
            self.frame.n_network_bins,
        )
        absolute = magnitude(coefficients) * score.pitches.on[..., None]
        envelopes = peaks.render(torch.complex(absolute, torch.zeros_like(absolute))).real
        return shares(envelopes, self.config.mask_floor)

    def _note(self, score: Score, spectra: Tensor, fit: JointFit) -> None:
        """Keep what was played, and how well that explains the frames (Eq. 21)."""
        relative = self.dictionary.T.expand_as(fit.coefficients.real)
        amplitude = amplitude_estimate(fit.coefficients, relative) * score.pitches.on
        phase = fit.coefficients / magnitude(fit.coefficients).clamp_min(1e-12)
        from_dictionary = JointFit(fit.peaks, amplitude[..., None] * relative * phase)
        found = objective(
            reference=spectra,
            dictionary_tones=from_dictionary.tones,
            direct_tones=fit.tones,
            on=score.pitches.on,
            config=self.objective_config,
        )
        played = Transcript(
            f0_bins=score.pitches.f0_bins,
            inharmonicity=score.pitches.inharmonicity,
            amplitude=amplitude,
            on=score.pitches.on,
            objective=found.total,
            audible=audible(spectra),
        )
        self.transcript.add(played)


def learn_timbres(score: Framewise[Score], frame: GaborFrame) -> list[Timbre]:
    """The timbre of every instrument by pitch, from all its tones."""
    return Timbre.learn(Derived(score, partial(_tones, frame=frame)))


def _positions(score: Score) -> Tensor:
    """Of all harmonics in bins, ``[n, i, h]``."""
    n_harmonics = score.amplitudes.shape[-1]
    return harmonic_positions(score.pitches.f0_bins, score.pitches.inharmonicity, n_harmonics)


def _tones(score: Score, frame: GaborFrame) -> Tones:
    """What all instruments play, with how much every harmonic stands alone."""
    return Tones(
        pitch_semitones(score.pitches.f0_bins, frame),
        score.amplitudes,
        free_harmonics(_positions(score), score.pitches.on, frame.ideal_width_bins),
    )


def pitch_semitones(f0_bins: Tensor, frame: GaborFrame) -> Tensor:
    """MIDI numbers, of the shape of ``f0_bins``."""
    return 69 + 12 * torch.log2((f0_bins * frame.bin_hz).clamp_min(LOWEST_HZ) / 440)
