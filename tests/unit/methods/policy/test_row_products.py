"""Row products: PyTorch's own convolutions are the oracle, of images and of all gradients."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional
from torch.testing import assert_close

from musisep_cli.methods.policy import row_layers
from musisep_cli.methods.policy.row_products import Convolved, Layout
from musisep_cli.methods.policy.unet import NetworkConfig, UNet
from tests.small import seeded

LAYOUTS = [
    (kernel, Layout(stride, kernel // 2, transposed=transposed))
    for kernel in (1, 3, 5)
    for stride in (1, 2, 4)
    for transposed in (False, True)
    if stride <= kernel or not transposed
]


def noise(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def given_to(
    n: int, n_positions: int, kernel: int, layout: Layout, *, biased: bool
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Images, weights and bias, all of which want gradients."""
    image = noise(n, 3, 1, n_positions).contiguous(memory_format=torch.channels_last)
    weight = noise(*((3, 2) if layout.transposed else (2, 3)), 1, kernel)
    bias = noise(2) if biased else None
    for tensor in (image, weight, bias):
        if tensor is not None:
            tensor.requires_grad_()
    return image, weight, bias


def plain(image: Tensor, weight: Tensor, bias: Tensor | None, layout: Layout) -> Tensor:
    stride, padding = (1, layout.stride), (0, layout.padding)
    if layout.transposed:
        added = (0, layout.added)
        return functional.conv_transpose2d(image, weight, bias, stride, padding, added)
    return functional.conv2d(image, weight, bias, stride, padding)


@given(
    n=st.integers(1, 3),
    n_positions=st.integers(1, 17),
    form=st.sampled_from(LAYOUTS),
    added=st.booleans(),
    biased=st.booleans(),
)
def test_images_and_gradients_are_those_of_a_convolution(
    n: int, n_positions: int, form: tuple[int, Layout], added: bool, biased: bool
) -> None:
    kernel, layout = form
    if layout.transposed and added:
        layout = layout._replace(added=layout.stride - 1)
    wanted = given_to(n, n_positions, kernel, layout, biased=biased)
    fast, slow = Convolved.apply(*wanted, layout), plain(*wanted, layout)
    assert_close(fast, slow, atol=1e-12, rtol=0)
    tensors = [tensor for tensor in wanted if tensor is not None]
    direction = noise(*slow.shape)
    pairs = zip(
        torch.autograd.grad(fast, tensors, direction),
        torch.autograd.grad(slow, tensors, direction),
        strict=True,
    )
    for found, expected in pairs:
        assert_close(found, expected, atol=1e-11, rtol=0)


@pytest.mark.parametrize("form", LAYOUTS)
def test_gradients_are_those_of_small_differences(form: tuple[int, Layout]) -> None:
    kernel, layout = form
    wanted = given_to(2, 5, kernel, layout, biased=True)
    assert torch.autograd.gradcheck(lambda *of: Convolved.apply(*of, layout), wanted)


def test_only_the_gradients_that_are_asked_for_are_computed() -> None:
    layout = Layout(2, 2)
    image, weight, bias = given_to(2, 8, 5, layout, biased=True)
    images = Convolved.apply(image.detach(), weight, bias.detach(), layout)
    (of_weight,) = torch.autograd.grad(images.sum(), [weight])
    (expected,) = torch.autograd.grad(plain(image, weight, bias, layout).sum(), [weight])
    assert_close(of_weight, expected)


@pytest.mark.parametrize("n_bins", [24, 17, 3])
def test_a_network_has_the_same_gradients_with_avx2(
    monkeypatch: pytest.MonkeyPatch, n_bins: int
) -> None:
    config = NetworkConfig(base_channels=8, strides=(4, 3, 2))
    with seeded(0):
        net = UNet(config, n_inputs=5, n_outputs=7).double()
    spectra = noise(9, 5, n_bins).requires_grad_()
    wanted = [spectra, *net.parameters()]
    found = {}
    for at_avx2 in (False, True):
        monkeypatch.setattr(row_layers, "stops_at_avx2", lambda at_avx2=at_avx2: at_avx2)
        outputs = net(spectra)
        found[at_avx2] = [outputs, *torch.autograd.grad(outputs.square().sum(), wanted)]
    for a, b in zip(found[True], found[False], strict=True):
        assert_close(a, b, atol=1e-12, rtol=1e-10)


def test_without_gradients_and_in_bfloat16_it_is_onednn_s_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(row_layers, "stops_at_avx2", lambda: True)
    calls = []
    monkeypatch.setattr(row_layers, "_convolved", lambda *given: calls.append(given))
    config = NetworkConfig(base_channels=8, strides=(4, 3, 2))
    with seeded(0):
        net = UNet(config, n_inputs=5, n_outputs=7)
        short = UNet(config, n_inputs=5, n_outputs=7, in_bfloat16=True)
    assert {p.requires_grad for p in net.parameters()} == {True}
    with torch.no_grad():
        net(noise(2, 5, 24).float())
    image = noise(2, 6, 1, 24).bfloat16().contiguous(memory_format=torch.channels_last)
    next(short.levels())[0].computed_in(torch.bfloat16)(image)
    assert calls == []
    with pytest.raises(AttributeError):  # here it is asked for, and gives nothing
        net(noise(2, 5, 24).float())
    assert len(calls) == 1
