"""musisep: blind separation of melodic instruments by policy gradients.

The paper's chapters in reading order, and where each lives:

| Section | What | Module |
| --- | --- | --- |
| 2.1 | harmonic positions, Gaussian peaks, tone spectra | `model.tones` |
| 2.2 | Gaussian-window Gabor frame: analysis, dual window, synthesis | `model.gabor` |
| 2.3, 3.5 | dictionary: relative harmonic amplitudes, start, bounds, JSON | `model.dictionary` |
| 3.1, 3.4 | lifted distances, the weighted objective | `policy.distance` |
| 3.2.2 | the network and nothing else | `policy.unet` |
| 2.3, 3.2 | raw network output -> valid parameters of a tone | `policy.parameters` |
| 3.2, 3.5 | distribution of a tone: sample, log-probability, mode | `policy.sampling` |
| Eq. 17 | least squares: complex coefficient of every harmonic | `policy.phase` |
| 3.2 | the tones that a frame has been found to hold so far | `policy.explanation` |
| 3.2, 3.6 | tone by tone: predict, sample, synthesise, subtract | `policy.rollout` |
| 3.5 | policy gradient: surrogate, baseline, importance weights | `training.estimator` |
| 3.5 | AdaMax, with one norm per instrument for the dictionary | `training.adamax` |
| 3.7 | Algorithm 1 | `training.trainer` |
| - | a step that a GPU is given as a whole | `training.recorded` |
| 3.8 | all frames -> tones -> waveforms | `listening`, `transcript`, `resynthesis` |
| - | a start from simulated frames instead of chance, its weights | `warmstart`, `weights` |
| - | several sets of tones per frame | `policy.search` |
| - | each set fitted to the frame at once | `policy.hypotheses`, `policy.joint` |
| - | which tones sound and who plays them, over all frames | `transcription`, `decoding` |
| - | what speaks for that | `costs` |
| - | the cheapest path through all frames | `viterbi` |
| - | notes that sound on where their frame does not show them | `held` |
| - | how strong harmonics are at a pitch, how loud tones are | `timbre` |
| - | from where in stereo an instrument sounds | `places` |
| - | how loud a note is where other tones hide it | `levels` |
| - | harmonics followed from frame to frame | `partials` |
| 2.1 | how far an instrument's strings spread their harmonics | `inharmonicity` |
| - | the network learns what was decoded, where that is clear | `training.rehearsal`, `labels` |
| - | until notes that are held out are heard no better | `training.stopping` |
| - | a rollout along known tones | `policy.forced` |
| - | notes that end and begin, fitted again with that timbre | `notes`, `fitting`, `refinement` |
| 4 | one recording, one seed: the whole chain, what it tells and ends in | `pipeline`, `seed` |
| 4 | many seeds, one of them chosen blind | `ensemble`, `ranking`, `workers` |
| 4 | BSS Eval and pitch scores; any separation against references | `metrics`, `evaluation` |

Around them: `recording` (samples in memory, and when they can be separated), `audio` (sound files),
`blockwise` (samples a block at a time), `spectra` (its frames), `framewise` (frames a block at a
time), `spool` (frames in a file instead of in memory), `plots`, `device`, `config` (all constants),
`limits` (what they can be), `settings` (presets and files that change them), `run_folder` (what a
separation leaves on disk), `manifest` (what made it), `inspection` (what a file is, what a
separation found), `errors`, and `cli`. So that no run is lost: `files` (whole or not at all),
`locks` (one process at a time), `interruption` (signals wait for the next step), `checkpoint` (what
a seed goes on from), `journal` (what it has done so far), `portions` (no more frames at once than
fit), `seed_folder` (a seed made and verified), `stored` (seeds found in a folder, one of them
chosen). And `process` (what programs ask of the C libraries), `threads` (blocks of frames side by
side).

Imports run one way, see the contracts in ``pyproject.toml``: cli > ensemble | stored | evaluation |
inspection > manifest > seed_folder > run_folder | workers | ranking > pipeline > journal > seed >
settings > limits > config > listening | refinement | transcription | labels > fitting > partials |
inharmonicity | held | levels > notes > training | warmstart | timbre | places > policy >
resynthesis | spectra | decoding | transcript | metrics | audio | plots > model | recording |
checkpoint | costs | viterbi > spool > files | locks | process | interruption | device | blockwise
| framewise | portions | threads > errors.

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
