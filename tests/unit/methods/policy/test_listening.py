"""Listening: blocks in order say what the whole says, channels keep their levels, silence is 0."""

import torch
from numpy.testing import assert_array_equal
from torch import Tensor
from torch.testing import assert_close

from musisep_cli.frames.leaves import leaves
from musisep_cli.methods.policy.listening import Listener
from musisep_cli.methods.policy.parameters import ParameterConfig
from musisep_cli.methods.policy.rollout import Policy, PolicyConfig
from musisep_cli.methods.policy.trainer import explanation_objective
from tests.small import seeded, small_policy

N_BINS, N_FRAMES = 64, 6
CONFIG = PolicyConfig(input_noise=0.0)
DICTIONARY = torch.tensor([[1.0, 1.0], [0.5, 0.2], [0.2, 0.1]], dtype=torch.float64)


def policy() -> Policy:
    return small_policy(2, CONFIG, ParameterConfig(residual=True))


def channels(n_channels: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    parts = torch.randn(n_channels, N_FRAMES, N_BINS, 2, generator=generator, dtype=torch.float64)
    return 0.1 * torch.view_as_complex(parts)


def listener(network: Policy, reports: list[int] | None = None) -> Listener:
    report = (lambda _: None) if reports is None else reports.append
    return Listener(network, DICTIONARY, N_FRAMES, report)


def test_the_stems_of_one_channel_are_the_direct_predictions() -> None:
    network, given = policy(), channels(1)
    heard = listener(network)
    with seeded(0):
        stems = heard.explain(given)
    with seeded(0):
        explanation, _ = network.predict(given[0], DICTIONARY)
    assert_close(stems[:, 0], explanation.direct_tones.transpose(0, 1))
    transcript = heard.transcript.joined()
    for name, values in leaves(transcript.tones).items():
        assert_close(values, leaves(explanation.tones)[name], atol=0, rtol=0)
    assert_close(transcript.amplitude, explanation.amplitude)
    assert_close(transcript.objective, explanation_objective(explanation, network).total)


def test_blocks_are_explained_as_the_whole_is_and_reported() -> None:
    network, given, reports = policy(), channels(2), []
    whole, several = listener(network), listener(network, reports)
    with seeded(0):
        expected = whole.explain(given)
        blocks = [
            several.explain(given[:, part]) for part in (slice(0, 1), slice(1, 4), slice(4, 6))
        ]
    assert_close(torch.cat(blocks, 2), expected)
    assert reports == [1, 4, 6]
    for name, values in leaves(several.transcript.joined()).items():
        assert_close(values, leaves(whole.transcript.joined())[name])


def test_equal_channels_have_equal_stems_and_a_silent_one_has_none() -> None:
    network, (one, _) = policy(), channels(2)
    with seeded(0):
        stems = listener(network).explain(torch.stack([one, one]))
        silent = listener(network).explain(torch.stack([one, 0 * one]))
    assert_close(stems[:, 0], stems[:, 1])
    assert_array_equal(silent[:, 1].numpy(), 0)


def test_silent_frames_are_noted_as_silent_and_stay_so() -> None:
    network, given = policy(), channels(1)
    given[:, 2] = 0
    heard = listener(network)
    with seeded(0):
        stems = heard.explain(given)
    assert heard.transcript.joined().audible.tolist() == [n != 2 for n in range(N_FRAMES)]
    assert_array_equal(stems[:, :, 2].numpy(), 0)
