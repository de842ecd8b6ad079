"""Runs of `musisep separate` with a network so small that each takes a second."""

import hashlib
import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import soundfile
import torch
from typer.testing import CliRunner, Result

from musisep_cli import pictures
from musisep_cli.cli.app import app
from musisep_cli.cli.separate import run, units
from musisep_cli.inspection.estimate import Measured
from musisep_cli.methods import registry
from musisep_cli.run.settings.config import Config
from tests.signals import pure_tone

TINY_SETTINGS = """
preset = "quick"

[run]
threads = 1

[network]
base_channels = 4
strides = [4, 4, 4, 4, 4, 3]

[training]
iterations = 2
batch_size = 2
"""

# With frames that are searched and decoded; from scratch, as the shipped weights are large.
WARM_SETTINGS = """
preset = "standard"

[run]
instruments = 2
threads = 1
seeds = 2

[network]
base_channels = 4
strides = [4, 4, 4, 4, 4, 3]

[warmstart]
weights = ""

[training]
iterations = 4
batch_size = 2
"""


def write_settings(folder: Path) -> Path:
    path = folder / "tiny.toml"
    path.write_text(TINY_SETTINGS)
    return path


def write_recording(
    path: Path,
    *,
    sample_rate_hz: int = 16_000,
    n_channels: int = 1,
    duration_s: float = 0.3,
    subtype: str | None = None,
    peak: float = 0.3,
) -> Path:
    """Two tones; the channels differ in level."""
    both = sum(
        pure_tone(f0_hz, duration_s=duration_s, sample_rate_hz=sample_rate_hz)
        for f0_hz in (440.0, 587.3)
    )
    gains = peak / 2 / np.arange(1, n_channels + 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.outer(both, gains), sample_rate_hz, subtype=subtype)
    return path


def invoke(
    *arguments: object, drawn: bool = False, paged: bool = False, timed: bool = False
) -> Result:
    """A run in this process. To draw the pictures and the page would take most of its time.

    A dry run says how long a separation takes by a trial of it, which is only run if `timed`.
    """
    with ExitStack() as patches:
        if not drawn:
            patches.enter_context(patch.object(pictures, "write_spectrogram", _draw_nothing))
        if not paged:
            for place in (run, units):
                patches.enter_context(patch.object(place, "write_page", _write_nothing))
        if not timed:
            patches.enter_context(patch.object(Measured, "of", _measure_nothing))
        return CliRunner().invoke(app, ["separate", *map(str, arguments)])


def _measure_nothing(
    sample_rate_hz: int, n_channels: int, config: Config, device: torch.device
) -> Measured:
    method = registry.get(config.run.method)
    return Measured(
        config=config,
        device=device,
        trial=method.trial(config.settings, sample_rate_hz, config.run.threads),
        sample_rate_hz=sample_rate_hz,
        n_channels=n_channels,
        step_s=0.1,
        frame_s=0.01,
    )


def _draw_nothing(path: Path, *_: object, **__: object) -> None:
    path.touch()


def _write_nothing(folder: Path) -> Path:
    (folder / "listen.html").touch()
    return folder / "listen.html"


def separate(folder: Path, *arguments: object, exit_code: int = 0, **how: bool) -> Result:
    """A run with the tiny settings into `folder / "out"`, which must end with the exit code."""
    flags = ("--config", write_settings(folder), "--out", folder / "out", "--cpu")
    result = invoke(*arguments, *flags, **how)
    assert result.exit_code == exit_code, result.output
    return result


def results(folder: Path, track: str) -> Path:
    return folder / "out" / "musisep" / track


def manifest(folder: Path, track: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((results(folder, track) / "manifest.json").read_text())
    return content


def hashes(folder: Path) -> dict[str, str]:
    """Every sound file below a folder with its hash."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".wav", ".flac"))
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, without the times taken and the input's place."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): _without_times(path) for path in files}


def _without_times(path: Path) -> bytes:
    if path.name not in ("manifest.json", "seed.json"):
        return path.read_bytes()
    document: dict[str, Any] = json.loads(path.read_text())
    for part in (document, document.get("input", {}), *document.get("ranking", [])):
        part.pop("wall_s", None)
        part.pop("path", None)
    return json.dumps(document).encode()
