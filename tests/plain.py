"""Fast parts of the policy written plainly: oracles, and what the benchmark compares with."""

import torch
from torch import Tensor
from torch.nn import functional

from musisep_cli.policy.unet import UNet


def unet(net: UNet, spectra: Tensor) -> Tensor:
    """``UNet.forward``, layer by layer on all rows [b, c, f] at once, channels first."""
    coordinate = net.coordinate[: spectra.shape[-1]].to(spectra.dtype)
    level = torch.cat([spectra, coordinate.expand(len(spectra), 1, -1)], 1)
    skips = [spectra]
    for layer in net.down:
        level = functional.conv1d(level, layer.weight, layer.bias, layer.stride, layer.padding)
        level = torch.relu(level)
        skips.append(level)
    level = skips.pop()
    for layer in net.up:
        skip = skips.pop()
        (kernel,), (stride,), (half,) = layer.kernel_size, layer.stride, layer.padding
        missing = skip.shape[-1] - ((level.shape[-1] - 1) * stride - 2 * half + kernel)
        level = functional.conv_transpose1d(
            level, layer.weight, layer.bias, stride, half, missing
        ).relu()
        level = torch.cat([level, skip], 1)
    for layer in net.mix:
        level = torch.relu(functional.conv1d(level, layer.weight, layer.bias, 1, layer.padding))
    return functional.conv1d(level, net.out.weight)
