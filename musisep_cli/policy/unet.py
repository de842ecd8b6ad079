"""U-Net over the frequency axis of one time frame (paper, Section 3.2.2).

Axes: ``b`` batch, ``c`` channels, ``f`` bins.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

CHUNK_NUMBERS = 2**22
"""On a CPU as many rows go through the network at once as keep a layer at full resolution below
this: 16 MiB of float32. Larger tensors leave the cache, and the allocator takes them from the
system and gives them back every time."""


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """Size of the network (Section 3.2.2)."""

    base_channels: int = 80
    """Level l = 1, 2, ... has l * base_channels channels."""
    strides: tuple[int, ...] = (4, 4, 4, 4, 4, 3, 2)
    """Steps of the convolutions; their product is the nominal number of bins."""
    kernel: int = 5
    """Width of the strided convolutions, odd."""


class RowConvolution(nn.Conv1d):
    """A ``Conv1d`` of images of height 1, ``[b, c, 1, f]``, whose channels are last in memory.

    In that layout oneDNN multiplies all channels of a position without reordering them first, in
    the gradients too; ``Conv1d`` itself has no such path.
    """

    def forward(self, image: Tensor) -> Tensor:
        weight = self.weight.unsqueeze(2)
        return functional.conv2d(image, weight, self.bias, (1, *self.stride), (0, *self.padding))


class TransposedRowConvolution(nn.ConvTranspose1d):
    """A ``ConvTranspose1d`` in the same way; ``output_size`` holds the number of positions."""

    def forward(self, image: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        (kernel,), (stride,), padding = self.kernel_size, self.stride, int(self.padding[0])
        shortest = (image.shape[-1] - 1) * stride - 2 * padding + kernel
        missing = output_size[0] - shortest if output_size else 0
        weight = self.weight.unsqueeze(2)
        return functional.conv_transpose2d(
            image, weight, self.bias, (1, stride), (0, padding), (0, missing)
        )


class UNet(nn.Module):
    """Strided convolutions down to one position, transposed ones back, skips by concatenation.

    The decoder mirrors the encoder's channels. Any number of bins goes in: every level has
    ceil(n / stride) positions, and the way back crops to the size of the skip it meets. One more
    input channel holds the frequency of the bin (CoordConv). Glorot start weights, zero biases.

    Shape: ``[b, n_inputs, f]`` -> ``[b, n_outputs, f]``.

    >>> net = UNet(NetworkConfig(), n_inputs=14, n_outputs=18)
    >>> sum(p.numel() for p in net.parameters())
    11689040
    """

    coordinate: Tensor

    def __init__(self, config: NetworkConfig, *, n_inputs: int, n_outputs: int) -> None:
        super().__init__()
        channels = [config.base_channels * level for level in range(1, len(config.strides) + 1)]
        sizes = [n_inputs + 1, *channels]
        half = config.kernel // 2
        self.down = nn.ModuleList(
            RowConvolution(before, after, config.kernel, stride, padding=half)
            for (before, after), stride in zip(pairwise(sizes), config.strides, strict=True)
        )
        # Deepest first: a level takes what comes from below beside the skip from its own depth.
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
                # Laid out as the images are, the weights need no copy on their way in, nor their
                # gradients on the way back; their shapes and so their files are those of Conv1d.
                module.weight.data = _images(module.weight.data).squeeze(2)

    def forward(self, spectra: Tensor) -> Tensor:
        if spectra.device.type != "cpu":
            return self._chunk(spectra)
        numbers_per_row = self.out.in_channels * spectra.shape[-1]
        n_chunks = max(1, math.ceil(len(spectra) * numbers_per_row / CHUNK_NUMBERS))
        return torch.cat([self._chunk(rows) for rows in spectra.chunk(n_chunks)])

    def _chunk(self, spectra: Tensor) -> Tensor:
        """Some rows through all layers."""
        skips = [_images(spectra)]
        level = _images(torch.cat([spectra, self._coordinates(spectra)], 1))
        for convolution in self.down:
            level = convolution(level).relu_()
            skips.append(level)
        level = skips.pop()
        for convolution in self.up:
            skip = skips.pop()
            level = convolution(level, output_size=skip.shape[-1:]).relu_()
            level = torch.cat([level, skip], 1)
        for convolution in self.mix:
            level = convolution(level).relu_()
        outputs: Tensor = self.out(level)
        return outputs.squeeze(2).contiguous()

    def _coordinates(self, spectra: Tensor) -> Tensor:
        """The CoordConv channel: the same value at the same frequency, however many bins."""
        n_bins = spectra.shape[-1]
        if n_bins > len(self.coordinate):
            raise ValueError(
                f"{n_bins} bins given, the network holds at most {len(self.coordinate)}"
            )
        return self.coordinate[:n_bins].to(spectra.dtype).expand(spectra.shape[0], 1, -1)


def _images(rows: Tensor) -> Tensor:
    """Rows ``[b, c, f]`` as images ``[b, c, 1, f]``, the channels last in memory."""
    return rows.unsqueeze(2).contiguous(memory_format=torch.channels_last)
