"""What was tried to make it faster: the versions before and after, measured in turns."""

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


MEASURED_ONCE = (
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
        "`torch.compile`, network of `standard`, 32 rows forward",
        "1.2: fused activations",
        "1.04, after 92 s of start-up",
        "dropped",
    ),
    Optimisation(
        "two seeds batched in one model by grouped convolutions, forward and backward",
        "1.1: fewer calls",
        "0.7 to 1.1 of single layers of `paper` and `quick`, in float32 and bfloat16",
        "dropped: processes (`--jobs`) cost nothing, see below",
    ),
    Optimisation(
        "subnormal numbers flushed to zero (`torch.set_flush_denormal`)",
        "1.05",
        "1.00 to 1.02 of a `paper` step, 0.96 to 1.0 of `standard` prediction",
        "dropped",
    ),
    Optimisation(
        "94 channels of the last level filled up to 96, `paper` step in bfloat16",
        "1.02: whole vectors",
        "0.94 to 1.04",
        "dropped",
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
        "transposed convolutions to whole strides, the last positions cut, `standard` at"
        " 22.05 kHz, 40 rows forward",
        "2: as fast as at 48 kHz",
        "4.6 in bfloat16 (191 to 41 ms), 1.0 in float32 (114 to 111 ms)",
        "kept",
    ),
    Optimisation(
        "no exponential computed that underflows, normal matrix of 144 sets of 75 harmonics",
        "9: 15.1 to 1.7 ms for the exponential alone",
        "1.5 (10 to 6.7 ms)",
        "kept",
    ),
    Optimisation(
        "incomplete sets 4 nats below a frame's best not continued, search of `standard`, 18 s",
        "1.6: 2 to 3 of 5 sets are left",
        "1.3 (28.6 to 22.2 s)",
        "dropped: a duet lost 0.5 dB, a trio 0.2",
    ),
    Optimisation(
        "blocks of frames in two threads of Python instead of operations in two of OpenMP, search"
        " of `standard`, 6 s",
        "1.6: two processes that share nothing are twice as fast as one",
        "1.3 to 1.5 (wall time, 5.1 to 5.9 and 3.7 to 4.1 s; one thread 6.5 s); of a trio 2.0 times"
        " as fast as one thread; the stems of 20 s, fitted ahead, 1.3 (6.8 to 5.2 s); an Intel with"
        " AMX, search alone, 1.0 to 1.2",
        "kept: without training no result depends on the number of threads",
    ),
    Optimisation(
        "one backward pass for network and dictionary",
        "1.2 of a `paper` step",
        "-",
        "dropped, cannot be: the policy gradient counts for the network only, and both reach D "
        "by way of the second pass's input",
    ),
    Optimisation(
        "the last layer casts four rows at a time to float32, search of `standard`, 64 frames",
        "1.1: what is cast stays in the cache, and no output is copied",
        "1.1 with two instruments (1.05 to 0.94 s), 1.2 with three (1.93 to 1.64 s)",
        "kept",
    ),
    Optimisation(
        "bias gradients of transposed convolutions summed apart, `paper` in bfloat16, 54 and 18"
        " rows forward and backward",
        "1.1: they take 14 of 38 ms in the largest layer",
        "1.1 and 1.1 (1.64 to 1.50 s and 533 to 479 ms); training steps 1.1 and 1.1 (2.74 to 2.39 s"
        " independent, 1.07 to 0.99 s tree)",
        "kept",
    ),
    Optimisation(
        "freed memory kept by the process (`mallopt`), `standard`, 6 s",
        "1.1: the time spent in the system",
        "1.09 (12.4 to 11.4 s); a `paper` step 1.00 to 1.08",
        "kept, in the programs alone: it is a setting of the whole process, and of glibc only",
    ),
    Optimisation(
        "threads of OpenMP sleep after 1,000 rounds (`GOMP_SPINCOUNT`), `standard`, 3 s, 2 threads",
        "2 beside other programs: the time they are kept from their work",
        "1.8 (wall time, 43 to 24 s) beside a program on each core; 1.3 to 3.7 for two at once; by"
        " itself 1.0; after 30, 100, 300, 10,000 rounds 0.7, 0.7, 0.85 and 1.0 by itself, the last"
        " 0.4 to 1.2 for two at once",
        "kept, in the programs alone",
    ),
    Optimisation(
        "a step's numbers read at once, 39 and more readings before; no number copied to the GPU;"
        " peaks in all bins there, for whose windows their widths would have to be read",
        "on a GPU the gaps between launches, on a CPU 1.0",
        "unmeasured: no GPU was lent; that nothing else waits is tested on a CPU"
        " (`tests/unit/methods/policy/test_trainer.py`)",
        "kept",
    ),
    Optimisation(
        "a step recorded as a CUDA graph (`[run] cuda_graphs`)",
        "2 on a GPU: a step is 2,500 to 3,200 operations of a few microseconds, each of which takes"
        " the host as long to start",
        "unmeasured: no GPU was lent (`python -m tests.benchmarks.gpu`); the same bytes as without"
        " where a CPU plays the GPU's part (`tests/graphs.py`)",
        "a setting, not the default",
    ),
    Optimisation(
        'a step compiled for a GPU, `torch.compile(mode="max-autotune")`, instead',
        "2 for the gaps, and fused activations",
        "-; the dictionary's gradient is a second pass back, in which a compiled network would give"
        " its weights' again: about 380 instead of 298 GFLOP a step",
        "dropped",
    ),
    Optimisation(
        "gradients asked by their sums whether they are finite, a `paper` step",
        "1.02: 24 of 950 ms",
        "1.4 instead of 24 ms; with the next row 1.00 to 1.01 of a step (0.94 to 0.93 s tree, 2.11"
        " to 2.08 s independent)",
        "kept",
    ),
    Optimisation(
        "least squares by two `solve_triangular` instead of `cholesky_solve`",
        "1.0: the same operations",
        "1.5 for 75 harmonics, 2.4 for 150, 1.1 for 25, and the same bits",
        "kept",
    ),
    Optimisation(
        "ReLU of bfloat16 as whole numbers, `standard`, 6 s",
        "1.05: a quarter of the time for it",
        "1.06 (11.4 to 10.8 s); a `paper` step 1.04 to 1.06 independent (1.82 to 1.72 s), 1.01 to"
        " 1.05 tree (0.93 to 0.89 s)",
        "kept",
    ),
    Optimisation(
        "timbres' levels by sums of products, weights cast once for a block of frames, frames cut"
        " out instead of gathered, running medians row by row, `standard`, 20 s",
        "1.1: they take 6 of 42 s, and could take 2",
        "1.1 (wall time, one thread, 41.9 to 37.9 s)",
        "kept",
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
