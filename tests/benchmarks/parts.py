"""What a separation is made of, each part by itself."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate
from operator import mul
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from musisep_cli.frames.framewise import Frames
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.methods.decoding.search import Searcher
from musisep_cli.methods.policy.rollout import branches
from musisep_cli.methods.policy.separate import new_policy
from musisep_cli.methods.policy.trainer import Trainer
from musisep_cli.players.hypotheses import Hypotheses
from musisep_cli.run.settings.compose import compose, resolved
from musisep_cli.run.settings.config import Config
from musisep_cli.tones.coefficients import harmonic_coefficients
from musisep_cli.tones.dictionary import start_dictionary
from musisep_cli.tones.objective import objective
from musisep_cli.tones.peaks import Peaks, harmonic_positions
from tests.benchmarks.measure import Run, Work, cpu_s, work
from tests.signals import duet

RATE_HZ = 48_000
DURATION_S = 10.0
N_INSTRUMENTS = 2
PREDICTED_FRAMES = 64
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Part:
    """One row: a part's CPU time and work."""

    name: str
    seconds: float
    work: Work
    note: str = ""
    in_bfloat16: bool = False

    def plus(self, other: "Part") -> "Part":
        """Both together, under this one's name."""
        total = Work(
            self.work.operations + other.work.operations, self.work.bytes + other.work.bytes
        )
        return Part(self.name, self.seconds + other.seconds, total, self.note, other.in_bfloat16)


def signal() -> Tensor:
    """The benchmark's recording, [t]."""
    mix = np.sum(list(duet(duration_s=DURATION_S, sample_rate_hz=RATE_HZ).values()), 0)
    return torch.tensor(mix, dtype=torch.float32)


def trainer(
    preset: str,
    n_instruments: int = N_INSTRUMENTS,
    sampling: str | None = None,
    *,
    device: torch.device = CPU,
    run: Mapping[str, object] = MappingProxyType({}),
) -> Trainer:
    """A trainer of a preset on the benchmark's recording."""
    settings: dict[str, dict[str, object]] = {"run": {"instruments": n_instruments, **run}}
    if sampling is not None:
        settings["policy"] = {"sampling": sampling}
    config = resolved(compose(preset, settings), device)
    frame = GaborFrame(config.settings.frame, RATE_HZ, device=device)
    return Trainer(
        config.settings.training,
        estimator=config.settings.estimator,
        policy=new_policy(config.settings, n_instruments, frame, config.run.precision).to(device),
        dictionary=start_dictionary(config.settings.dictionary, n_instruments),
        dictionary_frozen=False,
        frame=frame,
        signal=signal().to(device),
        recorded=config.settings.training.cuda_graphs,
    )


def frame_parts() -> Iterator[Part]:
    """Analysis and synthesis of all frames."""
    mix = signal()
    frame = GaborFrame(Config().frame, RATE_HZ)
    centres = frame.centres(len(mix))
    spectra = frame.analyse(mix, centres)
    back = frame.synthesise([spectra], len(mix))
    error = float((back - mix).abs().max() / mix.abs().max())
    note = f"{len(centres)} frames of {DURATION_S:.0f} s"
    yield measured("frame analysis", lambda: frame.analyse(mix, centres), note)
    yield measured(
        "frame synthesis",
        lambda: frame.synthesise([spectra], len(mix)),
        f"{note}, largest error {error:.1e} of the peak",
    )


def measured(name: str, run: Run, note: str = "", *, in_bfloat16: bool = False) -> Part:
    return Part(name, cpu_s({"": run})[""], work(run), note, in_bfloat16)


def prediction_part(preset: str, n_instruments: int = N_INSTRUMENTS) -> Part:
    """Prediction of one second of audio: the search, where tones are decoded over time."""
    model = trainer(preset, n_instruments)
    config = compose(preset, {"run": {"instruments": n_instruments}})
    frame = model.frame
    centres = frame.centres(len(model.signal))[:PREDICTED_FRAMES]
    spectra = frame.analyse(model.signal, centres)[:, : frame.n_network_bins]
    dictionary = model.dictionary.detach()

    def predict() -> None:
        if config.run.method == "decoding":
            found = Frames(Hypotheses, len(spectra))
            n_harmonics = config.settings.dictionary.n_harmonics
            Searcher(model.policy, n_harmonics, config.settings.search, found.add).listen(
                spectra[:, None]
            )
        else:
            model.policy.predict(spectra, dictionary)

    part = measured("", predict)
    per_second = RATE_HZ / frame.hop_samples / len(centres)
    return Part(
        f"`{preset}`: prediction, 1 s of audio",
        part.seconds * per_second,
        Work(part.work.operations * per_second, part.work.bytes * per_second),
        "analysis and synthesis not included",
        model.policy.unet.in_bfloat16,
    )


