"""Warm start: the network learns to find tones in simulated frames before it sees a recording.

Departs from the paper, which starts from random weights: this saves tens of thousands of iterations
on every recording. No recording and no label is used, so separation stays blind.

| what | module |
| --- | --- |
| frames of imaginary recordings, with their truth | ``simulator`` |
| the objective on frames whose tones are known | ``teacher`` |
| the training loop, resumable | ``school`` |
| the file that a separation starts from | ``weights`` |

``python -m musisep_cli.methods.policy.warmstart`` makes the weights that are shipped.
"""

from musisep_cli.methods.policy.warmstart.weights import load

__all__ = ["load"]
