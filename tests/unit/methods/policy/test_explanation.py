"""Explanation: tones go into the slots of their instruments, rollout by rollout."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from musisep_cli.frames.leaves import leaves
from musisep_cli.methods.policy.explanation import Explanation, Tone
from musisep_cli.tones.tones import Tones

K, M, F, H = 4, 3, 8, 5


def blank() -> Explanation:
    spectra = torch.complex(*torch.randn(2, K, F, generator=torch.Generator().manual_seed(0)))
    return Explanation.blank(spectra, torch.ones(H, M))


def tone(instrument: list[int], seed: int = 0) -> Tone:
    generator = torch.Generator().manual_seed(seed)

    def numbers(*shape: int) -> Tensor:
        return 1 + torch.rand(K, *shape, generator=generator)

    return Tone(
        instrument=torch.tensor(instrument),
        tones=Tones(torch.ones(K), numbers(), numbers()),
        amplitude=numbers(),
        width=numbers(),
        harmonics=numbers(H),
        dictionary_spectrum=torch.complex(numbers(F), numbers(F)),
        direct_spectrum=torch.complex(numbers(F), numbers(F)),
    )


SLOTS = {
    "tones.on": "tones.on",
    "tones.f0_bins": "tones.f0_bins",
    "tones.inharmonicity": "tones.inharmonicity",
    "amplitude": "amplitude",
    "width": "width",
    "harmonics": "harmonics",
    "dictionary_tones": "dictionary_spectrum",
    "direct_tones": "direct_spectrum",
}


def test_at_first_nothing_plays() -> None:
    found = blank()
    assert not bool(found.playing.any())
    for name, values in leaves(found).items():
        if name != "reference":
            assert not bool(values.to(torch.bool).any()), name


@given(st.lists(st.integers(0, M - 1), min_size=K, max_size=K))
def test_a_tone_is_in_the_slot_of_its_instrument_and_nowhere_else(instruments: list[int]) -> None:
    given_tone = tone(instruments)
    found = blank().add(given_tone, torch.full((K,), -1.0), torch.full((K,), -2.0))
    for k, instrument in enumerate(instruments):
        assert found.playing[k].tolist() == [i == instrument for i in range(M)]
        for slot, value in SLOTS.items():
            slots, expected = leaves(found)[slot][k], leaves(given_tone)[value][k]
            assert_close(slots[instrument], expected, atol=0, rtol=0)
            others = [i for i in range(M) if i != instrument]
            assert float(slots[others].abs().sum()) == 0, slot


def test_tones_after_each_other_add_up_and_leave_each_other_alone() -> None:
    first, second = tone([0, 1, 2, 0]), tone([1, 2, 0, 2], seed=1)
    log_prob = torch.arange(float(K))
    once = blank().add(first, log_prob, 2 * log_prob)
    twice = once.add(second, log_prob, 2 * log_prob)
    assert_close(twice.log_prob, 2 * log_prob)
    assert_close(twice.plain_log_prob, 4 * log_prob)
    assert_close(twice.direct_tones.sum(1), first.direct_spectrum + second.direct_spectrum)
    assert twice.playing.sum(1).tolist() == [2] * K
    assert once.playing.sum(1).tolist() == [1] * K  # as it was


def test_gradients_reach_what_a_tone_was_made_of() -> None:
    given_tone = tone([0, 1, 2, 0])
    given_tone.tones.f0_bins.requires_grad_()
    found = blank().add(given_tone, torch.zeros(K), torch.zeros(K))
    found.tones.f0_bins.sum().backward()
    assert_close(given_tone.tones.f0_bins.grad, torch.ones(K))


@pytest.mark.parametrize("n", [1, 3])
def test_rollouts_are_repeated_in_a_row(n: int) -> None:
    found = blank().add(tone([0, 1, 2, 0]), torch.arange(4.0), torch.arange(4.0))
    repeated = found.repeat(n)
    for name, values in leaves(repeated).items():
        assert len(values) == n * K
        for k in range(n * K):
            assert_close(values[k], leaves(found)[name][k // n], atol=0, rtol=0)


def test_rollouts_are_taken_in_the_order_asked_for() -> None:
    found = blank().add(tone([0, 1, 2, 0]), torch.arange(4.0), torch.arange(4.0))
    rollouts = [3, 0, 0, 2, 1]
    for name, values in leaves(found.taken(torch.tensor(rollouts))).items():
        assert_close(values, leaves(found)[name][rollouts], atol=0, rtol=0)
