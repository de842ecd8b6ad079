"""CUDA graph: work of a GPU that is captured once and then started with one call.

A training step is some three thousand operations, and the CPU takes longer to start them one by one
than the GPU takes to compute them. A CUDA graph is the list of these operations together with the
memory addresses of all their numbers: one call starts them all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import torch
from torch import Tensor

from musisep_cli.machine.device import random_state, set_random_state

Result = TypeVar("Result")

N_WARM_UPS = 3
"""Number of calls before the capture: libraries set themselves up in their first calls, and nothing
of that may become part of the graph."""


class Recorded(Generic[Result]):
    """A function of a tensor on a GPU, captured at its first call and replayed at every call.

    The function must do the same operations every time: it reads no number back to the CPU, and no
    shape and no branch depends on the values. Tensors that it keeps, such as weights, must be
    changed in place, since the graph knows their addresses. Random numbers go on from call to call
    as they would without a graph.

    Every call returns the same memory: the next call overwrites the result.

    Args:
        function: the function that is captured.
    """

    def __init__(self, function: Callable[[Tensor], Result]) -> None:
        self.function = function
        self.take: _Take[Result] | None = None

    def __call__(self, argument: Tensor) -> Result:
        """Return the function's result for this argument.

        Args:
            argument: a tensor on the GPU, of the same shape in every call.

        Raises:
            ValueError: the shape is another than that of the first call.
        """
        if self.take is None:
            self.take = _Take(self.function, argument)
        return self.take.play(argument)


class _Take(Generic[Result]):
    """One captured graph, and the tensors in which its argument and its result lie."""

    def __init__(self, function: Callable[[Tensor], Result], argument: Tensor) -> None:
        self.argument = argument.clone()
        device = argument.device
        random = random_state(device)
        with torch.cuda.device(device):
            # The warm-up runs in a stream of its own: the default stream cannot be captured.
            aside = torch.cuda.Stream()
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                for _ in range(N_WARM_UPS):
                    function(self.argument)
            torch.cuda.current_stream().wait_stream(aside)
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self.result = function(self.argument)
        # The warm-up and the capture have drawn random numbers that the caller must not miss.
        set_random_state(random, device)

    def play(self, argument: Tensor) -> Result:
        """Copy the argument to its place, replay the graph, and return the result's tensor."""
        if argument.shape != self.argument.shape:
            raise ValueError(f"recorded with {self.argument.shape}, called with {argument.shape}")
        self.argument.copy_(argument)
        self.graph.replay()
        return self.result
