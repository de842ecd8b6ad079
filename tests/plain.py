"""Fast parts of the policy written plainly: oracles, and what the benchmark compares with."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from musisep_cli.methods.policy.unet import UNet
from musisep_cli.tones.peaks import SMALLEST_SQUARE, harmonic_positions

TIKHONOV = 1e-3


def _way_back(layer: nn.ConvTranspose1d, level: Tensor, skip: Tensor) -> tuple[int, int, int]:
    """Stride and padding, and how many positions the plain result is short of the skip's."""
    (kernel,), (stride,), half = layer.kernel_size, layer.stride, int(layer.padding[0])
    return stride, half, skip.shape[-1] - ((level.shape[-1] - 1) * stride - 2 * half + kernel)


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
        stride, half, missing = _way_back(layer, level, skip)
        level = functional.conv_transpose1d(
            level, layer.weight, layer.bias, stride, half, missing
        ).relu()
        level = torch.cat([level, skip], 1)
    for layer in net.mix:
        level = torch.relu(functional.conv1d(level, layer.weight, layer.bias, 1, layer.padding))
    return functional.conv1d(level, net.out.weight)


def unet_of_images(net: UNet, spectra: Tensor) -> Tensor:
    """The same with channels last in memory: what ``UNet`` computes in float32, to the bit.

    It holds for as many rows as go through the network at once.
    """

    def images(rows: Tensor) -> Tensor:
        return rows.unsqueeze(2).contiguous(memory_format=torch.channels_last)

    coordinate = net.coordinate[: spectra.shape[-1]].to(spectra.dtype)
    level = images(torch.cat([spectra, coordinate.expand(len(spectra), 1, -1)], 1))
    skips = [images(spectra)]
    for layer in net.down:
        (stride,), (half,) = layer.stride, layer.padding
        weight = layer.weight.unsqueeze(2)
        level = functional.conv2d(level, weight, layer.bias, (1, stride), (0, half)).relu()
        skips.append(level)
    level = skips.pop()
    for layer in net.up:
        skip = skips.pop()
        stride, half, missing = _way_back(layer, level, skip)
        weight, steps = layer.weight.unsqueeze(2), (1, stride)
        level = functional.conv_transpose2d(
            level, weight, layer.bias, steps, (0, half), (0, missing)
        ).relu()
        level = torch.cat([level, skip], 1)
    for layer in net.mix:
        weight, half = layer.weight.unsqueeze(2), layer.padding[0]
        level = functional.conv2d(level, weight, layer.bias, 1, (0, half)).relu()
    return functional.conv2d(level, net.out.weight.unsqueeze(2)).squeeze(2)


def magnitude(values: Tensor) -> Tensor:
    """``tones.magnitude``, as the sum of two squares."""
    return (torch.view_as_real(values).square().sum(-1) + SMALLEST_SQUARE).sqrt()


def radial_distance(reference: Tensor, estimate: Tensor) -> Tensor:
    """``distance.radial_distance``, bin by bin."""
    return torch.view_as_real(reference - estimate).square().sum(-1).mean(-1)


def harmonics_and_widths(n_tones: int) -> tuple[Tensor, Tensor]:
    """Positions [k, h] of 25 harmonics well inside 3072 bins, and ideal widths [k]."""
    f0_bins = torch.linspace(20, 110, n_tones)
    return harmonic_positions(f0_bins, torch.zeros(n_tones), 25), torch.full((n_tones,), 1.91)


def direct_spectra(spectra: Tensor) -> Tensor:
    """Least-squares harmonics (Eq. 17) and their spectra [k, f], peaks evaluated at all bins."""
    positions, widths = harmonics_and_widths(len(spectra))
    bins = torch.arange(spectra.shape[-1])
    distance = (bins - positions[..., None]) / widths[:, None, None]  # k, h, f
    peaks = torch.exp(-0.5 * distance.square())
    matrix = peaks @ peaks.mT + TIKHONOV * torch.eye(positions.shape[-1])
    peaks = peaks.to(spectra.dtype)
    right = peaks @ spectra[..., None]
    coefficients = torch.linalg.solve(matrix.to(spectra.dtype), right)
    return (peaks.mT @ coefficients)[..., 0]
