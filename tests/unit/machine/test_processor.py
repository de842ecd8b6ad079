"""Processor: what it may use, by what it has and by the limits of the environment."""

from types import MappingProxyType

import pytest
import torch

from musisep_cli.machine.processor import multiplies_bfloat16, stops_at_avx2


def pretend(patch: pytest.MonkeyPatch, *, most: str, bfloat16: bool, limit: str | None) -> None:
    has = MappingProxyType({"avx512_bf16": bfloat16})
    patch.setattr(torch.cpu, "get_capabilities", lambda: has, raising=False)
    patch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: most)
    for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        patch.delenv(name, raising=False)
    if limit is not None:
        patch.setenv("ONEDNN_MAX_CPU_ISA", limit)


@pytest.mark.parametrize(
    ("limit", "in_bfloat16", "at_avx2"),
    [
        (None, True, False),
        ("", True, False),
        ("DEFAULT", True, False),
        ("avx512_core_amx", True, False),
        ("AVX512_CORE_BF16", True, False),
        ("AVX512_CORE", False, False),
        ("AVX2_VNNI", False, True),
        ("AVX2", False, True),
    ],
)
def test_onednn_s_limit_counts(
    monkeypatch: pytest.MonkeyPatch, limit: str | None, in_bfloat16: bool, at_avx2: bool
) -> None:
    pretend(monkeypatch, most="AVX512", bfloat16=True, limit=limit)
    assert (multiplies_bfloat16(), stops_at_avx2()) == (in_bfloat16, at_avx2)


@pytest.mark.parametrize(
    ("most", "at_avx2"), [("AVX2", True), ("AVX512", False), ("DEFAULT", False), ("NEON", False)]
)
def test_what_the_processor_has_counts(
    monkeypatch: pytest.MonkeyPatch, most: str, at_avx2: bool
) -> None:
    pretend(monkeypatch, most=most, bfloat16=False, limit=None)
    assert (multiplies_bfloat16(), stops_at_avx2()) == (False, at_avx2)
