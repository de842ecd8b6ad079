"""Evaluation: scores of separations on disk against references on disk.

A take is one separation that is scored: its stems, the references, and perhaps the mixture.

| step | module |
| --- | --- |
| find the stems, the references and the mixture of every take | ``takes`` |
| read a sound file as blocks of a given rate, length and number of channels | ``tracks`` |
| agree on one rate, length and number of channels for a take | ``agreement`` |
| read all files of a take side by side | ``signals`` |
| tell which stems are late or early | ``alignment`` |
| score one take, or several | ``scoring`` |
| read pitch tracks that were annotated and that were found | ``annotations`` |
| score the found pitch tracks | ``pitch`` |
| sum up the seeds of a run, and compare with the one chosen blind | ``seeds`` |
| hold the results, and define what their numbers mean | ``results`` |
| the measures themselves, on numbers | ``metrics`` |
"""

from musisep_cli.evaluation.results import Evaluation, Options
from musisep_cli.evaluation.scoring import evaluate
from musisep_cli.evaluation.takes import Request, plan

__all__ = ["Evaluation", "Options", "Request", "evaluate", "plan"]
