"""Measures of a separation against references: numbers in, numbers out.

| noun | module |
| --- | --- |
| blocks of signals, so that an hour needs no more memory than a second | ``blocks`` |
| BSS Eval v2, a gain only: the paper's SDR, SIR, SAR | ``bss_eval`` |
| BSS Eval v3, a filter of 512 taps, through mir_eval | ``bss_eval_v3`` |
| which stem belongs to which reference | ``assignment`` |
| lag between stem and reference | ``lag`` |
| ideal ratio mask, the ceiling of masking | ``ratio_mask`` |
| pitch tracks against annotations, through mir_eval | ``pitch`` |

Axes: ``i`` references, ``j`` estimates (the same number or another), ``c`` channels, ``t`` samples,
``n`` frames, ``f`` bins. Ratios of energies are in dB; ``inf`` is a perfect estimate and ``-inf``
one without a trace of its reference. No measure is ever NaN: what cannot be scored is named.
"""

from musisep_cli.evaluation.metrics.assignment import best_assignment
from musisep_cli.evaluation.metrics.blocks import Block, BlockSource, array_blocks
from musisep_cli.evaluation.metrics.bss_eval import PairScores, bss_eval_v2
from musisep_cli.evaluation.metrics.bss_eval_v3 import bss_eval_v3
from musisep_cli.evaluation.metrics.lag import Lags, estimate_lags
from musisep_cli.evaluation.metrics.pitch import (
    MelodyScores,
    MultipitchScores,
    PitchTrack,
    melody_scores,
    multipitch_scores,
)
from musisep_cli.evaluation.metrics.ratio_mask import masked_blocks

__all__ = [
    "Block",
    "BlockSource",
    "Lags",
    "MelodyScores",
    "MultipitchScores",
    "PairScores",
    "PitchTrack",
    "array_blocks",
    "best_assignment",
    "bss_eval_v2",
    "bss_eval_v3",
    "estimate_lags",
    "masked_blocks",
    "melody_scores",
    "multipitch_scores",
]
