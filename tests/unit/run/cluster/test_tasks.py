"""Tasks: the ways in which a unit of work ends."""

import pickle
from typing import Any

import pytest
import torch

from musisep_cli.errors import InputError
from musisep_cli.methods.method import OnProgress
from musisep_cli.run.cluster.tasks import do


def succeed(on_progress: OnProgress, again: bool) -> str:
    return "once more" if again else "at first"


def refuse(on_progress: OnProgress, again: bool) -> None:
    raise InputError("made to happen")


def divide(on_progress: OnProgress, again: bool) -> float:
    return 1 / 0


def stop(on_progress: OnProgress, again: bool) -> None:
    raise KeyboardInterrupt


def done(work: Any, *, on_gpu: bool = False, again: bool = False) -> Any:
    return do(pickle.dumps(work), None, "key", on_gpu=on_gpu, again=again)


def test_a_result_and_whether_it_was_begun_before() -> None:
    assert done(succeed) == ("done", "at first")
    assert done(succeed, again=True) == ("done", "once more")


def test_an_error_of_the_user_s_comes_back_as_it_is() -> None:
    how, error = done(refuse)
    assert how == "failed"
    assert isinstance(error, InputError)


def test_a_bug_comes_back_as_its_traceback() -> None:
    how, trace = done(divide)
    assert how == "bug"
    assert "return 1 / 0" in trace
    assert trace.rstrip().endswith("ZeroDivisionError: division by zero")


def test_who_is_stopped_says_so() -> None:
    assert done(stop) == ("stopped", None)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_work_for_a_gpu_is_not_done_where_there_is_none() -> None:
    how, problem = done(succeed, on_gpu=True)
    assert how == "unfit"
    assert "was to work on a GPU and has none: cuda: PyTorch" in problem
