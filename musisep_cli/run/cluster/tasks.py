"""Tasks: one unit of work on a worker, and in which of few ways it ended."""

from __future__ import annotations

import pickle
import platform
import traceback
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from musisep_cli.errors import DeviceError, MusisepError
from musisep_cli.machine.device import resolve_device
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
    if on_gpu:
        try:
            resolve_device("cuda")
        except DeviceError as error:
            return "unfit", f"node {platform.node()} has no GPU that this work can use: {error}"
    try:
        function: Work = pickle.loads(work)
        return "done", function(Post(mailbox, key), again)
    except KeyboardInterrupt:
        return "stopped", None
    except MusisepError as error:
        return "failed", error
    except Exception:
        return "bug", traceback.format_exc()
