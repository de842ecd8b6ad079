"""Recorded: work of a GPU that is recorded once and then started as a whole.

A training step is some three thousand operations; to start each by itself takes a GPU's host longer
than the GPU takes for it. A CUDA graph is the list of them, with the addresses of all numbers in
it: one call starts them all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import torch
from torch import Tensor

from musisep_cli.machine.device import random_state, set_random_state

Result = TypeVar("Result")

N_WARM_UPS = 3
"""As often a function is called before it is recorded: libraries set themselves up in the first
calls, and nothing of that may be part of a graph."""


class Recorded(Generic[Result]):
    """A function of a tensor on a GPU that is played back from its second call on.

    It must be the same operations every time: nothing in it reads a number, and no shape and no
    branch depends on one. Tensors that it holds on to, as weights, are to change in place. Random
    numbers go on from call to call as they would without.

    The result is the same memory every time: the next call overwrites it.

    Args:
        function: what is recorded.
    """

    def __init__(self, function: Callable[[Tensor], Result]) -> None:
        self.function = function
        self.take: _Take[Result] | None = None

    def __call__(self, argument: Tensor) -> Result:
        """The function's result; arguments after the first one have to be of its shape."""
        if self.take is None:
            self.take = _Take(self.function, argument)
        return self.take.play(argument)


class _Take(Generic[Result]):
    """One recording: its graph, and where argument and result lie."""

    def __init__(self, function: Callable[[Tensor], Result], argument: Tensor) -> None:
        self.argument = argument.clone()
        device = argument.device
        random = random_state(device)
        with torch.cuda.device(device):
            # Not in the stream that all else is in, which cannot be recorded.
            aside = torch.cuda.Stream()
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                for _ in range(N_WARM_UPS):
                    function(self.argument)
            torch.cuda.current_stream().wait_stream(aside)
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self.result = function(self.argument)
        set_random_state(random, device)

    def play(self, argument: Tensor) -> Result:
        if argument.shape != self.argument.shape:
            raise ValueError(f"recorded with {self.argument.shape}, called with {argument.shape}")
        self.argument.copy_(argument)
        self.graph.replay()
        return self.result
