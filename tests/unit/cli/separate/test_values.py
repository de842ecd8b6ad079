"""Words of the command line: what they stand for, and what is said of those that stand for none."""

import pytest
import typer

from musisep_cli.cli.separate.values import (
    COUNTED,
    device_of,
    numbers_of,
    subtype_of,
    voices_of,
)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("2", (2,)), ("1,2,3", (1, 2, 3)), (" 3, 2,3 ", (3, 2)), ("auto", (COUNTED,))],
)
def test_numbers_of_instruments_are_read_each_once(text: str, numbers: tuple[int, ...]) -> None:
    assert numbers_of(text).numbers == numbers


@pytest.mark.parametrize("text", ["", "0", "-1", "two", "2.0", "²", "2,", "1,,2", "9" * 30, "21"])
def test_what_is_no_number_of_instruments_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="-n 2"):
        numbers_of(text)


def test_numbers_are_shown_as_they_are_given() -> None:
    assert str(numbers_of("1,2,3")) == "1,2,3"


def test_voices_are_numbers_of_tones() -> None:
    assert voices_of("1, 4") == (1, 4)


@pytest.mark.parametrize("text", ["", "1,", "1;4", "0,2", "-1,2", "1,four"])
def test_what_is_no_list_of_voices_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="1,4"):
        voices_of(text)


@pytest.mark.parametrize(
    ("flags", "subtype"),
    [
        ("", "float32"),
        ("float32", "float32"),
        ("int24", "int24"),
        ("int16", "int16"),
        ("flac", "int24"),
        ("flac int16", "int16"),
    ],
)
def test_the_number_format_follows_from_the_flags(flags: str, subtype: str) -> None:
    given = {name: name in flags.split() for name in ("float32", "int24", "int16", "flac")}
    assert subtype_of(**given) == subtype


@pytest.mark.parametrize("flags", ["int24 int16", "float32 int16", "flac float32"])
def test_number_formats_that_contradict_each_other_are_refused(flags: str) -> None:
    given = {name: name in flags.split() for name in ("float32", "int24", "int16", "flac")}
    with pytest.raises(typer.BadParameter):
        subtype_of(**given)


@pytest.mark.parametrize(
    ("device", "gpu", "cpu", "name"),
    [
        (None, False, False, "auto"),
        ("cuda:1", False, False, "cuda:1"),
        (None, True, False, "cuda"),
        (None, False, True, "cpu"),
        ("cuda:1", True, False, "cuda:1"),
    ],
)
def test_the_device_follows_from_the_flags(
    device: str | None, gpu: bool, cpu: bool, name: str
) -> None:
    assert device_of(device, gpu=gpu, cpu=cpu) == name


def test_devices_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(typer.BadParameter, match="choose one"):
        device_of("cpu", gpu=True, cpu=False)
