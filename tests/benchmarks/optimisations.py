"""What made it faster: the versions before and after, measured in turns.

What was tried by hand, and what was dropped, is in ``docs/tries.md``.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias
from unittest.mock import patch

import torch
from torch import Tensor

from musisep_cli.methods.policy import unet
from musisep_cli.methods.policy.trainer import Trainer
from musisep_cli.methods.policy.unet import UNet
from musisep_cli.tones.coefficients import harmonic_coefficients
from musisep_cli.tones.objective import radial_distance
from musisep_cli.tones.peaks import Peaks, magnitude
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
    paper.in_bfloat16 = False
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
    yield from _bfloat16()


def _steps(preset: str) -> Optimisation:
    independent, tree = (trainer(preset, sampling=s) for s in ("independent", "tree"))
    batch = tree.next_batch()
    return _compared(
        f"tree instead of independent rollouts, training step of `{preset}`",
        "2.5: 4 instead of 10 network passes",
        {"before": lambda: independent.step(batch), "after": lambda: tree.step(batch)},
    )


def _bfloat16() -> Iterator[Optimisation]:
    """Whatever the processor: where it has no instructions for it, it does not pay."""
    predicted = "1.8: oneDNN's rate on single layers is 2.0"
    setting = "a setting, not the default: see below"
    for preset, sampling, verdict in (
        ("paper", "independent", "kept"),
        ("paper", "tree", "kept"),
        ("quick", "tree", setting),
    ):
        model = trainer(preset, sampling=sampling)
        batch = model.next_batch()
        step = partial(_stepped, model, batch)
        yield _compared(
            f"bfloat16 in the convolutions, training step of `{preset}`, {sampling}",
            predicted,
            {"before": partial(step, in_bfloat16=False), "after": partial(step, in_bfloat16=True)},
            verdict,
        )
    standard = trainer("standard").policy.unet
    rows = torch.randn(64, 5, 3072)
    yield _compared(
        "the same, network of `standard`, 64 rows forward",
        predicted,
        {
            "before": partial(_forward, _in_float32, standard, rows),
            "after": partial(_forward, _in_bfloat16, standard, rows),
        },
        "kept",
    )
    model = trainer("paper", sampling="tree")
    rows = torch.randn(18, 14, 6144)
    yield _compared(
        "deep levels on all rows in bfloat16, `paper`, 18 rows forward and backward",
        "1.1: their weights are read once",
        {
            "before": partial(_gradients, _by_chunks, model.policy.unet, rows),
            "after": partial(_gradients, _in_bfloat16, model.policy.unet, rows),
        },
    )


def _stepped(model: Trainer, batch: Tensor, *, in_bfloat16: bool) -> None:
    with patch.object(model.policy.unet, "in_bfloat16", in_bfloat16):
        model.step(batch)


def _in_float32(net: UNet, spectra: Tensor) -> Tensor:
    with patch.object(net, "in_bfloat16", False):
        return net(spectra)


def _in_bfloat16(net: UNet, spectra: Tensor) -> Tensor:
    with patch.object(net, "in_bfloat16", True):
        return net(spectra)


def _by_chunks(net: UNet, spectra: Tensor) -> Tensor:
    """In bfloat16, every chunk of rows through the whole network by itself."""
    n_rows = unet.CHUNK_NUMBERS // (net.out.in_channels * spectra.shape[-1])
    return torch.cat([_in_bfloat16(net, rows) for rows in spectra.split(n_rows)])


def _compared(
    name: str, predicted: str, runs: Mapping[str, Run], verdict: str = "kept"
) -> Optimisation:
    times = cpu_s(runs)
    before_ms, after_ms = 1e3 * times["before"], 1e3 * times["after"]
    measured = f"{before_ms / after_ms:.1f} ({before_ms:,.3g} to {after_ms:,.3g} ms)"
    return Optimisation(name, predicted, measured, verdict)


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
    peaks = Peaks.of(positions, widths, spectra.shape[-1])
    return peaks.render(harmonic_coefficients(peaks, spectra, tikhonov=plain.TIKHONOV))
