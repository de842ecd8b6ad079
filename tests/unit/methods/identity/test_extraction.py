"""Extraction: blocks equal the whole, stereo, gain, rates; bad excerpts."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from musisep_cli.errors import InputError
from musisep_cli.methods.identity import extraction
from musisep_cli.methods.identity.extraction import extract, identity_of, presence
from musisep_cli.methods.identity.network import Network
from tests.unit.methods.identity.test_network import SMALL

NETWORK = Network(SMALL, 3)
IDENTITY: Tensor = NETWORK.named(torch.tensor([0]))[0].detach()
Samples = NDArray[np.float32]


def recording(n: int, n_channels: int = 1, seed: int = 0) -> Samples:
    noise = np.random.default_rng(seed).standard_normal((n, n_channels), np.float32)
    return 0.1 * noise


def target(samples: Samples, rate_hz: int = 16_000) -> Samples:
    return np.concatenate(list(extract(samples, rate_hz, IDENTITY, NETWORK)))


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_blocks_equal_the_whole(rate_hz: int, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = recording(round(5.3 * rate_hz), 2)
    whole = target(samples, rate_hz)
    monkeypatch.setattr(extraction, "BLOCK_S", 2)
    monkeypatch.setattr(extraction, "CONTEXT_S", 2)
    assert len(list(extract(samples, rate_hz, IDENTITY, NETWORK))) == 3
    np.testing.assert_allclose(target(samples, rate_hz), whole, atol=1e-5)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100])
def test_the_target_has_the_shape_of_the_recording(rate_hz: int) -> None:
    for n in (rate_hz // 4, rate_hz // 3 + 1):
        assert target(recording(n, 3), rate_hz).shape == (n, 3)


def test_equal_channels_give_what_one_channel_gives() -> None:
    mono = recording(20_000)
    stereo = target(np.repeat(mono, 2, axis=1))
    np.testing.assert_allclose(stereo, np.repeat(target(mono), 2, axis=1), atol=1e-6)


def test_a_gain_goes_through() -> None:
    samples = recording(20_000)
    np.testing.assert_allclose(target(20 * samples), 20 * target(samples), atol=1e-5)


def test_silence_stays_silent() -> None:
    np.testing.assert_array_equal(target(np.zeros((9_000, 2), np.float32)), 0)


@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
def test_a_mask_of_one_returns_the_recording_at_any_rate(rate_hz: int) -> None:
    network = Network(SMALL)
    with torch.no_grad():
        network.last.weight.zero_()
        network.last.bias.fill_(30.0)
    samples = recording(rate_hz, 2)
    everything = np.concatenate(list(extract(samples, rate_hz, IDENTITY, network)))
    np.testing.assert_allclose(everything, samples, atol=1e-4)


def test_an_identity_is_of_unit_length_and_the_same_at_another_rate() -> None:
    t = np.arange(2 * 44_100) / 44_100
    tone = sum(np.sin(2 * np.pi * 220 * h * t) / h for h in range(1, 20))
    high = identity_of(np.float32(tone)[:, None], 44_100, NETWORK)
    low = identity_of(np.float32(tone)[::2, None], 22_050, NETWORK)
    assert float(high.norm()) == pytest.approx(1, abs=1e-5)
    assert float(high @ low) > 0.99


def test_presence_is_one_for_the_excerpt_itself_and_none_for_silence() -> None:
    excerpt = recording(32_000)
    identity = identity_of(excerpt, 16_000, NETWORK)
    assert presence(excerpt, 16_000, identity, NETWORK) == pytest.approx(1, abs=1e-5)
    assert presence(0 * excerpt, 16_000, identity, NETWORK) == 0


def test_excerpts_that_say_nothing_are_refused() -> None:
    with pytest.raises(InputError, match="silent"):
        identity_of(np.zeros((32_000, 1), np.float32), 16_000, NETWORK)
    with pytest.raises(InputError, match=r"0\.5 s of sound"):
        identity_of(recording(8_000), 16_000, NETWORK)
    broken = recording(32_000)
    broken[7] = np.nan
    with pytest.raises(InputError, match="not finite"):
        identity_of(broken, 16_000, NETWORK)
