"""How time and memory grow with the recording's length and the number of instruments.

``python -m tests.benchmarks.scale SECONDS`` separates so much and prints CPU time and memory.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from musisep_cli import separate
from musisep_cli.machine.process import keep_freed_memory
from tests.benchmarks import parts
from tests.benchmarks.measure import cpu_s
from tests.signals import duet

DURATIONS_S = (10, 20, 100)
HOUR_S = 3600
INSTRUMENTS = (1, 2, 3, 4, 5)


def page() -> Iterator[str]:
    yield "## Scale"
    yield ""
    yield "Length: `separate` with the preset `standard`, each in a process of its own."
    yield ""
    yield "| length | CPU time | per second of audio | peak memory |"
    yield "| --- | --- | --- | --- |"
    found = [_in_a_process(duration_s) for duration_s in DURATIONS_S]
    for duration_s, (seconds, memory) in zip(DURATIONS_S, found, strict=True):
        yield _length_row(f"{duration_s} s", seconds, duration_s, memory)
    slope_s, base_s = np.polyfit(DURATIONS_S, [seconds for seconds, _ in found], 1)
    hour_s = base_s + HOUR_S * slope_s
    yield f"| 60 min, linear fit | {hour_s:,.0f} s | {hour_s / HOUR_S:.2f} s | see below |"
    yield ""
    yield (
        "Memory grows until a recording is longer than the blocks in which its frames are decoded,"
        " 87 s, and from there on with its samples alone: an hour of 48 kHz stereo is measured by"
        " `pytest -s -m slow tests/cli/test_separate_long.py`."
    )
    yield ""
    yield (
        "Seeds share nothing: time is that of one times their number, over the number of processes"
        " (`--jobs`) while there are cores; every process needs its own memory."
    )
    yield ""
    yield (
        "Instruments: `quick`, a training step of six frames with tree rollouts, and prediction. In"
        " a step the rollouts dominate, three times as many with every instrument; in prediction"
        " the passes of the network, one per instrument."
    )
    yield ""
    yield "| instruments | rollouts | training step | prediction, 1 s of audio |"
    yield "| --- | --- | --- | --- |"
    for n_instruments in INSTRUMENTS:
        yield _instruments_row(n_instruments)


def _length_row(name: str, seconds: float, duration_s: float, memory: float) -> str:
    return f"| {name} | {seconds:,.0f} s | {seconds / duration_s:.2f} s | {memory / 1e9:.2f} GB |"


def _instruments_row(n_instruments: int) -> str:
    model = parts.trainer("quick", n_instruments)
    n_rollouts = len(model.policy.config.exponents) ** n_instruments
    batch = model.next_batch()
    step_s = cpu_s({"": lambda: model.step(batch)}, budget_s=2)[""]
    second_s = parts.prediction_part("quick", n_instruments).seconds
    return f"| {n_instruments} | {n_rollouts} | {step_s:.2f} s | {second_s:.2f} s |"


def _in_a_process(duration_s: float) -> tuple[float, float]:
    """CPU time in seconds and peak memory in bytes of one separation."""
    command = [sys.executable, "-m", "tests.benchmarks.scale", str(duration_s)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    seconds, memory = json.loads(output)
    return seconds, memory


def _mixture(duration_s: float) -> NDArray[np.float32]:
    high, low = duet(duration_s=duration_s, sample_rate_hz=parts.RATE_HZ).values()
    return np.asarray(high + low, np.float32)


def _separate(duration_s: float) -> tuple[float, float]:
    keep_freed_memory()
    torch.set_num_threads(1)
    mix = _mixture(duration_s)
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far, of making it, is forgotten
    start = time.process_time()
    separate(
        mix,
        parts.RATE_HZ,
        2,
        preset="standard",
        settings={"run": {"threads": 1}},
        device="cpu",
    )
    seconds = time.process_time() - start
    # Not getrusage: a new process inherits the peak of the one that started it.
    status = Path("/proc/self/status").read_text()
    peak_kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return seconds, 1024 * float(peak_kib)


if __name__ == "__main__":
    print(json.dumps(_separate(float(sys.argv[1]))))
