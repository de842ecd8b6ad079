"""Tasks: one unit of work on a worker, and in which of few ways it ended."""

from __future__ import annotations

import pickle
import platform
import traceback
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from musisep_cli.errors import DeviceError, MusisepError
from musisep_cli.machine.interruption import heed_interrupts
from musisep_cli.machine.process import keep_freed_memory
from musisep_cli.methods.method import OnProgress
from musisep_cli.run.cluster.mailbox import Post

Work: TypeAlias = Callable[[OnProgress, bool], Any]
"""Function that does a unit of work: it is called with what takes its reports, and with whether a
worker died that had the unit in hand before."""
How: TypeAlias = Literal["done", "failed", "bug", "stopped", "died", "unfit"]
"""How a unit ended: with a result, with an error that the user can resolve, with one that is a bug,
because it was to stop, because its worker died too often, or on a node that cannot work for this
driver."""


class _NoGpuError(Exception):
    """This worker was given a GPU that PyTorch does not find."""


def do(work: bytes, mailbox: Any, key: Any, *, on_gpu: bool, again: bool) -> tuple[How, Any]:
    """Do a unit of work in this process.

    Args:
        work: a pickled ``Work``.
        mailbox: actor that takes reports.
        key: names the unit in reports.
        on_gpu: whether the unit is to be computed on a GPU, which this worker then needs.
        again: whether a worker died that had it in hand.

    Returns:
        How it ended, and its result, its error, or the traceback of a bug.
    """
    keep_freed_memory()
    heed_interrupts()
    try:
        if on_gpu:
            _find_gpu()
        function: Work = pickle.loads(work)
        return "done", function(Post(mailbox, key), again)
    except KeyboardInterrupt:
        return "stopped", None
    except _NoGpuError as error:
        return "unfit", f"node {platform.node()} was to work on a GPU and has none: {error}"
    except MusisepError as error:
        return "failed", error
    except Exception:
        return "bug", traceback.format_exc()


def _find_gpu() -> None:
    """Make sure that PyTorch finds the GPU that Ray reserved for this worker.

    Raises:
        _NoGpuError: it does not.
    """
    from musisep_cli.machine.device import resolve_device  # many a unit needs no PyTorch

    try:
        resolve_device("cuda")
    except DeviceError as error:
        raise _NoGpuError(str(error)) from error
