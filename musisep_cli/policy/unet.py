"""U-Net over the frequency axis of one time frame (paper, Section 3.2.2).

Axes: ``b`` batch, ``c`` channels, ``f`` bins.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """Size of the network (Section 3.2.2)."""

    base_channels: int = 80
    """Level l = 1, 2, ... has l * base_channels channels."""
    strides: tuple[int, ...] = (4, 4, 4, 4, 4, 3, 2)
    """Steps of the convolutions; their product is the nominal number of bins."""
    kernel: int = 5
    """Width of the strided convolutions, odd."""


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
            nn.Conv1d(before, after, config.kernel, stride, padding=half)
            for (before, after), stride in zip(pairwise(sizes), config.strides, strict=True)
        )
        # Deepest first: a level takes what comes from below beside the skip from its own depth.
        below = [channels[-1], *(2 * c + config.base_channels for c in reversed(channels[:-1]))]
        self.up = nn.ModuleList(
            nn.ConvTranspose1d(before, after, config.kernel, stride, padding=half)
            for before, after, stride in zip(
                below, reversed(channels), reversed(config.strides), strict=True
            )
        )
        base = config.base_channels
        self.mix = nn.ModuleList(
            [nn.Conv1d(base + n_inputs, base, 3, padding=1), nn.Conv1d(base, base, 1)]
        )
        self.out = nn.Conv1d(base, n_outputs, 1, bias=False)
        nominal_bins = math.prod(config.strides)
        self.register_buffer(
            "coordinate", torch.linspace(0.01, 0.0, nominal_bins), persistent=False
        )
        for module in self.modules():
            if isinstance(module, nn.Conv1d | nn.ConvTranspose1d):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, spectra: Tensor) -> Tensor:
        skips = [spectra]
        level = torch.cat([spectra, self._coordinates(spectra)], 1)
        for convolution in self.down:
            level = torch.relu(convolution(level))
            skips.append(level)
        level = skips.pop()
        for convolution in self.up:
            skip = skips.pop()
            level = torch.relu(convolution(level, output_size=skip.shape[-1:]))
            level = torch.cat([level, skip], 1)
        for convolution in self.mix:
            level = torch.relu(convolution(level))
        outputs: Tensor = self.out(level)
        return outputs

    def _coordinates(self, spectra: Tensor) -> Tensor:
        """The CoordConv channel: the same value at the same frequency, however many bins."""
        n_bins = spectra.shape[-1]
        if n_bins > len(self.coordinate):
            raise ValueError(
                f"{n_bins} bins given, the network holds at most {len(self.coordinate)}"
            )
        return self.coordinate[:n_bins].to(spectra.dtype).expand(spectra.shape[0], 1, -1)
