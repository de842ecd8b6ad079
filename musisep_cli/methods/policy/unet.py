"""U-Net over the frequency axis of one time frame (paper, Section 3.2.2).

Axes: ``b`` batch, ``c`` channels, ``f`` bins.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn

from musisep_cli.methods.policy.row_layers import (
    Down,
    Readout,
    RowConvolution,
    TransposedRowConvolution,
    Up,
    images_of,
    rectified,
)

CHUNK_NUMBERS = 2**22
"""Most numbers in a layer at full resolution on a CPU, 16 MiB of float32; limits how many rows go
through the network at once. Larger tensors leave the cache, and the allocator takes them from the
system and gives them back every time."""
ALL_AT_ONCE = 2**60
"""More numbers than any layer has: rows are not divided into chunks."""


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """Size of the network (Section 3.2.2)."""

    base_channels: int = 80
    """Number of channels of the first level; level l = 1, 2, ... has l times as many."""
    strides: tuple[int, ...] = (4, 4, 4, 4, 4, 3, 2)
    """Strides of the convolutions in bins; their product is the largest number of bins."""
    kernel: int = 5
    """Width of the strided convolutions in positions, odd."""


class UNet(nn.Module):
    """Strided convolutions down to one position, transposed ones back, skips by concatenation.

    The decoder mirrors the encoder's channels. Any number of bins goes in: every level has
    ceil(n / stride) positions, and the way back crops to the size of the skip it meets. One more
    input channel holds the frequency of the bin (CoordConv). Glorot start weights, zero biases.

    Departs from the paper, with ``in_bfloat16``: all layers but the last compute in this type, of
    float32's range with 8 significant bits, and sum in float32 inside. The weights stay float32
    and are cast for every pass; the last layer's outputs are float32.

    Shape: ``[b, n_inputs, f]`` -> ``[b, n_outputs, f]``.

    >>> net = UNet(NetworkConfig(), n_inputs=14, n_outputs=18)
    >>> sum(p.numel() for p in net.parameters())
    11689040
    """

    coordinate: Tensor

    def __init__(
        self, config: NetworkConfig, *, n_inputs: int, n_outputs: int, in_bfloat16: bool = False
    ) -> None:
        super().__init__()
        self.in_bfloat16, self.kernel = in_bfloat16, config.kernel
        self._passes: dict[int, _Pass] | None = None
        # Level l has l times the base channels; the first also takes the coordinate channel.
        channels = [config.base_channels * level for level in range(1, len(config.strides) + 1)]
        sizes = [n_inputs + 1, *channels]
        half = config.kernel // 2
        self.down = nn.ModuleList(
            RowConvolution(before, after, config.kernel, stride, padding=half)
            for (before, after), stride in zip(pairwise(sizes), config.strides, strict=True)
        )
        # Deepest first: a level takes the images from below beside the skip of its own depth.
        below = [channels[-1], *(2 * c + config.base_channels for c in reversed(channels[:-1]))]
        self.up = nn.ModuleList(
            TransposedRowConvolution(before, after, config.kernel, stride, padding=half)
            for before, after, stride in zip(
                below, reversed(channels), reversed(config.strides), strict=True
            )
        )
        base = config.base_channels
        self.mix = nn.ModuleList(
            [RowConvolution(base + n_inputs, base, 3, padding=1), RowConvolution(base, base, 1)]
        )
        self.out = RowConvolution(base, n_outputs, 1, bias=False)
        nominal_bins = math.prod(config.strides)
        self.register_buffer(
            "coordinate", torch.linspace(0.01, 0.0, nominal_bins), persistent=False
        )
        for module in self.modules():
            if isinstance(module, nn.Conv1d | nn.ConvTranspose1d):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
                # Laid out like the images, the weights need no copy forwards, nor their gradients
                # backwards; their shapes, and so their files, are those of Conv1d.
                module.weight.data = images_of(module.weight.data).squeeze(2)

    def forward(self, spectra: Tensor) -> Tensor:
        n_bins = spectra.shape[-1]
        if spectra.device.type != "cpu":
            return self._pass(n_bins)(spectra)
        if self.in_bfloat16 and torch.is_grad_enabled():
            # The deep levels have many weights and gradients of weights; with all rows together
            # they are read and written once. Without gradients this does not pay; in float32 it
            # pays a little, but would change the last bits of earlier results.
            return _Pass(self, n_bins, CHUNK_NUMBERS)(spectra)
        numbers_per_row = self.out.in_channels * n_bins
        n_chunks = _n_chunks(len(spectra) * numbers_per_row, CHUNK_NUMBERS)
        chunk = self._pass(n_bins)
        return torch.cat([chunk(rows) for rows in spectra.chunk(n_chunks)])

    def _pass(self, n_bins: int) -> _Pass:
        """Return a pass over rows of so many bins, a cached one within ``unchanged``."""
        if self._passes is None:
            return _Pass(self, n_bins, ALL_AT_ONCE)
        if n_bins not in self._passes:
            self._passes[n_bins] = _Pass(self, n_bins, ALL_AT_ONCE)
        return self._passes[n_bins]

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Cast the weights once for all passes inside, which must not change them.

        For passes without gradients.
        """
        self._passes = {}
        try:
            yield
        finally:
            self._passes = None

    def levels(self) -> Iterator[tuple[RowConvolution, TransposedRowConvolution]]:
        """Yield the convolution down and the transposed one up of every level, from the top."""
        for down, up in zip(self.down, reversed(self.up), strict=True):
            yield cast(RowConvolution, down), cast(TransposedRowConvolution, up)

    def dtype_of(self, n_positions: int) -> torch.dtype:
        """Return the type in which the layers around a level of so many positions compute.

        A level with no more positions than the kernel has taps computes in the weights' own type:
        some taps see no image then, and as their gradient in bfloat16 oneDNN 3.12 returns whatever
        the memory held before.
        """
        wide = n_positions > max(self.kernel, 3)
        return torch.bfloat16 if self.in_bfloat16 and wide else self.out.weight.dtype

    def _coordinates(self, spectra: Tensor) -> Tensor:
        """Return the CoordConv channel: one value per frequency, however many bins there are."""
        n_bins = spectra.shape[-1]
        if n_bins > len(self.coordinate):
            raise ValueError(
                f"{n_bins} bins given, the network holds at most {len(self.coordinate)}"
            )
        return self.coordinate[:n_bins].to(spectra.dtype).expand(spectra.shape[0], 1, -1)


