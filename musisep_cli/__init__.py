"""musisep: blind separation of the instruments of one recording, without training data.

The tree follows the way of the data:

| Room | One idea |
| --- | --- |
| `sound` | samples in memory and in files |
| `frames` | a recording as short spectra, block by block (paper, Section 2.2) |
| `tones` | what a frame is made of: peaks, dictionary, fit, objective (2.1, 2.3, 3.4, Eq. 17) |
| `methods` | one package for each way to find out what sounds; `method` is what they all are |
| `stems` | tones to waveforms |
| `run` | seeds, settings, folders; no mathematics |
| `machine` | the computer underneath: devices, threads, files, locks, signals |
| `pictures`, `inspection`, `evaluation`, `cli` | pictures; what a recording is and a run found; \
scores against references; the commands |

The paper (Schulze, Leuschner and King, Signals 2(4), 2021) in reading order:

| Section | What | Module |
| --- | --- | --- |
| 2.1 | harmonic positions, Gaussian peaks, tone spectra | `tones.peaks` |
| 2.2 | Gaussian-window Gabor frame: analysis, dual window, synthesis | `frames.gabor` |
| 2.3, 3.5 | dictionary: relative harmonic amplitudes, start, bounds, JSON | `tones.dictionary` |
| 3.1, 3.4 | lifted distances, the weighted objective | `tones.objective` |
| 3.2.2 | the network and nothing else | `methods.policy.unet` |
| 2.3, 3.2 | raw network output to valid parameters of a tone | `methods.policy.parameters` |
| 3.2, 3.5 | distribution of a tone: sample, log-probability, mode | `methods.policy.sampling` |
| Eq. 17 | least squares: complex coefficient of every harmonic | `tones.coefficients` |
| 3.2 | the tones that a frame has been found to hold so far | `methods.policy.explanation` |
| 3.2, 3.6 | tone by tone: predict, sample, synthesise, subtract | `methods.policy.rollout` |
| 3.5 | policy gradient: surrogate, baseline, importance weights | `methods.policy.estimator` |
| 3.5 | AdaMax, with one norm per instrument for the dictionary | `methods.policy.adamax` |
| 3.7 | Algorithm 1 | `methods.policy.trainer` |
| 3.8 | all frames to tones to waveforms | `methods.policy.listening`, `stems.waveforms` |
| 4 | several seeds, one of them chosen blind | `run.in_memory`, `run.ranking` |
| 4 | BSS Eval and pitch scores | `evaluation.metrics` |

What departs from the paper is in `methods.decoding` (which tones sound and who plays them, decided
over all frames), `methods.policy.warmstart` (a network that has learned on simulated frames) and
`stems` (all tones fitted together, what they leave over shared out); each module says so.
``docs/method.md`` tells it in full, ``docs/house.md`` the plan of the code.

One alphabet of axes: ``b`` batch, ``k`` rollouts, ``i`` instruments, ``n`` frames, ``f`` bins,
``h`` harmonics, ``t`` samples, ``w`` bins around a peak, ``c`` channels.

``from musisep_cli import separate`` is the whole tool on arrays.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from musisep_cli.run.in_memory import Separation, separate

__version__ = "0.2.0.dev1"
__all__ = ["Separation", "__version__", "separate"]


def __getattr__(name: str) -> Any:
    """Public names on first use, so that ``musisep --help`` does not wait for PyTorch."""
    if name in ("Separation", "separate"):
        return getattr(importlib.import_module("musisep_cli.run.in_memory"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
