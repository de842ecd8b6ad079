"""Layers of the U-Net over rows of a frame's bins, and their gradients.

Departs from the paper's code in memory only: rows are images of height 1 whose channels are last,
which on a CPU takes half of the time, and some gradients are written out where PyTorch's own path
is slow. Values and gradients are those of plain layers, to rounding.

Axes: ``b`` batch, ``c`` channels, ``f`` bins or positions of a level.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from musisep_cli.machine.processor import stops_at_avx2
from musisep_cli.methods.policy.row_products import Convolved, Layout

Down: TypeAlias = Callable[[Tensor], Tensor]
Up: TypeAlias = Callable[[Tensor, int], Tensor]

READOUT_ROWS = 4
"""Number of rows that are cast to float32 at once on a CPU: so few stay in the cache."""


class RowConvolution(nn.Conv1d):
    """A ``Conv1d`` of images of height 1, ``[b, c, 1, f]``, whose channels are last in memory.

    In that layout oneDNN multiplies all channels of a position without reordering them first, in
    the gradients too; ``Conv1d`` itself has no such path.
    """

    def computed_in(self, dtype: torch.dtype) -> Down:
        """Return the layer as a function of images of this type; its weights are cast once."""
        weight, bias = _cast(self, dtype)
        stride, padding = (1, *self.stride), (0, *self.padding)
        if _by_products(weight):
            layout = Layout(self.stride[0], int(self.padding[0]))
            return lambda image: _convolved(image, weight, bias, layout)
        return lambda image: functional.conv2d(image, weight, bias, stride, padding)


class TransposedRowConvolution(nn.ConvTranspose1d):
    """A ``ConvTranspose1d`` of images of height 1, whose channels are last in memory."""

    def computed_in(self, dtype: torch.dtype) -> Up:
        """Return the layer as a function of images and of the number of positions wanted.

        All positions that the stride leads to are computed and the last ones cut: with a number
        that is no multiple of the stride, oneDNN takes up to 13 times as long in bfloat16. Where
        nothing is to be cut, no cut is made, for it would cost backpropagation a copy of all
        gradients.
        """
        weight, maybe = _cast(self, dtype)
        bias = cast(Tensor, maybe)  # these layers have one
        (kernel,), (stride,), padding = self.kernel_size, self.stride, int(self.padding[0])
        missing = stride - kernel + 2 * padding  # so that there are stride times as many as before
        layout = Layout(stride, padding, transposed=True, added=missing)
        by_products = _by_products(weight)

        def whole(image: Tensor) -> Tensor:
            if by_products:
                return _convolved(image, weight, bias, layout)
            images = functional.conv_transpose2d(
                image, weight, bias.detach(), (1, stride), (0, padding), (0, missing)
            )
            with_bias: Tensor = BiasGradient.apply(images, bias)  # type: ignore[no-untyped-call]
            return with_bias

        def layer(image: Tensor, n_positions: int) -> Tensor:
            images = whole(image)
            return images if images.shape[-1] == n_positions else images[..., :n_positions]

        return layer


class BiasGradient(torch.autograd.Function):
    """Gives the gradient of a bias that a convolution has added to images already.

    With oneDNN's transposed convolutions the gradient of the bias takes as long as that of the
    weights, if it is asked for together with it.

    Shape: images ``[b, c, 1, f]``, bias ``[c]`` -> the images.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, _bias: Tensor) -> Tensor:
        ctx.mark_dirty(images)  # or else what follows could not work in place
        return images

    @staticmethod
    @once_differentiable
    def backward(_ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        return gradient, gradient.sum((0, 2, 3))


class Rectified(torch.autograd.Function):
    """ReLU of bfloat16 images, in place, by reading them as int16.

    A bfloat16 has its sign in the same bit as an int16: one is below 0 where the other is, and 0 is
    0 in both. PyTorch casts bfloat16 to float32 for a comparison and takes four times as long. A
    NaN with a sign becomes 0; no finite input gives one, in float32's range.

    Shape: images ``[b, c, 1, f]`` -> the images.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor) -> Tensor:
        # As int16, a negative number is below 0, and 0 has no bit set.
        images.view(torch.int16).clamp_min_(0)
        ctx.mark_dirty(images)
        ctx.save_for_backward(images)
        return images

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (images,) = ctx.saved_tensors
        of_images: Tensor = torch.ops.aten.threshold_backward(gradient, images, 0)
        return of_images


class Readout(torch.autograd.Function):
    """The last layer of a bfloat16 network: outputs in float32, gradients in bfloat16 again.

    Its outputs are read as logits and pitches, which need float32. Their gradients go on into
    bfloat16 anyway, and in float32 this 1x1 convolution would take as long as all gradients of a
    larger layer.

    Shape: images ``[b, c, 1, f]``, weight ``[o, c, 1]`` -> ``[b, o, f]``.
    """

    @staticmethod
    def forward(ctx: Any, image: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(image, weight)
        outputs = weight.new_empty(len(image), len(weight), image.shape[-1])
        at_once = READOUT_ROWS if image.is_cpu else len(image)
        parts = (tensor.split(at_once) for tensor in (image.squeeze(2), outputs))
        for rows, into in zip(*parts, strict=True):
            torch.matmul(weight.squeeze(2), rows.to(weight.dtype), out=into)
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None]:
        image, weight = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        of_image, of_weight, _ = torch.ops.aten.convolution_backward(
            images_of(gradient.to(image.dtype)),
            image,
            weight.to(image.dtype).unsqueeze(2),
            bias_sizes=None,
            stride=(1, 1),
            padding=(0, 0),
            dilation=(1, 1),
            transposed=False,
            output_padding=(0, 0),
            groups=1,
            output_mask=(wanted[0], wanted[1], False),
        )
        return of_image, of_weight.squeeze(2).to(weight.dtype) if wanted[1] else None


def rectified(image: Tensor) -> Tensor:
    """Apply ReLU in place."""
    if image.dtype == torch.bfloat16 and image.device.type == "cpu":
        rectified: Tensor = Rectified.apply(image)  # type: ignore[no-untyped-call]
        return rectified
    return image.relu_()


def _by_products(weight: Tensor) -> bool:
    """Return whether the gradient of a layer's weights is best taken by matrix products.

    It is with AVX2 and nothing beyond it, in float32 (``row_products``). Elsewhere oneDNN is as
    fast, and results keep their last bits.
    """
    of_type = weight.dtype != torch.bfloat16 and weight.device.type == "cpu"
    return of_type and weight.requires_grad and torch.is_grad_enabled() and stops_at_avx2()


def _convolved(image: Tensor, weight: Tensor, bias: Tensor | None, layout: Layout) -> Tensor:
    """Return convolved images, of which the weights get their gradient by matrix products."""
    images: Tensor = Convolved.apply(image, weight, bias, layout)  # type: ignore[no-untyped-call]
    return images


def _cast(
    layer: nn.Conv1d | nn.ConvTranspose1d, dtype: torch.dtype
) -> tuple[Tensor, Tensor | None]:
    """Return weight, as of images, and bias of a layer in a type."""
    bias = None if layer.bias is None else layer.bias.to(dtype)
    return layer.weight.unsqueeze(2).to(dtype), bias


def images_of(rows: Tensor) -> Tensor:
    """Return rows ``[b, c, f]`` as images ``[b, c, 1, f]``, the channels last in memory."""
    return rows.unsqueeze(2).contiguous(memory_format=torch.channels_last)