def step_parts(preset: str, sampling: str) -> Iterator[Part]:
    """A training step and what it consists of; the rest is sampling, copies and sums."""
    model = trainer(preset, sampling=sampling)
    batch = model.next_batch()
    name = f"`{preset}`, {sampling}: "
    whole = measured(
        f"{name}training step",
        lambda: model.step(batch),
        f"{len(batch)} frames",
        in_bfloat16=model.policy.unet.in_bfloat16,
    )
    pieces = [
        *_network_parts(model, len(batch)),
        _rendering(model, len(batch)),
        _loss(model, len(batch)),
        _optimiser(model),
    ]
    yield whole
    for part in pieces:
        yield replace(part, name=f"{name}{part.name}")
    rest_s = whole.seconds - sum(part.seconds for part in pieces)
    yield Part(f"{name}the rest", rest_s, Work(), "sampling, copies, input; by subtraction")


def _rows(model: Trainer, n_frames: int) -> list[int]:
    """Rollouts after every tone."""
    children = [n for n, _ in branches(model.policy.config, model.policy.n_instruments)]
    return [n_frames * n for n in accumulate(children, mul)]


def _network_parts(model: Trainer, n_frames: int) -> Iterator[Part]:
    """The network's passes of one step, and their gradients."""
    unet, policy = model.policy.unet, model.policy
    n_rows = [n_frames, *_rows(model, n_frames)[:-1]]
    n_inputs = unet.mix[0].in_channels - unet.out.in_channels
    n_bins = model.frame.n_network_bins
    # Only the first tone's input depends on nothing that is learned.
    inputs = [torch.randn(n, n_inputs, n_bins, requires_grad=i > 0) for i, n in enumerate(n_rows)]
    weights = list(unet.parameters())

    def forward() -> list[Tensor]:
        return [unet(rows) for rows in inputs]

    def backward() -> None:
        outputs = forward()
        total = torch.stack([rows.sum() for rows in outputs]).sum()
        wanted = [rows for rows in inputs if rows.requires_grad]
        torch.autograd.grad(total, [*weights, *wanted], retain_graph=True)
        if policy.by_instrument and wanted:  # the dictionary's own pass
            torch.autograd.grad(total, wanted)

    times = cpu_s({"forward": forward, "both": backward})
    done = work(forward)
    rows = f"rows {'+'.join(map(str, n_rows))}"
    backward_s = times["both"] - times["forward"]
    yield Part("network forward", times["forward"], done, rows, unet.in_bfloat16)
    yield Part("network backward", backward_s, work(backward) - done, "", unet.in_bfloat16)


def _rendering(model: Trainer, n_frames: int) -> Part:
    """Both spectra of every tone from its values and its artificial spectrum, with gradients."""
    n_bins, n_harmonics = model.frame.n_network_bins, len(model.dictionary)
    tikhonov = model.policy.config.tikhonov
    cases = []
    for n_rollouts in _rows(model, n_frames):
        f0_bins = torch.linspace(20, 400, n_rollouts).requires_grad_()
        widths = torch.full((n_rollouts,), model.frame.ideal_width_bins, requires_grad=True)
        spectrum = torch.randn(n_rollouts, n_bins, dtype=torch.complex64, requires_grad=True)
        cases.append((f0_bins, widths, spectrum))

    def run() -> None:
        for f0_bins, widths, spectrum in cases:
            positions = harmonic_positions(f0_bins, torch.zeros_like(f0_bins), n_harmonics)
            peaks = Peaks.of(positions, widths, n_bins)
            coefficients = harmonic_coefficients(peaks, spectrum, tikhonov=tikhonov)
            spectra = torch.stack([peaks.render(coefficients), peaks.render(2 * coefficients)])
            total = torch.view_as_real(spectra).square().sum()
            torch.autograd.grad(total, [f0_bins, widths, spectrum])

    rollouts = "+".join(str(len(f0_bins)) for f0_bins, _, _ in cases)
    return measured("rendering and least squares", run, f"rollouts {rollouts}")


def _loss(model: Trainer, n_frames: int) -> Part:
    """The objective of all rollouts and its gradient."""
    n_rollouts, n_instruments = _rows(model, n_frames)[-1], model.policy.n_instruments
    n_bins = model.frame.n_network_bins
    reference = torch.randn(n_rollouts, n_bins, dtype=torch.complex64)
    tones = [
        torch.randn(n_rollouts, n_instruments, n_bins, dtype=torch.complex64, requires_grad=True)
        for _ in range(2)
    ]

    def run() -> None:
        total = objective(
            reference=reference,
            dictionary_tones=tones[0],
            direct_tones=tones[1],
            on=torch.ones(n_rollouts, n_instruments),
            config=model.policy.objective_config,
        ).total.sum()
        torch.autograd.grad(total, tones)

    return measured("loss", run, f"{n_rollouts} rollouts")


def _optimiser(model: Trainer) -> Part:
    gradients = [torch.full_like(weight, 1e-6) for weight in model.weights]
    n_weights = sum(weight.numel() for weight in model.weights)
    return measured(
        "optimiser", lambda: model.network_steps.step(gradients), f"{n_weights:,} weights"
    )