@dataclass(frozen=True)
class _Level:
    """The layers from a level's images down and back up, and the type they compute in."""

    dtype: torch.dtype
    down: Down
    up: Up


class _Pass:
    """One pass of a network over rows of a number of bins, its weights cast once.

    Args:
        net: the network.
        n_bins: number of bins of the rows.
        at_once: most numbers in a layer; it limits how many rows a level takes at once.
    """

    def __init__(self, net: UNet, n_bins: int, at_once: float) -> None:
        self.net, self.at_once = net, at_once
        self.levels: list[_Level] = []
        n_positions = n_bins
        for down, up in net.levels():
            dtype = net.dtype_of(n_positions)
            self.levels.append(_Level(dtype, down.computed_in(dtype), up.computed_in(dtype)))
            n_positions = math.ceil(n_positions / down.stride[0])
        top: Iterable[Any] = net.mix
        self.mix: list[Down] = [layer.computed_in(self.levels[0].dtype) for layer in top]

    def __call__(self, spectra: Tensor) -> Tensor:
        """Return the outputs ``[b, n_outputs, f]`` of rows ``[b, n_inputs, f]``."""
        # The skip of the top level is the input itself, without the coordinate.
        located = torch.cat([spectra, self.net._coordinates(spectra)], 1)
        image, skip = (images_of(rows.to(self.levels[0].dtype)) for rows in (located, spectra))
        return _joined([self._outputs(level) for level in self._around(0, image, skip)])

    def _around(self, depth: int, image: Tensor, skip: Tensor) -> Iterator[Tensor]:
        """Go down from a level's images and back up; yield them beside its skip, chunk by chunk."""
        level = self.levels[depth]
        numbers_per_row = self.net.out.in_channels * (depth + 1) * image.shape[-1]
        n_chunks = _n_chunks(len(image) * numbers_per_row, self.at_once)
        images, skips = (_split(rows.to(level.dtype), n_chunks) for rows in (image, skip))
        # Down; through all deeper levels; and up again, beside the skip of this level.
        below = _joined([rectified(level.down(rows)) for rows in images])
        if depth + 1 < len(self.levels):
            below = _joined(list(self._around(depth + 1, below, below)))
        for rows, beside in zip(_split(below.to(level.dtype), n_chunks), skips, strict=True):
            above = rectified(level.up(rows, beside.shape[-1]))
            yield torch.cat([above, beside], 1)

    def _outputs(self, image: Tensor) -> Tensor:
        """Return the outputs of images at full resolution."""
        for layer in self.mix:
            image = rectified(layer(image))
        if image.dtype == torch.bfloat16:
            outputs: Tensor = Readout.apply(image, self.net.out.weight)  # type: ignore[no-untyped-call]
            return outputs
        return self.net.out.computed_in(image.dtype)(image).squeeze(2).contiguous()


def _n_chunks(numbers: int, at_once: float) -> int:
    """Return into how many chunks so many numbers are divided."""
    return max(1, math.ceil(numbers / at_once))


def _split(rows: Tensor, n_chunks: int) -> list[Tensor]:
    """Return rows in chunks; a single one is the rows themselves, not a view of them."""
    return [rows] if n_chunks == 1 else list(rows.chunk(n_chunks))


def _joined(chunks: list[Tensor]) -> Tensor:
    """Return chunks as one, a single one as it is."""
    return chunks[0] if len(chunks) == 1 else torch.cat(chunks)
