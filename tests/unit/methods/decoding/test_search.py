"""Search for sets of tones: against all sets of a small network, one after another."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from torch import Tensor
from torch.testing import assert_close

from musisep_cli.frames.leaves import leaves
from musisep_cli.methods.decoding import search as searching
from musisep_cli.methods.decoding.search import (
    PROPOSAL_REACH_BINS,
    TOLERANCE_BINS,
    SearchConfig,
    merged,
    peak_log_mass,
    search,
)
from musisep_cli.methods.policy.explanation import Explanation
from musisep_cli.methods.policy.parameters import Output, ParameterConfig
from musisep_cli.methods.policy.rollout import Policy, PolicyConfig
from musisep_cli.players.hypotheses import LEAST_LOG_PROB, Hypotheses
from musisep_cli.tones.joint_fit import PITCH_REACH_BINS
from tests import dense
from tests.small import IDEAL_WIDTH_BINS, FreeOutputs, random_spectra, seeded, small_policy

N_HARMONICS = 4
unmoved = partial(SearchConfig, octave_nats=0.0, hidden_nats=0.0)
"""Sets as the network proposes them."""
WIDE = unmoved(beam=16, hypotheses=300)
"""More than there are peaks in 32 bins, and sets of two of them."""
LOWEST_BIN = 3
"""A pitch near bin 0 would be taken for a rest; nothing sounds there."""
LEAST_TOLD = LEAST_LOG_PROB + 6
"""Several sets that are not told apart may add up to a little more than one of them."""
SEEDS = st.integers(0, 2**20)
# Outputs of the size of their kind; tones as likely as rests; two peaks never meet by their offset.
PARAMETERS = ParameterConfig(
    residual=True,
    scale_logit=30.0,
    scale_on=5.0,
    on_bias=0.0,
    scale_gamma_shape=5.0,
    scale_gamma_rate=5.0,
    gamma_rate_factor=10_000.0,
    max_offset_bins=0.4,
)
FINDS_TONES = PolicyConfig(instrument_by="timbre", lifted_input=True, input_noise=0.0)


@pytest.fixture(autouse=True, scope="module")
def _tones_from_bin_1_on() -> Iterator[None]:
    """The small networks' bins are few."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(searching, "LOWEST_WIDTHS", 1 / IDEAL_WIDTH_BINS)
        yield


def unrefined(
    policy: Policy, spectra: Tensor, n_harmonics: int, config: SearchConfig
) -> Hypotheses:
    """Hypotheses with the pitches that the search met them with."""
    return search(policy, spectra[:, None], n_harmonics, replace(config, refined_pitch=False))


class Scaled(torch.nn.Module):
    """Outputs at their scale, without any at the lowest bins."""

    def __init__(self, scales: torch.nn.Module) -> None:
        super().__init__()
        self.scales = scales

    def forward(self, outputs: Tensor) -> Tensor:
        scaled: Tensor = self.scales(outputs)
        low = torch.arange(scaled.shape[-1]) < LOWEST_BIN
        return scaled.index_copy(
            1,
            torch.tensor([Output.LOGIT]),
            scaled[:, :1].masked_fill(low, -1e6),
        )


def finder(n_instruments: int, seed: int = 0, parameters: ParameterConfig = PARAMETERS) -> Policy:
    policy = small_policy(n_instruments, FINDS_TONES, parameters, strides=(4, 4, 2), seed=seed)
    policy.scales = Scaled(policy.scales)
    return policy


def knower(
    n_instruments: int, logits: Tensor, on_logits: Tensor | float = 0.0, n_frames: int = 1
) -> Policy:
    """Says the same of every frame, whatever is left of it; pitches are bins, b is 0."""
    outputs = torch.zeros(len(Output), len(logits), dtype=torch.float64)
    outputs[Output.LOGIT] = logits
    outputs[Output.ON_LOGIT] = on_logits
    outputs[Output.GAMMA_SHAPE] = -5.0
    policy = finder(n_instruments)
    policy.unet = FreeOutputs(outputs, n_frames)
    policy.scales = Scaled(torch.nn.Unflatten(1, (len(Output), 1)))
    return policy


