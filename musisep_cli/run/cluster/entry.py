"""Entry: what a node of a cluster runs before it trusts that it has the same program.

These functions are sent as they are, not by their name: a node may hold another musisep, in which
there is no such module, or none at all. So each imports what it needs within, and nothing else of
this module.
"""

from __future__ import annotations

from typing import Any


def examine(version: str, token: str) -> str:
    """Return why this node cannot work for a driver; an empty text if it can.

    Args:
        version: of musisep on the driver.
        token: path of a file that the driver wrote into the output folder, in whose name its
            content is.
    """
    import os
    import platform
    import secrets
    from pathlib import Path

    node = f"node {platform.node()}"
    try:
        from musisep_cli import __version__ as found
    except ImportError:
        return f"{node} has no musisep; install {version} there, as on this machine"
    if found != version:
        return (
            f"{node} has musisep {found}, this machine has {version}, and results may differ. "
            "Install one version on all."
        )
    path = Path(token)
    folder = path.parent
    try:
        if path.read_text("utf-8") != path.name:
            return f"{node} has another folder at {folder}"
        probe = path.with_name(f"{path.name}-{secrets.token_hex(8)}")
        os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        probe.unlink()
    except OSError as error:
        return (
            f"{node} cannot reach the output folder {folder} or not write there "
            f"({error.strerror}). Choose one with --out that all machines share."
        )
    return ""


def call(
    version: str, token: str, work: bytes, mailbox: Any, key: Any, on_gpu: bool, again: bool
) -> Any:
    """Examine the node, and do one unit of work.

    Args:
        version: of musisep on the driver.
        token: path of the driver's file in the output folder.
        work: pickled function that does the work.
        mailbox: actor that takes reports to the driver.
        key: names the unit in reports.
        on_gpu: whether the unit is to be computed on a GPU.
        again: whether a worker died that had the unit in hand.

    Returns:
        What ``tasks.do`` returns, or ``("unfit", reason)``.
    """
    problem = examine(version, token)
    if problem:
        return "unfit", problem
    from musisep_cli.machine.process import wait_briefly

    wait_briefly()  # before PyTorch is imported, with the function that does the work
    from musisep_cli.run.cluster.tasks import do

    return do(work, mailbox, key, on_gpu=on_gpu, again=again)
