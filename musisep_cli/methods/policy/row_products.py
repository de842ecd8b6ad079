"""Row products: convolutions of images of height 1 whose weights get their gradient otherwise.

With the channels last in memory, oneDNN's kernels for AVX2 take up to ten times as long for the
gradient of the weights as for that of the images. It is a few matrix products instead. A strided
convolution, of the coarse positions p and the fine ones s p + o, its kernel's tap k at the offset
o = k - padding, has

    dL/dW[k] = sum_p small[p]^T large[s p + o],  o = s q + r,  0 <= r < s.                      (1)

Its coarse images are called small here: they are those that a convolution returns and those that a
transposed one takes. Read as rows of s fine positions each, large images are matrices with the
channels of all r side by side, and all taps with one q are a single product of columns in a row:
for kernel 5 and stride 4 there are two products, and nothing is copied.

A convolution of kernel 1 is a matrix product altogether.

Axes: ``b`` batch, ``p`` coarse positions, ``f`` fine ones, ``c`` channels, ``k`` taps of a kernel.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional


class Layout(NamedTuple):
    """How the positions of a convolution lie to each other.

    Attributes:
        stride: fine positions to a coarse one.
        padding: fine positions that the kernel reaches beyond the first.
        transposed: whether the coarse images are the ones that go in.
        added: fine positions more at the end of what comes out, where it is transposed.
    """

    stride: int
    padding: int
    transposed: bool = False
    added: int = 0


class Convolved(torch.autograd.Function):
    """A convolution, transposed or not, whose weights get their gradient by (1).

    Shape: images ``[b, c, 1, f]`` with the channels last, weight ``[c, c, 1, k]``, bias ``[c]`` or
    None -> images ``[b, c, 1, p]``.
    """

    @staticmethod
    def forward(
        ctx: Any, image: Tensor, weight: Tensor, bias: Tensor | None, layout: Layout
    ) -> Tensor:
        ctx.save_for_backward(image, weight)
        ctx.layout, ctx.has_bias = layout, bias is not None
        if _is_product(weight, layout):
            return _mixed(image, weight, bias)
        return torch.convolution(
            image,
            weight,
            bias,
            (1, layout.stride),
            (0, layout.padding),
            (1, 1),
            layout.transposed,
            (0, layout.added),
            1,
        )

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, gradient: Tensor
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        image, weight = ctx.saved_tensors
        of_image, of_weight, of_bias, _ = ctx.needs_input_grad
        rows = _rows(gradient)
        return (
            _of_images(gradient, image, weight, ctx.layout) if of_image else None,
            _of_weight(image, gradient, weight, ctx.layout) if of_weight else None,
            rows.sum((0, 1)) if ctx.has_bias and of_bias else None,
            None,
        )


def _mixed(image: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return a convolution of kernel 1, the channels last in memory."""
    rows = _rows(image).flatten(0, 1)
    # Not a view: what follows works in place.
    shape = len(image), len(weight), 1, image.shape[-1]
    mixed = torch.empty(shape, dtype=image.dtype, memory_format=torch.channels_last)
    into = mixed.permute(0, 2, 3, 1).view(len(rows), -1)
    if bias is None:
        torch.mm(rows, weight[:, :, 0, 0].T, out=into)
    else:
        torch.addmm(bias, rows, weight[:, :, 0, 0].T, out=into)
    return mixed


def _is_product(weight: Tensor, layout: Layout) -> bool:
    """Return whether a convolution is nothing but a matrix product of the channels."""
    return weight.shape[-1] == 1 and layout == Layout(1, 0)


def _of_images(gradient: Tensor, image: Tensor, weight: Tensor, layout: Layout) -> Tensor:
    """Return the gradient of the images that went in."""
    if _is_product(weight, layout):
        return _images(_rows(gradient) @ weight[:, :, 0, 0])
    of_images: Tensor
    of_images, _, _ = torch.ops.aten.convolution_backward(
        gradient.contiguous(memory_format=torch.channels_last),
        image,
        weight,
        bias_sizes=None,
        stride=(1, layout.stride),
        padding=(0, layout.padding),
        dilation=(1, 1),
        transposed=layout.transposed,
        output_padding=(0, layout.added),
        groups=1,
        output_mask=(True, False, False),
    )
    return of_images


def _of_weight(image: Tensor, gradient: Tensor, weight: Tensor, layout: Layout) -> Tensor:
    """Return the gradient of the weights (1), ``[c, c, 1, k]``, laid out like images."""
    rows = _rows(image), _rows(gradient)
    small, large = rows if layout.transposed else reversed(rows)
    kernel = weight.shape[-1]
    products = list(_products(small, large, kernel, layout))
    of_taps = torch.cat(products, 1) if len(products) > 1 else products[0]  # c, k c
    return of_taps.view(len(weight), 1, kernel, -1).permute(0, 3, 1, 2)


def _products(small: Tensor, large: Tensor, kernel: int, layout: Layout) -> Iterator[Tensor]:
    """Yield (1) of all taps with one q after the other, ``[c, k c]``.

    Args:
        small: coarse images, ``[b, p, c]``.
        large: fine ones, ``[b, f, c]``.
        kernel: number of taps.
        layout: of the positions.
    """
    stride, n_channels = layout.stride, large.shape[2]
    n_rows = max(small.shape[1], -(-large.shape[1] // stride))
    small = _filled(small, n_rows)
    large = _filled(large, n_rows * stride).view(len(large), n_rows, stride * n_channels)
    tap = 0
    while tap < kernel:
        q, r = divmod(tap - layout.padding, stride)
        n_taps = min(stride - r, kernel - tap)
        columns = large[:, :, r * n_channels : (r + n_taps) * n_channels]
        yield _shifted_product(small, columns, q)
        tap += n_taps


def _shifted_product(small: Tensor, large: Tensor, q: int) -> Tensor:
    """Return the sum over p of small[p]^T large[p + q], ``[c, k c]``, of two ``[b, p, ...]``.

    All images of the batch are one matrix: pairs that the shift makes of two of them, the end of
    one and the beginning of the other, are taken away again.
    """
    n_rows = small.shape[1]
    if abs(q) >= n_rows:
        return small.new_zeros(small.shape[2], large.shape[2])
    ours, theirs = small.flatten(0, 1), large.flatten(0, 1)
    if q == 0:
        return ours.T @ theirs
    if q > 0:
        of_pairs = ours[:-q].T @ theirs[q:]
        apart = small[:-1, n_rows - q :], large[1:, :q]
    else:
        of_pairs = ours[-q:].T @ theirs[:q]
        apart = small[1:, :-q], large[:-1, q:]
    first, second = (rows.flatten(0, 1) for rows in apart)
    return of_pairs.addmm_(first.T, second, alpha=-1) if len(first) else of_pairs


def _filled(rows: Tensor, n_positions: int) -> Tensor:
    """Return rows ``[b, p, c]`` with zeros up to so many positions; as they are if they have them.

    Those beyond, that no tap reaches, are cut.
    """
    missing = n_positions - rows.shape[1]
    return rows if missing == 0 else functional.pad(rows, (0, 0, 0, missing))


def _rows(images: Tensor) -> Tensor:
    """Return images ``[b, c, 1, f]`` as rows ``[b, f, c]``; where channels are last, a view."""
    return images.squeeze(2).transpose(1, 2).contiguous()


def _images(rows: Tensor) -> Tensor:
    """Return rows ``[b, f, c]`` as images ``[b, c, 1, f]``, the channels last in memory."""
    return rows.transpose(1, 2).unsqueeze(2)