# Every set, by walking through all choices of peaks one frame at a time


@dataclass(frozen=True)
class Walk:
    pitches: tuple[float, ...]
    """0 for a rest, in the order of choice."""
    log_prob: float


def log_sigmoid(x: float) -> float:
    return -math.log1p(math.exp(-x)) if x > -30 else x


def peaks_of(log_probs: list[float]) -> dict[int, float]:
    """The most probable bins of their surroundings, and what they have with both neighbours."""
    padded = [-math.inf, *log_probs, -math.inf]
    reach = PROPOSAL_REACH_BINS
    return {
        f: float(np.logaddexp.reduce(padded[f : f + 3]))
        for f, value in enumerate(log_probs)
        if value == max(log_probs[max(f - reach, 0) : f + reach + 1])
    }


def walks(policy: Policy, explanation: Explanation, dictionary: Tensor, so_far: Walk) -> list[Walk]:
    place = len(so_far.pitches)
    if place == policy.n_instruments:
        return [so_far]
    distribution, _ = policy.propose(explanation, dictionary)
    [log_probs] = torch.log_softmax(distribution.logits, -1).tolist()
    peaks = peaks_of(log_probs)
    raw = distribution.outputs[0, :, 0].double()  # 9, f
    best = max(peaks, key=lambda f: peaks[f])
    rests = (0.0,) * (policy.n_instruments - place)
    rest = log_sigmoid(-float(raw[Output.ON_LOGIT, best]))
    found = [Walk(so_far.pitches + rests, so_far.log_prob + rest)]
    for f, mass in peaks.items():
        pitch = f + policy.parameter_config.max_offset_bins * math.tanh(raw[Output.OFFSET, f])
        log_prob = mass + log_sigmoid(float(raw[Output.ON_LOGIT, f]))
        action = distribution.at(torch.tensor([place]), torch.tensor([f]))
        tone = policy.tone(distribution, action, distribution.read(action), explanation, dictionary)
        found += walks(
            policy,
            explanation.add(tone, explanation.log_prob, explanation.log_prob),
            dictionary,
            Walk((*so_far.pitches, max(pitch, 1.0)), so_far.log_prob + log_prob),
        )
    return found


