"""Layers of rows as images: PyTorch's own of one dimension, values and gradients."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.testing import assert_close

from musisep_cli.methods.policy.row_layers import (
    Readout,
    Rectified,
    RowConvolution,
    TransposedRowConvolution,
    images_of,
    rectified,
)
from tests.small import seeded


def noise(*shape: int) -> Tensor:
    with seeded(1):
        return torch.randn(*shape, dtype=torch.float64)


def test_channels_of_images_are_last_in_memory_and_values_stay() -> None:
    rows = noise(2, 3, 5)
    images = images_of(rows)
    assert_close(images.squeeze(2), rows, rtol=0, atol=0)
    assert images.stride(1) == 1


@pytest.mark.parametrize("stride", [1, 3, 4])
def test_a_row_convolution_is_that_of_pytorch(stride: int) -> None:
    with seeded(0):
        layer = RowConvolution(3, 4, 5, stride, padding=2).double()
    rows = noise(2, 3, 17)
    found = layer.computed_in(torch.float64)(images_of(rows))
    assert_close(found.squeeze(2), functional.conv1d(rows, layer.weight, layer.bias, stride, 2))


@pytest.mark.parametrize("n_positions", [16, 15, 13])
def test_a_transposed_row_convolution_is_that_of_pytorch_cut(n_positions: int) -> None:
    with seeded(0):
        layer = TransposedRowConvolution(3, 4, 5, 4, padding=2).double()
    rows, wanted = noise(2, 3, 4), [layer.weight, layer.bias]
    found = layer.computed_in(torch.float64)(images_of(rows), n_positions).squeeze(2)
    plain = functional.conv_transpose1d(rows, layer.weight, layer.bias, 4, 2, 3)[..., :n_positions]
    assert_close(found, plain)
    direction = noise(*plain.shape)
    for a, b in zip(
        torch.autograd.grad(found, wanted, direction),
        torch.autograd.grad(plain, wanted, direction),
        strict=True,
    ):
        assert_close(a, b)


def test_images_in_bfloat16_are_rectified_as_any_others() -> None:
    values = torch.tensor([1.5, -2.0, 0.0, -0.0, 1e-40, -1e-40, 3e38, -3e38, math.inf, -math.inf])
    leaf = torch.cat([values, noise(1, 1, 500).float().flatten()]).requires_grad_()
    image = leaf.bfloat16()
    expected = torch.relu(image)
    found = Rectified.apply(image.clone())
    assert_close(found, expected, rtol=0, atol=0)
    weights = torch.arange(len(leaf)).bfloat16()
    (wanted,) = torch.autograd.grad((expected * weights).sum(), leaf)
    (gradient,) = torch.autograd.grad((found * weights).sum(), leaf)
    assert_close(gradient, wanted, rtol=0, atol=0)


def test_images_in_float32_are_rectified_in_place() -> None:
    image = noise(2, 3, 1, 5).float()
    wanted = torch.relu(image)
    found = rectified(image)
    assert_close(found, wanted, rtol=0, atol=0)
    assert found.data_ptr() == image.data_ptr()


def test_the_readout_sums_in_float32_and_has_the_gradients_of_a_product() -> None:
    image = images_of(noise(3, 8, 5).bfloat16()).requires_grad_()
    weight = noise(2, 8, 1).float().requires_grad_()
    found = Readout.apply(image, weight)
    assert found.dtype == torch.float32
    plain = functional.conv1d(image.squeeze(2).float(), weight)
    assert_close(found, plain)
    direction = noise(*plain.shape).bfloat16().float()
    for a, b in zip(
        torch.autograd.grad(found, [image, weight], direction),
        torch.autograd.grad(plain, [image, weight], direction),
        strict=True,
    ):
        assert a.dtype == b.dtype
        assert_close(a.float(), b.float(), rtol=2**-7, atol=2**-7 * b.abs().max().item())
