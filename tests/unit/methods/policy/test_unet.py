"""U-Net: the authors' size, any number of bins, start weights, receptive field."""

import copy
import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional
from torch.testing import assert_close

from musisep_cli.methods.policy import row_layers, unet
from musisep_cli.methods.policy.unet import NetworkConfig, UNet
from tests import plain
from tests.small import seeded

SMALL = NetworkConfig(base_channels=8, strides=(4, 3, 2))
NOMINAL = 24
MAX_BFLOAT16_ERROR = 0.02
"""Relative. A number has 8 bits, so is off by up to 0.004, and so again in every layer, forward
and backward."""


def small_net(n_inputs: int = 5, n_outputs: int = 7) -> UNet:
    with seeded(0):
        return UNet(SMALL, n_inputs=n_inputs, n_outputs=n_outputs).double()


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def paper() -> UNet:
    """The paper's network for two instruments: 2 (3 + 2 * 2) inputs, 9 * 2 outputs."""
    with seeded(0):
        return UNet(NetworkConfig(), n_inputs=14, n_outputs=18)


def test_the_paper_s_network_has_the_authors_number_of_parameters(paper: UNet) -> None:
    assert sum(p.numel() for p in paper.parameters()) == 11_689_040
    assert math.prod(NetworkConfig().strides) == 6144


def test_the_number_of_parameters_is_that_of_its_layers(paper: UNet) -> None:
    # Counted from Section 3.2.2, layer by layer.
    channels = [80, 160, 240, 320, 400, 480, 560]
    down = sum(a * b * 5 + b for a, b in pairwise([14 + 1, *channels]))
    up, below = 0, 560
    for depth in reversed(range(7)):
        up += below * channels[depth] * 5 + channels[depth]
        below = channels[depth] + (channels[depth - 1] if depth else 14)
    top = (80 + 14) * 80 * 3 + 80 + 80 * 80 + 80 + 80 * 18
    assert sum(p.numel() for p in paper.parameters()) == down + up + top


def test_start_weights_are_glorot_s_and_biases_zero(paper: UNet) -> None:
    layers = [m for m in paper.modules() if isinstance(m, nn.Conv1d | nn.ConvTranspose1d)]
    assert len(layers) == 7 + 7 + 3
    for layer in layers:
        # Uniform in +- sqrt(6 / (fan in + fan out)).
        bound = math.sqrt(6 / ((layer.in_channels + layer.out_channels) * layer.kernel_size[0]))
        weight = layer.weight.detach()
        assert weight.abs().max().item() <= bound
        deviation = bound / math.sqrt(3)
        n = weight.numel()
        assert float(weight.std()) == pytest.approx(deviation, rel=4 / math.sqrt(n))
        assert abs(float(weight.mean())) < 4 * deviation / math.sqrt(n)
        if layer.bias is not None:
            assert layer.bias.abs().max().item() == 0
    assert paper.out.bias is None
    assert [
        name for name, module in paper.named_modules() if getattr(module, "bias", 0) is None
    ] == ["out"]


@given(st.integers(1, NOMINAL), st.integers(1, 3))
def test_the_output_is_as_long_as_the_input(n_bins: int, n_batch: int) -> None:
    assert small_net()(noise(n_batch, 5, n_bins)).shape == (n_batch, 7, n_bins)


@pytest.mark.parametrize("n_bins", [6144, 5670, 1021, 1])
def test_the_paper_s_network_takes_any_rate(paper: UNet, n_bins: int) -> None:
    with torch.no_grad():
        assert paper(torch.zeros(1, 14, n_bins)).shape == (1, 18, n_bins)


def test_more_bins_than_the_coordinate_knows_are_refused() -> None:
    with pytest.raises(ValueError, match=r"25 bins .* at most 24"):
        small_net()(noise(1, 5, NOMINAL + 1))


