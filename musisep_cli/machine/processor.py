"""Processor: which instructions the CPU's convolutions may use, by what it has and by the limits.

``ONEDNN_MAX_CPU_ISA`` limits oneDNN, which computes the convolutions, and ``ATEN_CPU_CAPABILITY``
PyTorch's own operations: with both set to AVX2, a newer processor is measured as an older one.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import torch

WIDE = ("AVX512", "AVX10", "DEFAULT", "ALL")
"""Beginnings of the values of ``ONEDNN_MAX_CPU_ISA`` that allow instructions beyond AVX2."""
BFLOAT16 = ("AVX512_CORE_BF16", "AVX512_CORE_FP16", "AVX512_CORE_AMX", "AVX10", "DEFAULT", "ALL")
"""Beginnings of those that allow instructions for bfloat16."""


def multiplies_bfloat16() -> bool:
    """Return whether the processor may use AVX512_BF16; False with PyTorch before 2.10."""
    capabilities: Callable[[], dict[str, object]] = getattr(torch.cpu, "get_capabilities", dict)
    return bool(capabilities().get("avx512_bf16", False)) and _allowed(BFLOAT16)


def stops_at_avx2() -> bool:
    """Return whether convolutions have AVX2 and nothing beyond it, as on most laptops.

    Of other kinds of processors nothing is known here: for them it is False.
    """
    most = torch.backends.cpu.get_cpu_capability()
    return most == "AVX2" or (most == "AVX512" and not _allowed(WIDE))


def _allowed(beginnings: tuple[str, ...]) -> bool:
    """Return whether oneDNN's limit begins with one of these, or is not set."""
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", os.environ.get("DNNL_MAX_CPU_ISA", ""))
    return limit.upper().startswith(beginnings) or not limit
