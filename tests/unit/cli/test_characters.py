"""Characters that a terminal may lack: plain ones are written, and nothing ends the program."""

import io
import sys

import pytest

from musisep_cli.cli.characters import take_plain_characters


def written(text: str, encoding: str, monkeypatch: pytest.MonkeyPatch) -> bytes:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding))
    take_plain_characters()
    sys.stdout.write(text)
    sys.stdout.flush()
    return raw.getvalue()


@pytest.mark.parametrize(
    ("text", "plain"),
    [("a · b…", b"a - b..."), ("1\N{EN DASH}2", b"1-2"), ("⠋ ok", b"* ok"), ("日", b"\\u65e5")],
)
def test_ascii_gets_plain_characters(
    text: str, plain: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert written(text, "ascii", monkeypatch) == plain


def test_utf_8_keeps_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert written("a · ⠋", "utf-8", monkeypatch) == "a · ⠋".encode()
