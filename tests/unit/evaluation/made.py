"""Takes made of arrays, as files and as signals, for the tests of the evaluation."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import soundfile

from musisep_cli.evaluation.signals import Signals, open_signals
from musisep_cli.evaluation.takes import Take

RATE_HZ = 8_000


def noise(n_samples: int = 8_000, seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(n_samples)


def write(path: Path, samples: np.ndarray, rate_hz: int = RATE_HZ) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate_hz, subtype="DOUBLE")
    return path


def take_of(
    folder: Path,
    *,
    references: Mapping[str, np.ndarray],
    stems: Sequence[np.ndarray],
    mix: np.ndarray | None = None,
) -> Take:
    """Files of the arrays ``[t]`` or ``[t, c]``: refs/<name>.wav, stems/instrument-1.wav and on."""
    return Take(
        references=tuple(write(folder / "refs" / f"{n}.wav", x) for n, x in references.items()),
        stems=tuple(
            write(folder / "stems" / f"instrument-{number}.wav", x)
            for number, x in enumerate(stems, 1)
        ),
        mix=None if mix is None else write(folder / "refs" / "mix.wav", mix),
        left_out=(),
        notices=(),
    )


def signals_of(folder: Path, **arrays: object) -> Signals:
    signals, _ = open_signals(take_of(folder, **arrays), strict=False)  # type: ignore[arg-type]
    return signals
