"""Files that appear whole or not at all."""

import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from musisep_cli.errors import OutputError

TEMPORARY = ".musisep-"
"""First characters of the name of a file that is still being written."""


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Lend a temporary path to write to, and rename it to `path` when the block ends well.

    The temporary file lies in the same folder, so that the rename is atomic, and exists (empty)
    from the start, so that a folder without write access shows before any work is done. If the
    block fails it is removed, and `path` is left as it was. Its name is random: processes that
    write the same `path` do not meet, and the last one wins. Only a killed process leaves a
    `.musisep-*` file behind.

    Args:
        path: the file to write or replace, in a folder that exists.

    Yields:
        The temporary path, with the suffix of `path`.

    Raises:
        OutputError: the file system refuses: no such folder, no permission, no space, or a folder
            has this name.
    """
    # At most 8 characters of the suffix: the name must not become too long where `path` is not.
    temporary = path.with_name(f"{TEMPORARY}{secrets.token_hex(8)}{path.suffix[:8]}")
    try:
        # Mode 666 leaves the permissions to the user's umask; tempfile would make the file private.
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        yield temporary
        sync(temporary)  # after a crash the new name must not show an empty file
        temporary.replace(path)
    except OSError as error:
        raise OutputError(_refusal(path, error)) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content in hexadecimal, reading a block at a time."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Wait until the content of a file has reached the disk."""
    with path.open("rb+") as written:
        os.fsync(written.fileno())


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that a killed process left in a folder.

    The caller holds the folder's lock: a file that another process is writing would be lost.
    """
    for path in folder.glob(f"{TEMPORARY}*"):
        with suppress(OSError):
            path.unlink()


def write_text_atomic(path: Path, text: str) -> None:
    r"""Write a text file as UTF-8, with `\n` line ends on every system.

    Args:
        path: the file to write or replace.
        text: its content.

    Raises:
        OutputError: the file system refuses.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))


def write_json_atomic(path: Path, value: object) -> None:
    """Write a JSON file, indented and with a final line end.

    Args:
        path: the file to write or replace.
        value: what `json` can express; NaN and infinity are refused, since JSON has no such
            numbers and other readers stop at them.

    Raises:
        OutputError: a number is not finite, or the file cannot be written.
    """
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise OutputError(
            f"{path}: not written, since it would hold a number that is not finite ({error}). "
            "JSON has no such number; please report this."
        ) from error
    with atomic_path(path) as temporary:
        # A file name that is not UTF-8 arrives as lone surrogates. Their backslash form is valid
        # JSON, and reads back the same.
        temporary.write_bytes(f"{text}\n".encode("utf-8", "backslashreplace"))


def _refusal(path: Path, error: OSError) -> str:
    """Return the message for a file that the file system refuses to write."""
    reason = error.strerror or str(error)
    return (
        f"{path}: cannot be written ({reason}). "
        "It needs an existing folder with write access and free space; choose another with --out."
    )


def make_folder(path: Path) -> None:
    """Create a folder and its parents.

    Raises:
        OutputError: the file system refuses.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be created ({error.strerror}); choose a writable folder with --out"
        ) from error
