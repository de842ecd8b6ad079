"""Writing of a listening page: sounds compressed, and all joined to one file."""

from __future__ import annotations

import secrets
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path

import jinja2

from musisep_cli.inspection.page.compressed import codec_for, compress, page_rate_hz
from musisep_cli.inspection.page.content import Listening, read_listening
from musisep_cli.inspection.page.filling import ALL_SEEDS_MARK, Compressed, filled, own_text
from musisep_cli.machine import locks
from musisep_cli.machine.files import TEMPORARY, atomic_path, remove_leftovers
from musisep_cli.run.folder.layout import PAGE
from musisep_cli.run.in_folder import PATIENCE_S
from musisep_cli.sound.audio_file import common_gain

LARGEST_BYTES = 200_000_000
"""Size of a page in bytes above which it plays the files beside it: browsers take long to open a
larger one, and mail and chat do not carry it."""
_HEAD_BYTES = 4096
"""Bytes at the start of a page in which the mark of all seeds lies."""


def write_page(folder: Path, *, all_seeds: bool = False, largest: int = LARGEST_BYTES) -> Path:
    """Write the listening page of a finished run beside its stems.

    Args:
        folder: of the run.
        all_seeds: whether all seeds can be heard, not only the chosen one.
        largest: size in bytes above which the page plays the files beside it.

    Returns:
        The path of the page.

    Raises:
        InputError: the run is not finished or damaged, or a stem is missing.
        OutputError: the file system refuses.
    """
    # Otherwise another process could change the stems meanwhile, or take our files for leftovers.
    with locks.hold(folder, PATIENCE_S), ExitStack() as stack:
        remove_leftovers(folder)
        listening = read_listening(folder, all_seeds=all_seeds)
        rate_hz = int(listening.separation.manifest["input"]["sample_rate_hz"])
        stored = _compressed(listening, rate_hz, folder, largest, stack)
        page = filled(listening, rate_hz, stored, all_seeds=all_seeds)
        with atomic_path(folder / PAGE) as temporary, temporary.open("wb") as stream:
            for piece in _template().generate(page):
                # A name that is not UTF-8 arrives as lone surrogates; their numbers are shown.
                stream.write(piece.encode("utf-8", "backslashreplace"))
    return folder / PAGE


def holds_all_seeds(page: Path) -> bool:
    """Return whether there is a page in which all seeds can be heard."""
    try:
        with page.open("rb") as stream:
            return ALL_SEEDS_MARK.encode() in stream.read(_HEAD_BYTES)
    except OSError:
        return False


def _compressed(
    listening: Listening, rate_hz: int, folder: Path, largest: int, stack: ExitStack
) -> dict[str, Compressed]:
    """Return all sounds compressed, by their keys; nothing if they are too large for a page.

    Args:
        listening: what can be heard.
        rate_hz: sample rate of the recording.
        folder: where the files lie for a while, under temporary names.
        largest: size of the page in bytes.
        stack: removes the files when it is closed.
    """
    sounds = listening.sounds
    # One gain for all, so that none is clipped and the stems still add up to the mix.
    gain = common_gain([sound.samples for sound in sounds], subtype="int16")
    suffix = codec_for(page_rate_hz(rate_hz)).suffix
    stored: dict[str, Compressed] = {}
    n_bytes = 0
    for sound in sounds:
        path = folder / f"{TEMPORARY}{secrets.token_hex(8)}{suffix}"
        stack.callback(_remove, path)
        compress(path, sound.samples, rate_hz, gain=gain)
        n_bytes += path.stat().st_size * 4 // 3  # as Base64
        stored[sound.key] = Compressed(path=path)
        # An hour is clearly too much after its first sound: the others need not be tried.
        if n_bytes > largest or n_bytes / len(stored) * len(sounds) > 2 * largest:
            return {}
    return stored


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


@cache
def _template() -> jinja2.Template:
    """Return the page's template, which escapes whatever it is filled with."""
    environment = jinja2.Environment(
        loader=jinja2.DictLoader({"listen.html": own_text("listen.html")}),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}  # rows keep their order
    return environment.get_template("listen.html")