def apart(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    """The largest distance between tones of two sets, each in its best order."""
    return max(abs(a - b) for a, b in zip(sorted(first), sorted(second), strict=True))


def pitches(found: Hypotheses, n: int) -> list[tuple[float, ...]]:
    return [tuple(row) for row in (found.tones.on * found.tones.f0_bins)[n].tolist()]


@pytest.mark.parametrize("n_instruments", [1, 2])
@pytest.mark.parametrize("seed", range(3))
@torch.no_grad()
def test_a_wide_search_finds_the_probability_of_every_set(seed: int, n_instruments: int) -> None:
    policy = finder(n_instruments, seed)
    spectra = random_spectra(3, 32, seed=seed)
    found = unrefined(policy, spectra, N_HARMONICS, WIDE)
    dictionary = torch.ones(N_HARMONICS, n_instruments, dtype=torch.float64)
    for n in range(3):
        blank = Explanation.blank(spectra[n : n + 1], dictionary)
        every = walks(policy, blank, dictionary, Walk((), 0.0))
        assert len(every) > 3
        told = 0.0
        for tones, log_prob in zip(pitches(found, n), found.log_prob[n].tolist(), strict=True):
            if log_prob < LEAST_TOLD:
                continue
            same = [w.log_prob for w in every if apart(w.pitches, tones) < TOLERANCE_BINS]
            total = float(torch.tensor(same, dtype=torch.float64).logsumexp(0))
            assert log_prob == pytest.approx(total, abs=1e-6)
            told += math.exp(log_prob)
        # Nothing was left out, and nothing counted twice.
        assert told == pytest.approx(sum(math.exp(w.log_prob) for w in every), abs=1e-6)
        best = max(every, key=lambda w: w.log_prob)
        assert min(apart(best.pitches, tones) for tones in pitches(found, n)) < 1e-6
        assert found.log_prob[n].tolist() == sorted(found.log_prob[n].tolist(), reverse=True)


@pytest.mark.parametrize("n_instruments", [1, 2, 3])
def test_sets_of_a_network_that_is_always_sure_of_two_bins(n_instruments: int) -> None:
    # p and 1 - p of two bins, a rest with probability q: sets are counted by how often each occurs.
    p, q = 0.7, 0.2
    logits = torch.full((32,), -200.0, dtype=torch.float64)
    logits[8], logits[20] = math.log(p), math.log(1 - p)
    policy = knower(n_instruments, logits, math.log((1 - q) / q), n_frames=2)
    found = unrefined(
        policy,
        random_spectra(2, 32),
        N_HARMONICS,
        unmoved(beam=6, hypotheses=99),
    )
    expected = {}
    for n_tones in range(n_instruments + 1):
        rest = q if n_tones < n_instruments else 1.0
        for n_low in range(n_tones + 1):
            tones = (0.0,) * (n_instruments - n_tones) + (8.0,) * n_low
            tones += (20.0,) * (n_tones - n_low)
            orders = math.comb(n_tones, n_low)
            odds = p**n_low * (1 - p) ** (n_tones - n_low)
            expected[tones] = rest * (1 - q) ** n_tones * orders * odds
    assert sum(expected.values()) == pytest.approx(1)
    for n in range(2):
        told = {
            tuple(sorted(tones)): math.exp(log_prob)
            for tones, log_prob in zip(pitches(found, n), found.log_prob[n].tolist(), strict=True)
            if log_prob > LEAST_TOLD
        }
        assert told == pytest.approx(expected)


def test_no_tone_is_lower_than_its_harmonics_can_be_told_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(searching, "LOWEST_WIDTHS", 3.0)
    lowest = 3 * IDEAL_WIDTH_BINS
    logits = torch.full((32,), -20.0, dtype=torch.float64)
    logits[4], logits[11] = 10.0, 0.0  # sure of a rumble, on which a tone is unlikely to follow
    spectra = random_spectra(1, 32)[:, None]
    found = search(knower(1, logits, 3.0), spectra, N_HARMONICS, SearchConfig())
    assert bool(found.tones.on.any())
    assert float(found.tones.f0_bins[found.tones.on].min()) > lowest - PITCH_REACH_BINS


def test_a_tone_is_not_moved_below_the_lowest_pitch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "LOWEST_WIDTHS", 3.0)
    logits = torch.full((32,), -20.0, dtype=torch.float64)
    logits[11] = 10.0
    config = SearchConfig(hypotheses=4, beam=3, hidden_nats=0.0, refined_pitch=False)
    found = search(knower(1, logits, 3.0), random_spectra(1, 32)[:, None], N_HARMONICS, config)
    halved, doubled = found.log_prob[0, -2:].tolist()
    assert halved <= LEAST_LOG_PROB < doubled


