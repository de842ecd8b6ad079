"""Speed, and the correctness beside it, as a Markdown page: ``make bench``.

Every time is the median of several runs in one process. These machines are shared: compare the
ratios within a page, not the milliseconds between pages.
"""

import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch

from musisep_cli import __version__
from musisep_cli.config import Config, compose
from musisep_cli.model.dictionary import start_dictionary
from musisep_cli.model.gabor import GaborFrame
from musisep_cli.pipeline import new_policy
from musisep_cli.training.trainer import Trainer
from tests.signals import duet

RATE_HZ = 48_000
DURATION_S = 10.0
COMMAND = "python -m tests.benchmarks.report"


def main() -> None:
    for line in page():
        print(line)


def page() -> Iterator[str]:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    yield "# Benchmarks"
    yield ""
    made_by = f"musisep {__version__}, commit {commit or 'unknown'}, torch {torch.__version__}"
    yield f"`{COMMAND}`: {made_by},"
    yield f"{torch.get_num_threads()} threads, {platform.processor() or platform.machine()}."
    yield f"A duet of {DURATION_S:.0f} s at {RATE_HZ} Hz, two instruments, batches of 6 frames."
    yield ""
    yield "| what | median | note |"
    yield "| --- | --- | --- |"
    signal = torch.tensor(
        np.sum(list(duet(duration_s=DURATION_S, sample_rate_hz=RATE_HZ).values()), 0),
        dtype=torch.float32,
    )
    yield from frame_rows(signal)
    for preset in ("quick", "paper"):
        yield from policy_rows(compose(preset, {"run": {"instruments": 2}}), signal)


def frame_rows(signal: torch.Tensor) -> Iterator[str]:
    frame = GaborFrame(Config().frame, RATE_HZ)
    centres = frame.centres(len(signal))
    spectra = frame.analyse(signal, centres)
    error = frame.synthesise([spectra], len(signal)) - signal
    relative = float(error.abs().max() / signal.abs().max())
    yield row(
        "analysis, all frames", lambda: frame.analyse(signal, centres), f"{len(centres)} frames"
    )
    yield row(
        "synthesis, all frames",
        lambda: frame.synthesise([spectra], len(signal)),
        f"largest error {relative:.1e} of the peak",
    )


def policy_rows(config: Config, signal: torch.Tensor) -> Iterator[str]:
    frame = GaborFrame(config.frame, RATE_HZ)
    trainer = Trainer(
        config.training,
        estimator=config.estimator,
        policy=new_policy(config, frame),
        dictionary=start_dictionary(config.dictionary, 2),
        dictionary_frozen=False,
        frame=frame,
        signal=signal,
    )
    batch = trainer.next_batch()
    centres = frame.centres(len(signal))[:64]
    frames = frame.analyse(signal, centres)[:, : frame.n_network_bins]
    dictionary = trainer.dictionary.detach()
    name = config.preset

    def explore() -> object:
        return trainer.policy.explore(batch, trainer.dictionary)

    def predict() -> object:
        return trainer.policy.predict(frames, dictionary)

    weights = sum(p.numel() for p in trainer.policy.parameters())
    yield row(
        f"`{name}`: rollouts of a batch", explore, f"{config.policy.sampling}, {weights:,} weights"
    )
    yield row(
        f"`{name}`: training step", lambda: trainer.step(batch), "rollouts, gradients, AdaMax"
    )
    seconds = len(centres) * frame.hop_samples / RATE_HZ
    yield row(f"`{name}`: prediction", predict, f"of {seconds:.2f} s of sound")


def row(name: str, run: Callable[[], object], note: str, n_runs: int = 5) -> str:
    run()
    times_ms = []
    for _ in range(n_runs):
        start = time.perf_counter()
        run()
        times_ms.append(1e3 * (time.perf_counter() - start))
    return f"| {name} | {statistics.median(times_ms):,.0f} ms | {note} |"


if __name__ == "__main__":
    main()
