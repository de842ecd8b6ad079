"""Weights: the file's round trip, what is refused, and that the shipped ones fit the preset."""

from importlib import resources
from pathlib import Path

import pytest
import torch
from safetensors.torch import load as parse
from safetensors.torch import save as serialise
from torch.testing import assert_close

from musisep_cli.errors import ConfigError
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.methods.policy.limits import MAX_WARM_INSTRUMENTS
from musisep_cli.methods.policy.rollout import Policy, PolicyConfig
from musisep_cli.methods.policy.separate import new_policy
from musisep_cli.methods.policy.warmstart.weights import BUILTIN, WarmstartConfig, load, save
from musisep_cli.run.settings.compose import compose
from musisep_cli.run.settings.config import Config
from tests.small import seeded, small_policy

MAX_SHIPPED_BYTES = 15_000_000
RATES_HZ = (8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000, 96_000, 192_000)
BY_TIMBRE = PolicyConfig(instrument_by="timbre", lifted_input=True)


def policy(n_instruments: int = 2, *, base_channels: int = 4, seed: int = 0) -> Policy:
    return small_policy(n_instruments, BY_TIMBRE, base_channels=base_channels, seed=seed).float()


def from_file(path: Path | str) -> WarmstartConfig:
    return WarmstartConfig(weights=str(path))


def standard(n_instruments: int) -> Config:
    return compose("standard", {"run": {"instruments": n_instruments}})


def refusal(path: Path | str, into: Policy) -> str:
    with pytest.raises(ConfigError) as caught:
        load(into, from_file(path))
    message = str(caught.value)
    assert len(message.splitlines()) <= 2
    assert str(path) in message
    return message


def test_weights_come_back_as_half_precision_numbers(tmp_path: Path) -> None:
    path = tmp_path / "tones.safetensors"
    source, target = policy(seed=1), policy(seed=2)
    save(source, path)
    load(target, from_file(path))
    for name, value in source.state_dict().items():
        loaded = target.state_dict()[name]
        assert loaded.dtype == torch.float32
        assert_close(loaded, value.half().float(), atol=0, rtol=0)
        assert_close(loaded, value, atol=1e-7, rtol=2**-11)
    stored = parse(path.read_bytes())
    assert {value.dtype for value in stored.values()} == {torch.float16}
    assert path.stat().st_size < 2.5 * sum(value.numel() for value in stored.values()) + 10_000


def test_saved_twice_are_the_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save(policy(), first)
    save(policy(), second)
    assert first.read_bytes() == second.read_bytes()


def test_the_policy_keeps_its_own_precision(tmp_path: Path) -> None:
    path = tmp_path / "tones.safetensors"
    save(policy(seed=1), path)
    target = policy(seed=2).double()
    load(target, from_file(path))
    assert {value.dtype for value in target.state_dict().values()} == {torch.float64}


def test_one_file_serves_any_number_of_instruments(tmp_path: Path) -> None:
    path = tmp_path / "tones.safetensors"
    save(policy(1), path)
    for n_instruments in (1, 2, 3, 4):
        load(policy(n_instruments), from_file(path))


def test_a_network_of_another_size_is_refused_and_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "tones.safetensors"
    save(policy(base_channels=6), path)
    target = policy(base_channels=4, seed=3)
    before = {name: value.clone() for name, value in target.state_dict().items()}
    assert "another size" in refusal(path, target)
    for name, value in target.state_dict().items():
        assert_close(value, before[name], atol=0, rtol=0)


def test_a_network_that_chooses_the_instrument_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tones.safetensors"
    save(policy(), path)
    refusal(path, small_policy(2, PolicyConfig()))


def test_other_names_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    path.write_bytes(serialise({"a": torch.zeros(2)}))
    refusal(path, policy())


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "none.safetensors", policy())


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path, policy())


@pytest.mark.parametrize(
    "content",
    [b"", b"no weights at all", b"\x00" * 64, b"\xff" * 64, b"\x02" + b"\x00" * 7 + b"{}"],
)
def test_what_is_no_safetensors_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "wrong.safetensors"
    path.write_bytes(content)
    refusal(path, policy())


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tones.safetensors"
    save(policy(), path)
    path.write_bytes(path.read_bytes()[:-100])
    assert "not a safetensors file" in refusal(path, policy())


def test_the_shipped_weights_are_small_finite_and_half_precision() -> None:
    content = (
        resources.files("musisep_cli.methods.policy") / "weights" / "tones.safetensors"
    ).read_bytes()
    assert len(content) < MAX_SHIPPED_BYTES
    for name, value in parse(content).items():
        assert value.dtype == torch.float16, name
        assert bool(torch.isfinite(value).all()), name


@pytest.mark.parametrize("n_instruments", range(1, MAX_WARM_INSTRUMENTS + 1))
def test_the_shipped_weights_fit_the_standard_preset_at_every_rate(n_instruments: int) -> None:
    config = standard(n_instruments)
    assert config.settings.warmstart.weights == BUILTIN
    for rate_hz in RATES_HZ:
        with seeded(0):
            started = new_policy(
                config.settings, n_instruments, GaborFrame(config.settings.frame, rate_hz)
            )
        load(started, config.settings.warmstart)


@pytest.mark.parametrize("rate_hz", [8_000, 192_000])
def test_the_shipped_network_finds_tones_at_the_lowest_and_the_highest_rate(rate_hz: int) -> None:
    config = standard(1)
    frame = GaborFrame(config.settings.frame, rate_hz)
    with seeded(0):
        started = new_policy(config.settings, 1, frame)
        load(started, config.settings.warmstart)
        # A tone of 440 Hz with harmonics that fall by a half, of an RMS of about 0.1.
        time_s = torch.arange(2 * frame.n_fft) / rate_hz
        h = torch.arange(1, 9)[:, None]
        tone = (0.2 * 0.5**h * torch.cos(2 * torch.pi * 440 * h * time_s)).sum(0)
        spectrum = frame.analyse(tone, torch.tensor([frame.n_fft]))[:, : frame.n_network_bins]
        explanation, _ = started.predict(spectrum, torch.ones(25, 1))
    assert float(explanation.tones.f0_bins) * frame.bin_hz == pytest.approx(440, rel=0.01)


def test_more_instruments_than_the_warm_start_serves_are_refused() -> None:
    with pytest.raises(ConfigError, match="warm start serves 1 to 4"):
        compose(
            "quick",
            {"run": {"instruments": MAX_WARM_INSTRUMENTS + 1}, "warmstart": {"weights": BUILTIN}},
        )