@given(SEEDS)
def test_sets_of_one_on_probability_never_add_up_to_more_than_1(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = 4 * torch.randn(32, generator=generator, dtype=torch.float64)
    policy = knower(2, logits, 1.0)
    found = unrefined(policy, random_spectra(1, 32), N_HARMONICS, WIDE)
    logits[:LOWEST_BIN] = -1e6
    mass = float(peak_log_mass(logits[None]).exp().sum())
    on = 1 / (1 + math.exp(-1))
    expected = (1 - on) + on * mass * (1 - on) + (on * mass) ** 2
    assert expected <= 1
    assert float(found.log_prob.exp().sum()) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("n_instruments", [1, 2, 3])
@torch.no_grad()
def test_the_narrowest_search_is_the_most_probable_tone_after_tone(n_instruments: int) -> None:
    # With logits so far apart that the most probable bin has all the mass, and tones always on.
    parameters = replace(PARAMETERS, scale_logit=1e5, on_bias=50.0)
    policy = finder(n_instruments, 1, parameters)
    spectra = random_spectra(4, 32, seed=2)
    found = unrefined(
        policy,
        spectra,
        N_HARMONICS,
        unmoved(beam=1, hypotheses=1),
    )
    dictionary = torch.ones(N_HARMONICS, n_instruments, dtype=torch.float64)
    with seeded(0):
        explanation, actions = policy.predict(spectra, dictionary)
    assert bool(found.tones.on.all())
    for place, action in enumerate(actions):
        rows = torch.arange(4)
        assert_close(
            found.tones.f0_bins[:, 0, place], explanation.tones.f0_bins[rows, action.instrument]
        )
        assert_close(
            found.tones.inharmonicity[:, 0, place],
            explanation.tones.inharmonicity[rows, action.instrument],
        )


@given(st.integers(1, 4), st.integers(1, 30), st.integers(1, 3), SEEDS)
def test_as_many_sets_are_kept_as_asked_for_or_as_there_are(
    beam: int, n_kept: int, n_instruments: int, seed: int
) -> None:
    config = unmoved(beam=beam, hypotheses=n_kept)
    found = search(finder(n_instruments, seed), random_spectra(2, 32)[:, None], N_HARMONICS, config)
    n_before = 1
    for _ in range(n_instruments - 1):
        n_before = min(n_before * (beam + 1), beam)
    assert found.log_prob.shape == (2, min(n_kept, n_before * (beam + 1)))
    for name, values in leaves(found).items():
        assert bool(torch.isfinite(values).all()), name
    assert bool((found.log_prob >= LEAST_LOG_PROB).all())
    assert bool((found.log_prob <= 1e-9).all())
    assert bool((found.misfit >= 0).all())
    sounding = found.loudness > 0
    assert not bool((sounding & ~found.tones.on).any())
    norms = found.timbre.double().norm(dim=-1)
    assert_allclose(norms.numpy(), sounding.double().numpy(), atol=1e-2)  # half precision
    # A rest says that nothing is left: sets that are told apart have their tones first.
    rests_end = (~found.tones.on).long().cummax(-1).values == (~found.tones.on).long()
    assert bool((rests_end.all(-1) | (found.log_prob < LEAST_TOLD)).all())


@torch.no_grad()
def test_a_frame_is_searched_whatever_the_others_are() -> None:
    policy = finder(2, 3)
    spectra = random_spectra(5, 32, seed=4)
    config = unmoved(beam=3, hypotheses=5)
    together = search(policy, spectra[:, None], N_HARMONICS, config)
    for n in range(5):
        alone = search(policy, spectra[n : n + 1, None], N_HARMONICS, config)
        for name in ("log_prob", "misfit", "tones.f0_bins", "loudness"):
            assert_close(leaves(alone)[name][0], leaves(together)[name][n])


def test_the_right_set_explains_its_frame_and_its_tones_are_measured() -> None:
    # Frame 0 holds both tones, frame 1 one of them, frame 2 nothing.
    f0_bins, level = (21.0, 26.5), 0.05
    harmonics = np.array([[1.0, 0.5, 0.3, 0.2], [0.3, 0.8, 0.1, 0.4]])
    g = [
        dense.peaks(dense.positions(f0, 0.0, N_HARMONICS), IDEAL_WIDTH_BINS, 128) for f0 in f0_bins
    ]
    parts = [level * (harmonics[i] * np.exp(1j * np.arange(4))) @ g[i] for i in range(2)]
    spectra = torch.from_numpy(np.stack([parts[0] + parts[1], parts[0], 0 * parts[0]]))
    logits = torch.full((128,), -300.0, dtype=torch.float64)
    logits[21], logits[26] = 0.0, -0.5
    policy = knower(2, logits, 0.0, n_frames=3)
    policy.unet.values.data[:, Output.OFFSET, 26] = math.atanh(0.5 / 0.6)
    policy.parameter_config = replace(PARAMETERS, max_offset_bins=0.6)
    found = unrefined(
        policy,
        spectra,
        N_HARMONICS,
        unmoved(beam=4, hypotheses=20),
    )
    by_tones = [
        {tuple(sorted(p)): s for s, p in reversed(list(enumerate(pitches(found, n))))}
        for n in range(3)
    ]
    both = next(s for p, s in by_tones[0].items() if p == pytest.approx(f0_bins))
    assert float(found.misfit[0, both]) < 1e-3
    order = found.tones.f0_bins[0, both].argsort()
    assert_allclose(found.loudness[0, both][order], level * harmonics.sum(1), rtol=0.02)
    relative = np.sqrt(harmonics / harmonics.sum(1, keepdims=True))
    assert_allclose(found.timbre[0, both][order].float(), relative, atol=0.01)
    lone = next(s for p, s in by_tones[0].items() if p == pytest.approx((0.0, 21.0)))
    assert float(found.misfit[0, lone]) > 0.2
    lone = next(s for p, s in by_tones[1].items() if p == pytest.approx((0.0, 21.0)))
    assert float(found.misfit[1, lone]) < 1e-3
    rest = next(s for p, s in by_tones[1].items() if p == (0.0, 0.0))
    assert float(found.misfit[1, rest]) == pytest.approx(1)
    assert bool(torch.isfinite(found.misfit[2]).all())
    heard = found.heard(torch.tensor([True, True, False]))
    assert not bool(heard.tones.on[2].any())
    assert not bool(heard.loudness[2].any())
    assert not bool(heard.timbre[2].any())
    assert_close(heard.loudness[:2], found.loudness[:2], atol=0, rtol=0)


def test_where_a_tone_sounds_is_measured_in_all_channels() -> None:
    f0_bins, level = (21.0, 26.5), 0.05
    gains = np.array([[1.0, 0.25, 0.5], [0.1, 0.6, 0.5]])  # tone, channel
    harmonics = np.array([1.0, 0.5, 0.3, 0.2]) * np.exp(1j * np.arange(4))
    parts = [
        level * harmonics @ dense.peaks(dense.positions(f0, 0.0, 4), IDEAL_WIDTH_BINS, 128)
        for f0 in f0_bins
    ]
    channels = torch.from_numpy(gains.T @ np.stack(parts))[None]
    logits = torch.full((128,), -300.0, dtype=torch.float64)
    logits[21], logits[26] = 0.0, -0.5
    policy = knower(2, logits, 5.0)
    found = search(policy, channels, N_HARMONICS, unmoved(hypotheses=1))
    assert bool(found.tones.on.all())
    order = found.tones.f0_bins[0, 0].argsort()
    expected = np.sqrt(gains / gains.sum(1, keepdims=True))
    assert_allclose(found.place[0, 0][order], expected, atol=0.02)


# Parts


@given(SEEDS, st.integers(1, 12), st.integers(1, 3))
def test_equal_sets_are_made_one_by_their_definition(seed: int, n_sets: int, n_tones: int) -> None:
    generator = np.random.default_rng(seed)
    log_prob = generator.choice([-0.5, -1.0, -2.0, -5.0], (2, n_sets))  # ties are common
    tones = generator.choice([0.0, 20.0, 30.0, 50.0], (2, n_sets, n_tones))
    tones += (tones > 0) * generator.uniform(-0.6, 0.6, tones.shape)
    found = merged(torch.from_numpy(log_prob), torch.from_numpy(tones)).numpy()
    for n in range(2):
        taken: list[int] = []
        for s in sorted(range(n_sets), key=lambda s: (-log_prob[n, s], s)):
            equal = [o for o in range(n_sets) if apart(tones[n, s], tones[n, o]) < TOLERANCE_BINS]
            if any(o in taken for o in equal):
                assert found[n, s] < LEAST_LOG_PROB
                continue
            taken.append(s)
            assert found[n, s] == pytest.approx(math.log(sum(np.exp(log_prob[n, equal]))))
        kept = found[n] > LEAST_LOG_PROB
        assert np.exp(found[n][kept]).sum() == pytest.approx(np.exp(log_prob[n]).sum())


def test_a_tone_and_a_rest_are_never_equal() -> None:
    # The lowest pitch there is: bin 1; a rest counts as 0.
    log_prob = torch.tensor([[-1.0, -2.0]])
    found = merged(log_prob, torch.tensor([[[20.0, 0.0], [20.0, 2.0]]]))
    assert_close(found, log_prob)


@given(SEEDS, st.integers(1, 60), st.sampled_from([0.1, 3.0, 1000.0]))
def test_peaks_are_as_far_apart_as_their_reach_and_hold_the_mass_around_them(
    seed: int, n_bins: int, size: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = size * torch.randn(2, n_bins, generator=generator, dtype=torch.float64)
    found = peak_log_mass(logits)
    for row, log_probs in zip(found, torch.log_softmax(logits, -1), strict=True):
        expected = {f: m for f, m in peaks_of(log_probs.tolist()).items() if m > LEAST_LOG_PROB}
        told = {f: float(m) for f, m in enumerate(row) if m > LEAST_LOG_PROB}
        assert told == pytest.approx(expected, abs=1e-9)
        assert sum(map(math.exp, told.values())) <= 1 + 1e-9
        assert max(told.values()) == pytest.approx(max(expected.values()))
        for low, high in itertools.pairwise(told):
            assert high - low > PROPOSAL_REACH_BINS


def test_the_most_probable_set_is_also_tried_with_a_tone_moved() -> None:
    policy = finder(3, 0)
    spectra = random_spectra(3, 32)
    plain = unmoved(beam=3, hypotheses=4)
    without = unrefined(policy, spectra, N_HARMONICS, plain)
    found = unrefined(
        policy, spectra, N_HARMONICS, replace(plain, octave_nats=7.0, hidden_nats=3.0)
    )
    n_kept = without.log_prob.shape[1]
    assert_close(found.tones.f0_bins[:, :n_kept], without.tones.f0_bins)
    first, second, third = without.tones.f0_bins[:, :1].unbind(-1)
    octaves = [(0.5 * first, second, third), (2 * first, second, third)]
    octaves += [(first, 0.5 * second, third), (first, 2 * second, third)]
    octaves += [(first, second, 0.5 * third), (first, second, 2 * third)]
    hiding = [(first, second, h * other) for h in range(2, 7) for other in (first, second)]
    moved = torch.stack([torch.stack(tones, -1) for tones in octaves + hiding], 1)[:, :, 0]
    assert_close(found.tones.f0_bins[:, n_kept:], moved.clamp_min(1.0))
    nats = torch.tensor([7.0] * len(octaves) + [3.0] * len(hiding))
    assert_close(found.log_prob[:, n_kept:], without.log_prob[:, :1] - nats)


class OneAfterTheOther(torch.nn.Module):
    """Networks of which each has its say once."""

    def __init__(self, *networks: torch.nn.Module) -> None:
        super().__init__()
        self.networks = iter(networks)

    def forward(self, spectra: Tensor) -> Tensor:
        outputs: Tensor = next(self.networks)(spectra)
        return outputs


def test_a_tone_is_looked_for_at_the_harmonics_of_another_where_the_network_finds_none() -> None:
    logits = torch.zeros(32, dtype=torch.float64)
    logits[5] = 1.0
    policy = knower(2, logits, 5.0)
    policy.unet = OneAfterTheOther(policy.unet, knower(2, logits, -5.0).unet)
    config = unmoved(hidden_nats=3.0, beam=1, hypotheses=1)
    found = unrefined(policy, random_spectra(1, 32), N_HARMONICS, config)
    assert found.tones.on[0].tolist() == [[True, False]] + 5 * [[True, True]]
    assert_close(found.tones.f0_bins[0, 1:, 1], 5.0 * torch.arange(2, 7, dtype=torch.float64))


def test_many_tones_have_no_more_places_to_hide_at() -> None:
    policy = finder(4, 0)
    config = unmoved(hidden_nats=3.0, beam=2, hypotheses=3)
    found = unrefined(policy, random_spectra(2, 32), N_HARMONICS, config)
    assert found.tones.f0_bins.shape[1] == 3 + 10
