"""Evaluation: separations on disk against references on disk.

| step | module |
| --- | --- |
| which files are stems, references and mixture of which take | ``takes`` |
| sound files as blocks of one rate, length and channel count | ``tracks`` |
| one take to its scores, and several to one result | ``scoring`` |
| annotated and found pitch tracks on disk | ``annotations`` |
| the spread over the seeds of a run, and what was chosen blind | ``seeds`` |
| the results, and what their numbers mean | ``results`` |
"""

from musisep_cli.evaluation.results import Evaluation, Options
from musisep_cli.evaluation.scoring import evaluate
from musisep_cli.evaluation.takes import Request, plan

__all__ = ["Evaluation", "Options", "Request", "evaluate", "plan"]
