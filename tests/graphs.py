"""A CPU in a GPU's place: what ``torch.cuda`` has for graphs, with operations recorded and redone.

As a graph does, it keeps operations and addresses, and nothing of what Python decided on its way:
what depends on numbers that were read is played back as it was recorded.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only


class Graph:
    """Operations in order, with the tensors they read and those they gave."""

    def __init__(self) -> None:
        self.operations: list[tuple[Any, Any, Any, Any]] = []

    @torch.no_grad()
    def replay(self) -> None:
        for function, args, kwargs, given in self.operations:
            again = function(*args, **kwargs)
            for target, source in zip(tree_leaves(given), tree_leaves(again), strict=True):
                if isinstance(target, Tensor) and target.data_ptr() != source.data_ptr():
                    target.copy_(source)


@contextmanager
def recording(graph: Graph) -> Iterator[None]:
    """Operations inside become the graph's."""

    class Record(TorchDispatchMode):
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            result = func(*args, **(kwargs or {}))
            addresses = tree_map_only(Tensor, Tensor.detach, (args, kwargs or {}, result))
            graph.operations.append((func, *addresses))
            return result

    with Record():
        yield


def pretend_graphs(patch: pytest.MonkeyPatch) -> None:
    """Give ``torch.cuda`` what records on a CPU."""
    patch.setattr(torch.cuda, "CUDAGraph", Graph)
    patch.setattr(torch.cuda, "graph", recording)
    patch.setattr(torch.cuda, "Stream", Mock)
    patch.setattr(torch.cuda, "current_stream", Mock())
    patch.setattr(torch.cuda, "stream", nullcontext)
    patch.setattr(torch.cuda, "device", nullcontext)