@given(st.integers(1, NOMINAL), st.integers(1, 9), st.integers(1, 5), st.sampled_from([1, 3, 5]))
def test_it_equals_the_plain_one(n_bins: int, n_batch: int, n_chunk: int, kernel: int) -> None:
    # Outputs and all gradients, whatever the number of rows that go through at once.
    config = NetworkConfig(base_channels=8, strides=(kernel, 1 + kernel // 2, 1), kernel=kernel)
    with seeded(0):
        net = UNet(config, n_inputs=5, n_outputs=7).double()
        for bias in (p for p in net.parameters() if p.ndim == 1):
            nn.init.normal_(bias)
    net.coordinate = torch.linspace(0.01, 0.0, NOMINAL, dtype=torch.float64)
    spectra = noise(n_batch, 5, n_bins).requires_grad_()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unet, "CHUNK_NUMBERS", n_chunk * 8 * n_bins)
        fast = net(spectra)
    slow = plain.unet(net, spectra)
    assert fast.is_contiguous()
    assert_close(fast, slow, atol=1e-13, rtol=0)
    wanted = [spectra, *net.parameters()]
    direction = noise(*fast.shape)
    for a, b in zip(
        torch.autograd.grad(fast, wanted, direction),
        torch.autograd.grad(slow, wanted, direction),
        strict=True,
    ):
        assert_close(a, b, atol=1e-12, rtol=1e-12)


def test_the_paper_s_network_equals_the_plain_one_to_float32_rounding(paper: UNet) -> None:
    # oneDNN is float32 only: the convolutions of this test are others than those of the last.
    spectra = noise(9, 14, 6144).float()
    with torch.no_grad():
        fast, slow = paper(spectra), plain.unet(paper, spectra)
    scale = float(slow.abs().max())
    assert_close(fast, slow, atol=3e-6 * scale, rtol=0)


def with_gradients(net: UNet, spectra: Tensor, forward: Callable[..., Tensor]) -> list[Tensor]:
    """Outputs, and their gradients in a positive direction by the input and all weights."""
    spectra = spectra.clone().requires_grad_()
    outputs = forward(net, spectra)
    direction = noise(*outputs.shape).abs().to(outputs)
    return [outputs, *torch.autograd.grad(outputs, [spectra, *net.parameters()], direction)]


def test_in_float32_it_is_the_loop_over_its_layers_to_the_bit(
    paper: UNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whatever is done for bfloat16, results in float32 stay; of sums that are made otherwise, all
    # but the last bits. With AVX2 alone, more sums are (test_row_products).
    monkeypatch.setattr(row_layers, "stops_at_avx2", lambda: False)
    spectra = noise(6, 14, 6144).float()
    assert len(spectra) * 80 * 6144 < unet.CHUNK_NUMBERS
    fast, slow = (
        with_gradients(paper, spectra, forward) for forward in (UNet.forward, plain.unet_of_images)
    )
    names = ["outputs", "spectra", *(name for name, _ in paper.named_parameters())]
    for name, a, b in zip(names, fast, slow, strict=True):
        summed_apart = name.startswith("up.") and name.endswith(".bias")
        assert_close(a, b, atol=1e-5 * float(b.abs().max()) if summed_apart else 0, rtol=0)


def positive_net(*, in_bfloat16: bool) -> UNet:
    """All weights positive: with such inputs nothing cancels, and no unit is off in one type only.

    What is left are roundings.
    """
    with seeded(0):
        net = UNet(
            NetworkConfig(base_channels=16, strides=(4, 3, 2)),
            n_inputs=5,
            n_outputs=7,
            in_bfloat16=in_bfloat16,
        )
    with torch.no_grad():
        for weight in net.parameters():
            weight.abs_()
    return net


@pytest.mark.filterwarnings("ignore:TF32")  # torch's own words on reading its flags
@pytest.mark.parametrize("n_bins", [24, 17, 1])
@pytest.mark.parametrize("n_chunk", [1, 4, 9])
@pytest.mark.parametrize("onednn", [True, False])
def test_bfloat16_is_float32_to_its_rounding(n_bins: int, n_chunk: int, onednn: bool) -> None:
    # With oneDNN and without it, as where the processor has no instructions for bfloat16.
    spectra = noise(9, 5, n_bins).float().abs()
    exact = with_gradients(positive_net(in_bfloat16=False), spectra, UNet.forward)
    with pytest.MonkeyPatch.context() as patch, torch.backends.mkldnn.flags(enabled=onednn):
        patch.setattr(unet, "CHUNK_NUMBERS", n_chunk * 16 * n_bins)
        net = positive_net(in_bfloat16=True)
        short = with_gradients(net, spectra, UNet.forward)
        with torch.no_grad():
            predicted = net(spectra)
    assert_close(predicted, exact[0].detach(), rtol=MAX_BFLOAT16_ERROR, atol=0)
    for a, b in zip(short, exact, strict=True):
        assert_close(a, b, rtol=MAX_BFLOAT16_ERROR, atol=0)


def test_outputs_of_a_bfloat16_network_are_float32() -> None:
    # A logit is not rounded to 8 bits, nor is the weight it is read with.
    net, spectra = positive_net(in_bfloat16=True), noise(3, 5, 24).float()
    with torch.no_grad():
        outputs = net(spectra)
        net.out.weight *= 1 + 2**-12
        assert not torch.equal(outputs, outputs.bfloat16().float())
        assert not torch.equal(outputs, net(spectra))


def test_weights_of_a_bfloat16_network_stay_float32() -> None:
    net = positive_net(in_bfloat16=True)
    assert {weight.dtype for weight in net.parameters()} == {torch.float32}
    assert net.state_dict().keys() == positive_net(in_bfloat16=False).state_dict().keys()


def test_the_paper_s_gradients_keep_their_direction_in_bfloat16(paper: UNet) -> None:
    # Units that are on in one and off in the other turn it by some degrees.
    short = copy.deepcopy(paper)
    short.in_bfloat16 = True
    spectra = noise(4, 14, 6144).float()
    one, other = (
        torch.cat([x.flatten() for x in with_gradients(net, spectra, UNet.forward)[2:]])
        for net in (paper, short)
    )
    assert float(functional.cosine_similarity(one, other, 0)) > 0.99


def test_the_coordinate_is_the_same_at_the_same_bin() -> None:
    net = small_net()
    full, short = (net._coordinates(noise(2, 5, n)) for n in (NOMINAL, 17))
    assert full.shape == (2, 1, NOMINAL)
    assert_close(
        full[0, 0], torch.linspace(0.01, 0, NOMINAL, dtype=torch.float64), atol=1e-9, rtol=0
    )
    assert_close(short, full[..., :17], atol=0, rtol=0)


def test_the_coordinate_is_no_parameter_and_is_not_saved() -> None:
    assert "coordinate" not in small_net().state_dict()
    assert "coordinate" not in dict(small_net().named_parameters())


def test_the_coordinate_breaks_the_symmetry_of_shifts() -> None:
    # Constant input: without CoordConv the middle of the spectrum would be periodic in the stride.
    with seeded(0):
        net = UNet(NetworkConfig(base_channels=8, strides=(2, 2)), n_inputs=1, n_outputs=1).double()
    net.coordinate = torch.linspace(0.01, 0.0, 64, dtype=torch.float64)
    outputs = net(torch.ones(1, 1, 64, dtype=torch.float64))[0, 0]
    assert (outputs[28] - outputs[32]).abs().item() > 1e-7
    net.coordinate = torch.zeros(64, dtype=torch.float64)
    outputs = net(torch.ones(1, 1, 64, dtype=torch.float64))[0, 0]
    assert_close(outputs[28], outputs[32], atol=1e-15, rtol=0)


def test_every_input_bin_reaches_every_output_bin() -> None:
    # But the last, which lies between the steps of the first convolution: it only reaches its own.
    net = small_net()
    spectra = noise(8, 5, NOMINAL).requires_grad_()
    for f in (0, 11, NOMINAL - 1):
        (gradient,) = torch.autograd.grad(net(spectra)[..., f].square().sum(), [spectra])
        assert bool((gradient.abs().sum((0, 1))[:-1] > 0).all())


def test_every_parameter_is_trained() -> None:
    net = small_net()
    loss = net(noise(4, 5, NOMINAL)).square().sum()
    for gradient in torch.autograd.grad(loss, list(net.parameters())):
        assert float(gradient.abs().max()) > 0


def test_frames_of_a_batch_do_not_mix() -> None:
    net, spectra = small_net(), noise(3, 5, NOMINAL)
    assert_close(net(spectra)[1:2], net(spectra[1:2]), atol=1e-14, rtol=0)


def test_output_is_linear_in_the_last_layer_and_may_be_negative() -> None:
    outputs = small_net()(noise(4, 5, NOMINAL))
    assert outputs.min().item() < 0 < outputs.max().item()


def test_weights_that_stay_as_they_are_are_cast_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with seeded(0):
        net = UNet(SMALL, n_inputs=5, n_outputs=7, in_bfloat16=True)
    rows, casts = noise(3, 5, 20).float(), []
    cast = row_layers._cast
    monkeypatch.setattr(row_layers, "_cast", lambda *given: casts.append(given) or cast(*given))
    with torch.no_grad():
        expected = net(rows)
        of_a_pass = len(casts)
        with net.unchanged():
            outputs = [net(rows), net(rows)]
        assert len(casts) == 2 * of_a_pass
        net.out.weight.mul_(2)
        assert_close(net(rows), 2 * expected)
    assert_close(outputs, [expected, expected], atol=0, rtol=0)
