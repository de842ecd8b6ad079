"""Words of the command line as values: numbers of instruments, voices, number format, device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from musisep_cli.sound.audio_file import Subtype

COUNTED = 0
"""Number of instruments that stands for as many as are counted."""


@dataclass(frozen=True)
class Numbers:
    """Numbers of instruments that -n gives, each once; ``COUNTED`` for "auto"."""

    numbers: tuple[int, ...]

    def __str__(self) -> str:
        """Return them as they are given."""
        return ",".join(map(str, self.numbers))


def numbers_of(text: str) -> Numbers:
    """Return the numbers that -n gives.

    Raises:
        BadParameter: one is none, or too large; the message says what to give instead.
    """
    if text == "auto":
        return Numbers((COUNTED,))
    return Numbers(tuple(dict.fromkeys(_number(each.strip()) for each in text.split(","))))


def _number(text: str) -> int:
    """Return a number of instruments.

    Raises:
        BadParameter: it is none, or too large; the message says what to give instead.
    """
    from musisep_cli.run.settings.config import largest

    most = largest("instruments")
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 0
    if not 1 <= number <= most:
        raise typer.BadParameter(
            f"'{text}' is no number of instruments: -n says how many the recording has, 1 to"
            f" {most}, for example -n 2, several to compare, as -n 1,2,3, or auto."
        )
    return number


def voices_of(text: str) -> tuple[int, ...]:
    """Return the numbers of tones at once that --voices gives, one of each instrument.

    Raises:
        BadParameter: one of them is no number above 0.
    """
    numbers = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdecimal() and int(part[:9]) > 0 for part in numbers):
        raise typer.BadParameter(
            f"'{text}' is no list of numbers: --voices says how many tones each instrument plays"
            " at once, for example 1,4 for a flute and a guitar."
        )
    return tuple(map(int, numbers))


def subtype_of(*, float32: bool, int24: bool, int16: bool, flac: bool) -> Subtype:
    """Return the number format of stems that the flags ask for.

    Raises:
        BadParameter: the flags contradict each other.
    """
    if float32 + int24 + int16 > 1:
        raise typer.BadParameter("choose one of --float32, --int24 and --int16.")
    if flac and float32:
        raise typer.BadParameter("FLAC holds integers only: --flac goes with --int24 or --int16.")
    if int16:
        return "int16"
    return "int24" if int24 or flac else "float32"


def device_of(device: str | None, *, gpu: bool, cpu: bool) -> str:
    """Return the name of the device that the flags ask for; "auto" without any.

    Raises:
        BadParameter: the flags contradict each other.
    """
    asked = [] if device is None else [device]
    asked += ["cuda"] * gpu + ["cpu"] * cpu
    if len({name.partition(":")[0] for name in asked}) > 1:
        raise typer.BadParameter("--device, --gpu and --cpu contradict each other: choose one.")
    return asked[0] if asked else "auto"
