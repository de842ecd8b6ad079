"""Device: the number format that is chosen by the processor."""

from types import MappingProxyType

import pytest
import torch

from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.machine.device import of_seed, resolve_precision
from musisep_cli.methods.policy.separate import new_policy
from musisep_cli.run.settings.compose import compose, resolved
from musisep_cli.run.settings.config import RunConfig

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
WITH, WITHOUT = MappingProxyType({"avx512_bf16": True}), MappingProxyType({"avx512_bf16": False})


def pretend(patch: pytest.MonkeyPatch, capabilities: MappingProxyType[str, bool]) -> None:
    patch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    patch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)


def test_automatically_it_is_bfloat16_where_the_processor_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pretend(monkeypatch, WITH)
    assert resolve_precision("auto", CPU) == "bfloat16"
    assert resolve_precision("auto", CUDA) == "float32"
    pretend(monkeypatch, WITHOUT)
    assert resolve_precision("auto", CPU) == "float32"


@pytest.mark.parametrize("capabilities", [MappingProxyType({}), None])
def test_a_machine_or_a_torch_that_does_not_say_computes_in_float32(
    monkeypatch: pytest.MonkeyPatch, capabilities: MappingProxyType[str, bool] | None
) -> None:
    if capabilities is None:
        monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    else:
        pretend(monkeypatch, capabilities)
    assert resolve_precision("auto", CPU) == "float32"


def test_without_onednn_bfloat16_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, WITH)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert resolve_precision("auto", CPU) == "float32"


@pytest.mark.parametrize("capabilities", [WITH, WITHOUT])
@pytest.mark.parametrize("device", [CPU, CUDA])
def test_what_is_asked_for_is_taken(
    monkeypatch: pytest.MonkeyPatch, capabilities: MappingProxyType[str, bool], device: torch.device
) -> None:
    pretend(monkeypatch, capabilities)
    assert resolve_precision("float32", device) == "float32"
    assert resolve_precision("bfloat16", device) == "bfloat16"


def test_a_wide_kernel_is_computed_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, WITH)
    assert resolved(compose("paper", {"network": {"kernel": 7}}), CPU).run.precision == "float32"


def test_the_settings_name_what_was_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    config = compose("paper")
    assert config.run.precision == RunConfig().precision == "auto"
    for capabilities, name in ((WITH, "bfloat16"), (WITHOUT, "float32")):
        pretend(monkeypatch, capabilities)
        found = resolved(config, CPU)
        assert found.run.precision == name
        assert resolved(found, CPU) == found
        policy = new_policy(
            found.settings, 2, GaborFrame(found.settings.frame, 48_000), found.run.precision
        )
        assert policy.unet.in_bfloat16 == (name == "bfloat16")


def test_seeds_take_turns_on_all_gpus_unless_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert [of_seed(CUDA, seed).index for seed in range(5)] == [0, 1, 2, 0, 1]
    assert of_seed(torch.device("cuda:2"), 0).index == 2
    assert of_seed(CPU, 4) == CPU
