"""Tags in an MP3: stepped over as a whole, before and behind the frames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musisep_cli.sound.mpeg_tags import sound_end, tag_bytes


def id3v2(n_bytes: int) -> bytes:
    length = bytes(n_bytes >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x04\x00\x00" + length + bytes(n_bytes)


def ape(n_bytes: int) -> bytes:
    """Header, items and footer."""

    def mark(flags: int) -> bytes:
        length = (n_bytes + 32).to_bytes(4, "little")
        return b"APETAGEX" + bytes(4) + length + bytes(4) + flags.to_bytes(4, "little") + bytes(8)

    return mark(0xA0000000) + bytes(n_bytes) + mark(0x80000000)


ID3V1 = b"TAG" + bytes(125)
TAGS = {"ID3v2": id3v2(300), "APE": ape(50), "ID3v1": ID3V1, "extended": b"TAG+" + bytes(223)}


@pytest.mark.parametrize("kind", TAGS)
def test_a_tag_is_as_long_as_it_says(kind: str) -> None:
    assert tag_bytes(b"xx" + TAGS[kind] + b"frames", 2) == len(TAGS[kind])


@given(st.lists(st.sampled_from(["APE", "ID3v1", "extended"]), max_size=3))
def test_the_sound_ends_where_the_first_tag_behind_it_begins(kinds: list[str]) -> None:
    behind = b"".join(
        TAGS["extended"] + ID3V1 if kind == "extended" else TAGS[kind] for kind in kinds
    )
    assert sound_end(b"frames" + behind) == 6


@given(st.binary(max_size=200), st.integers(0, 200))
def test_any_bytes_have_an_end_within_them(data: bytes, start: int) -> None:
    assert 0 <= sound_end(data) <= len(data)
    assert tag_bytes(data, start) >= 0
