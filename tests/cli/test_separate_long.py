"""An hour of sound in the memory of a small laptop."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.cli.separating import results
from tests.signals import duet

RATE_HZ = 48_000
DURATION_S = 3600
MOST_GB = 4.0
# A small network and fewer, wider-spaced frames keep it to minutes; the samples are what fills the
# memory: 1.4 GB of them in float32, and as much again for each stem and the residual. What is found
# in the frames is read and written as a file, and no file of it is mapped: so the largest resident
# memory, which also counts pages of mapped files, leaves nothing out, and what the system keeps of
# files in memory it does not need is not the process's.
SETTINGS = """
preset = "standard"

[run]
instruments = 2
threads = 1

[frame]
max_frequency_hz = 3000.0
hop_zetas = 3.0

[network]
base_channels = 2
strides = [4, 4, 4, 4, 3]

[warmstart]
weights = ""

[decoding]
starts = 2
rounds = 2
final_rounds = 2

[resynthesis]
change_window = 1.0

[training]
iterations = 3
batch_size = 2
"""


@pytest.mark.slow
def test_an_hour_of_stereo_takes_less_than_4_gb(tmp_path: Path, repository: Path) -> None:
    path = tmp_path / "hour.wav"
    high, low = duet(sample_rate_hz=RATE_HZ).values()
    piece = np.stack([high + 0.3 * low, 0.4 * high + low], 1)
    with soundfile.SoundFile(path, "w", RATE_HZ, 2, "PCM_16") as sound:
        for _ in range(DURATION_S * RATE_HZ // len(piece)):
            sound.write(0.7 * piece)
    (tmp_path / "settings.toml").write_text(SETTINGS)
    flags = ["separate", str(path), "--config", "settings.toml", "--cpu", "-o", "out"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    done = subprocess.run(
        [sys.executable, "-m", "musisep_cli", *flags],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    peak_gb = max(before, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1e6
    print(f"peak resident memory: {peak_gb:.2f} GB")  # noqa: T201
    assert peak_gb < MOST_GB
    for stem in ("instrument-1", "instrument-2", "residual"):
        info = soundfile.info(results(tmp_path, "hour") / f"{stem}.wav")
        assert (info.frames, info.channels) == (DURATION_S * RATE_HZ, 2)
