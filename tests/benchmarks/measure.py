"""CPU time of pieces of work, what they compute and move, and what the machine can do at most."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

Run = Callable[[], object]


def cpu_s(runs: Mapping[str, Run], *, budget_s: float = 4.0, least: int = 2) -> dict[str, float]:
    """Least CPU time of each, measured in turns so that all see the same neighbours.

    The least and not the mean: on a shared machine everything else only adds.
    """
    for run in runs.values():
        run()
    best = dict.fromkeys(runs, float("inf"))
    start, n_rounds = time.process_time(), 0
    while n_rounds < least or time.process_time() - start < budget_s:
        n_rounds += 1
        for name, run in runs.items():
            before = time.process_time()
            run()
            best[name] = min(best[name], time.process_time() - before)
    return best


@dataclass(frozen=True)
class Work:
    """Operations (two per multiply-add, convolutions and matrix products only) and bytes.

    Bytes are those of every operation's inputs and outputs, views left out: what would move if
    no cache held anything.
    """

    operations: float = 0.0
    bytes: float = 0.0

    def __sub__(self, other: "Work") -> "Work":
        return Work(self.operations - other.operations, self.bytes - other.bytes)


class _Counter(TorchDispatchMode):
    operations = 0
    bytes = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        count = flop_registry.get(func.overloadpacket)
        if count is not None:
            self.operations += count(*args, **kwargs, out_val=result)
        if not func.is_view:
            tensors = [
                leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor)
            ]
            self.bytes += sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        return result


def work(run: Run) -> Work:
    """What one run computes and moves."""
    with _Counter() as counter:
        run()
    return Work(counter.operations, counter.bytes)


@dataclass(frozen=True)
class Ceiling:
    """The machine's own best rates through PyTorch, in this process, with its threads."""

    matrix: float
    """Operations per second of the best square matrix product."""
    convolution: float
    """The same of the best convolution in float32."""
    convolution_bfloat16: float
    """The same in bfloat16."""
    copy: float
    """Bytes per second, read and written, of copying more than the caches hold."""


def ceiling() -> Ceiling:
    """Largest rates over a few sizes."""
    rates = []
    for n in (512, 1024):
        a, b = torch.randn(n, n), torch.randn(n, n)
        rates.append(2 * n**3 / cpu_s({"": lambda a=a, b=b: a @ b}, budget_s=1)[""])
    source = torch.randn(2**25)
    target = torch.empty_like(source)
    copied = 2 * source.numel() * source.element_size()
    copy_s = cpu_s({"": lambda: target.copy_(source)}, budget_s=1)[""]
    convolutions = (_convolution_rate(dtype) for dtype in (torch.float32, torch.bfloat16))
    return Ceiling(max(rates), *convolutions, copied / copy_s)


def _convolution_rate(dtype: torch.dtype) -> float:
    """Operations per second of the best convolution in this type."""
    rates = []
    for channels in (64, 128):
        image, weight = (
            torch.randn(*shape).to(dtype).contiguous(memory_format=torch.channels_last)
            for shape in ((8, channels, 1, 3072), (channels, channels, 1, 5))
        )

        def convolve(image: Tensor = image, weight: Tensor = weight) -> Tensor:
            return functional.conv2d(image, weight, padding=(0, 2))

        rates.append(2 * 8 * channels**2 * 5 * 3072 / cpu_s({"": convolve}, budget_s=1)[""])
    return max(rates)
