"""What was tried to make it faster: the versions before and after, measured in turns."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias
from unittest.mock import patch

import torch
from torch import Tensor

from musisep_cli.model.tones import Peaks, magnitude
from musisep_cli.policy import unet
from musisep_cli.policy.distance import radial_distance
from musisep_cli.policy.phase import harmonic_coefficients
from musisep_cli.policy.unet import UNet
from tests import plain
from tests.benchmarks.measure import Run, cpu_s
from tests.benchmarks.parts import trainer

Network: TypeAlias = Callable[[UNet, Tensor], Tensor]
ALL_AT_ONCE = 2**60


@dataclass(frozen=True)
class Optimisation:
    """One row: how much faster was expected and found."""

    name: str
    predicted: str
    measured: str
    verdict: str


def kept() -> Iterator[Optimisation]:
    """What is in the code, against the version before it."""
    standard, paper = trainer("standard").policy.unet, trainer("paper").policy.unet
    rows, many_rows = torch.randn(64, 5, 3072), torch.randn(32, 14, 6144)
    yield _compared(
        "network on channels last, `standard`, 64 rows forward",
        "1.7: oneDNN's rates on single layers",
        {
            "before": partial(_forward, plain.unet, standard, rows),
            "after": partial(_forward, _at_once, standard, rows),
        },
    )
    yield _compared(
        "rows in chunks of 16 MiB a layer, `paper`, 32 rows forward",
        "1.2: the time spent in the system",
        {
            "before": partial(_forward, _at_once, paper, many_rows),
            "after": partial(_forward, UNet.forward, paper, many_rows),
        },
    )
    yield _compared(
        "both, `paper`, 32 rows forward and backward",
        "1.5",
        {
            "before": partial(_gradients, plain.unet, paper, many_rows),
            "after": partial(_gradients, UNet.forward, paper, many_rows),
        },
    )
    complex_values = torch.randn(54, 2, 3072, dtype=torch.complex64, requires_grad=True)
    yield _compared(
        "magnitude as the root of z z*, with gradient",
        "2: fewer passes over memory",
        {
            "before": partial(_gradient, plain.magnitude, complex_values),
            "after": partial(_gradient, magnitude, complex_values),
        },
    )
    zeros = torch.zeros_like(complex_values).detach()
    yield _compared(
        "radial distance in one sum, with gradient",
        "2: the same",
        {
            "before": partial(_gradient, partial(plain.radial_distance, zeros), complex_values),
            "after": partial(_gradient, partial(radial_distance, zeros), complex_values),
        },
    )
    spectra = torch.randn(54, 3072, dtype=torch.complex64, requires_grad=True)
    yield _compared(
        "peaks on windows, closed-form normal matrix, 54 rollouts, with gradient",
        "100: 27 of 3072 bins",
        {
            "before": partial(_gradient, plain.direct_spectra, spectra),
            "after": partial(_gradient, _direct_spectra, spectra),
        },
    )
    yield _steps("quick")


def _steps(preset: str) -> Optimisation:
    independent, tree = (trainer(preset, sampling=s) for s in ("independent", "tree"))
    batch = tree.next_batch()
    return _compared(
        f"tree instead of independent rollouts, training step of `{preset}`",
        "2.5: 4 instead of 10 network passes",
        {"before": lambda: independent.step(batch), "after": lambda: tree.step(batch)},
    )


DROPPED = (
    Optimisation(
        "transposed convolution as matrix product and overlap-add",
        "1.5 on the layer",
        "1.2 (80 channels) and 1.1 (32); oneDNN's with channels last 1.4 and 1.6",
        "dropped",
    ),
    Optimisation(
        "convolutions as products over unfolded windows, or one product per tap",
        "1.5 on the layer",
        "0.4 to 0.8",
        "dropped",
    ),
    Optimisation(
        "bfloat16 in the convolutions (the processor has avx512_bf16)",
        "1.8: oneDNN's rate on single layers is 2.0",
        "1.6 of a `paper` step, 1.3 of `standard` prediction, 1.1 of a `quick` step",
        "dropped: not shown that nothing changes. `quick`, 4 s, batches of 2, mean objective of "
        "steps 201 to 240, seeds 0 to 5, in thousandths: 4.4 3.2 2.6 3.0 2.4 2.9 in float32, "
        "3.7 3.2 2.6 3.8 2.8 3.1 in bfloat16 (the last layer in float32 for seeds 3 to 5)",
    ),
    Optimisation(
        "`torch.compile`, network of `standard`, 32 rows forward",
        "1.2: fused activations",
        "1.04, after 92 s of start-up",
        "dropped",
    ),
    Optimisation(
        "threads by measurement; seeds batched in one model",
        "-",
        "unmeasured: one core of two was taken",
        "not tried",
    ),
    Optimisation(
        "1x1 convolutions as matrix products",
        "1.05 of a pass, one thread, few rows",
        "1.00 to 1.02 there, 0.9 with many rows",
        "dropped",
    ),
    Optimisation(
        "deep layers on all rows, only the others in chunks",
        "1.1 of a `paper` step: their weights are read once",
        "1.07 of a `paper` step, 0.9 of `standard` prediction",
        "dropped: three loops instead of one",
    ),
    Optimisation(
        "one backward pass for network and dictionary",
        "1.2 of a `paper` step",
        "-",
        "dropped, cannot be: the policy gradient counts for the network only, and both reach D "
        "by way of the second pass's input",
    ),
    Optimisation(
        "outputs only at the sampled bins",
        "below 1.01: the last layer is 1.4 % of the network, and logits and artificial spectrum "
        "are needed everywhere",
        "-",
        "dropped",
    ),
)
"""Measured once, by hand, when the rest was written."""


def dropped() -> tuple[Optimisation, ...]:
    """What did not pay."""
    return DROPPED


def _compared(name: str, predicted: str, runs: Mapping[str, Run]) -> Optimisation:
    times = cpu_s(runs)
    before_ms, after_ms = 1e3 * times["before"], 1e3 * times["after"]
    measured = f"{before_ms / after_ms:.1f} ({before_ms:,.3g} to {after_ms:,.3g} ms)"
    return Optimisation(name, predicted, measured, "kept")


def _at_once(net: UNet, spectra: Tensor) -> Tensor:
    """All rows through every layer together."""
    with patch.object(unet, "CHUNK_NUMBERS", ALL_AT_ONCE):
        return UNet.forward(net, spectra)


def _forward(network: Network, net: UNet, spectra: Tensor) -> Tensor:
    with torch.no_grad():
        return network(net, spectra)


def _gradients(network: Network, net: UNet, spectra: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(network(net, spectra).sum(), list(net.parameters()))


def _gradient(function: Callable[[Tensor], Tensor], values: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(function(values).abs().sum(), [values])


def _direct_spectra(spectra: Tensor) -> Tensor:
    positions, widths = plain.harmonics_and_widths(len(spectra))
    peaks = Peaks.around(positions, widths, spectra.shape[-1])
    return peaks.render(harmonic_coefficients(peaks, spectra, tikhonov=plain.TIKHONOV))
