"""Measures of a separation against references: numbers in, numbers out.

| what | module |
| --- | --- |
| signals in blocks, so that an hour needs no more memory than a second | ``blocks`` |
| BSS Eval v2, which allows a gain: the paper's SDR, SIR, SAR | ``bss_eval`` |
| BSS Eval v3, which allows a filter of 512 taps, through mir_eval | ``bss_eval_v3`` |
| which estimate belongs to which reference | ``assignment`` |
| by how many samples an estimate is late | ``lag`` |
| the same from moment to moment | ``segment_lag`` |
| ideal ratio mask, the best that masking can reach | ``ratio_mask`` |
| pitch tracks against annotated ones, through mir_eval | ``pitch`` |

Axes: ``i`` references, ``j`` estimates (of another number perhaps), ``c`` channels, ``t`` samples,
``n`` frames, ``f`` bins. Ratios of energies are in dB: ``inf`` for a perfect estimate, and ``-inf``
for one without a trace of its reference. No measure is ever NaN: signals that cannot be scored are
marked as silent.
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
from musisep_cli.evaluation.metrics.segment_lag import SegmentLags, segment_lags

__all__ = [
    "Block",
    "BlockSource",
    "Lags",
    "MelodyScores",
    "MultipitchScores",
    "PairScores",
    "PitchTrack",
    "SegmentLags",
    "array_blocks",
    "best_assignment",
    "bss_eval_v2",
    "bss_eval_v3",
    "estimate_lags",
    "masked_blocks",
    "melody_scores",
    "multipitch_scores",
    "segment_lags",
]
