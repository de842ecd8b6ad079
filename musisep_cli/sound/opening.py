"""Opening of a sound file: by what it holds, whatever its name says."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import soundfile

from musisep_cli.errors import InputError
from musisep_cli.sound.libsndfile_sound import LibsndfileSound, is_known
from musisep_cli.sound.opened_sound import READABLE, OpenedSound


@contextmanager
def opened(path: Path) -> Iterator[OpenedSound]:
    """Open a sound file for reading.

    Args:
        path: The file.

    Yields:
        The sound: its rate and channels, and how to read it.

    Raises:
        InputError: It cannot be opened, or what is done with it in the block shows that it is
            damaged.
    """
    try:
        _check_file(path)
        with path.open("rb") as stream:
            known = is_known(stream.read(12))
        with _by_libsndfile(path) if known else _by_ffmpeg(path) as sound:
            yield sound
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror or error}). "
            "Check the name and its permissions."
        ) from error


@contextmanager
def libsndfile(path: Path) -> Iterator[soundfile.SoundFile]:
    """Open a file with libsndfile.

    Args:
        path: The file.

    Yields:
        libsndfile's view of it.

    Raises:
        InputError: It cannot be opened, or what is done with it in the block shows that it is
            damaged.
    """
    try:
        # By descriptor, not by name: soundfile would take x.raw for raw samples, and fails on
        # names that are not UTF-8.
        with (
            path.open("rb") as stream,
            soundfile.SoundFile(stream.fileno(), closefd=False) as file,
        ):
            yield file
    except soundfile.LibsndfileError as error:
        reason = error.error_string.removeprefix("Error : ").rstrip(".")
        raise InputError(
            f"{path}: is not a sound file, or is damaged or cut off ({reason}). "
            f"Give it as {READABLE}."
        ) from error


@contextmanager
def _by_libsndfile(path: Path) -> Iterator[OpenedSound]:
    """The sound as libsndfile decodes it; what it cannot decode itself, as FFmpeg does."""
    try:
        with libsndfile(path) as file:
            is_left_to_others = LibsndfileSound(path, file).is_left_to_others
        refused = None
    except InputError as error:
        is_left_to_others, refused = True, error
    if not is_left_to_others:
        with libsndfile(path) as file:
            yield LibsndfileSound(path, file)
        return
    with _by_ffmpeg(path, refused) as sound:
        yield sound


@contextmanager
def _by_ffmpeg(path: Path, refused: InputError | None = None) -> Iterator[OpenedSound]:
    """The sound as FFmpeg's libraries decode it; an error that came before has the word."""
    # Imported here, so that who reads WAV does not wait for it.
    from musisep_cli.sound.container_sound import open_container
    from musisep_cli.sound.mpeg_sound import open_mpeg

    with ExitStack() as stack:
        stream = stack.enter_context(path.open("rb"))
        try:
            sound = stack.enter_context(open_container(path, stream))
        except InputError as error:
            raise refused or error from None
        yield sound or open_mpeg(path)


def _check_file(path: Path) -> None:
    """Refuse what is no file, or an empty one."""
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise InputError(f"{path}: is a folder, and a sound file is needed ({READABLE}).")
    if not stat.S_ISREG(mode):
        # Opening a pipe would wait for ever.
        raise InputError(f"{path}: is a pipe or a device. Save the sound to a file first.")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: is empty (0 bytes). Give a sound file ({READABLE}).")
