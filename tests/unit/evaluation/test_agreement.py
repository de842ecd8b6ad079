"""Agreement: what tracks of different rates, lengths and channels are brought to."""

from pathlib import Path

import pytest

from musisep_cli.errors import InputError
from musisep_cli.evaluation.agreement import agree
from musisep_cli.evaluation.tracks import Layout, Track


def track(name: str, rate_hz: int = 8_000, n_samples: int = 8_000, n_channels: int = 1) -> Track:
    return Track(Path(name), rate_hz, n_samples, n_channels)


def test_tracks_that_agree_are_left_as_they_are() -> None:
    layout, notices = agree(
        references=[track("a"), track("b")], stems=[track("c")], mix=track("m"), strict=True
    )
    assert layout == Layout(sample_rate_hz=8_000, n_samples=8_000, n_channels=1)
    assert notices == []


def test_the_references_set_rate_and_length() -> None:
    layout, notices = agree(
        references=[track("a", 8_000, 8_000), track("b", 16_000, 20_000)],
        stems=[track("c", 48_000, 60_000)],
        mix=None,
        strict=False,
    )
    assert layout == Layout(sample_rate_hz=16_000, n_samples=20_000, n_channels=1)
    assert notices == [
        "a: resampled from 8000 to 16000 Hz.",
        "a: padded with 4000 samples (0.250 s) at the end.",
        "c: resampled from 48000 to 16000 Hz.",
    ]


def test_a_resampled_length_may_be_off_by_one_sample() -> None:
    # 8001 samples at 16 kHz are 4000.5 at 8 kHz.
    _, notices = agree(
        references=[track("a", 16_000, 8_001)], stems=[track("b", 8_000, 4_000)], mix=None,
        strict=False,
    )  # fmt: skip
    assert notices == ["b: resampled from 8000 to 16000 Hz."]


@pytest.mark.parametrize(("stem_channels", "n_channels"), [(2, 2), (1, 1), (6, 1)])
def test_channels_stay_only_if_all_have_as_many(stem_channels: int, n_channels: int) -> None:
    layout, notices = agree(
        references=[track("a", n_channels=2)],
        stems=[track("b", n_channels=stem_channels)],
        mix=None,
        strict=False,
    )
    assert layout.n_channels == n_channels
    assert bool(notices) == (n_channels == 1)


def test_the_mix_follows_the_others() -> None:
    layout, notices = agree(
        references=[track("a", n_channels=2)],
        stems=[track("b", n_channels=2)],
        mix=track("m", 44_100, 100, 1),
        strict=False,
    )
    assert layout == Layout(sample_rate_hz=8_000, n_samples=8_000, n_channels=2)
    assert notices[-1] == "m: its 1 channel(s) become their mean in 2 channels."


def test_strictness_refuses_the_first_change() -> None:
    with pytest.raises(InputError, match=r"^b: cut by 1 samples .* With --strict that is an error"):
        agree(references=[track("a")], stems=[track("b", n_samples=8_001)], mix=None, strict=True)
