"""Where the tags lie in an MP3: what is written before, between and behind its frames.

A tag says in its header or its footer how long it is. Within one there may be a picture, whose
bytes look like frames now and then, so a tag has to be stepped over as a whole.
"""

from __future__ import annotations

from typing import TypeAlias

Bytes: TypeAlias = bytes | bytearray
"""The content of a file."""

_ID3V1_BYTES = 128
_ID3V1_EXTENDED_BYTES = 227
_ID3V2_HEADER_BYTES = 10
_APE_HEADER_BYTES = 32
_LYRICS3_LONGEST_BYTES = 1_000_000  # version 2 announces its length in six decimal digits


def tag_bytes(data: Bytes, start: int) -> int:
    """Return the length of the tag that begins at a place, 0 if none does.

    >>> tag_bytes(b"TAG" + bytes(200), 0), tag_bytes(b"no tag", 0)
    (128, 0)
    """
    head = bytes(data[start : start + _APE_HEADER_BYTES])
    if head.startswith(b"ID3") and len(head) >= _ID3V2_HEADER_BYTES:
        has_footer = bool(head[5] & 0x10)
        return _ID3V2_HEADER_BYTES * (1 + has_footer) + _synchsafe(head[6:10])
    if head.startswith(b"TAG+"):
        return _ID3V1_EXTENDED_BYTES
    if head.startswith(b"TAG"):
        return _ID3V1_BYTES
    if head.startswith(b"APETAGEX") and len(head) == _APE_HEADER_BYTES:
        # The length counts items and footer. What begins with a footer has nothing behind it.
        is_header = bool(head[23] & 0x20)
        return _APE_HEADER_BYTES + (int.from_bytes(head[12:16], "little") if is_header else 0)
    if head.startswith(b"LYRICSBEGIN"):
        return _lyrics_bytes(data, start)
    return 0


def sound_end(data: Bytes) -> int:
    """Return where the last frame ends at the latest: the place of the first tag behind it.

    >>> sound_end(b"frames" + b"TAG" + bytes(125))
    6
    """
    end = len(data)
    while (before := _last_tag_start(data, end)) < end:
        end = before
    return end


def _last_tag_start(data: Bytes, end: int) -> int:
    """Where the tag begins that ends at a place; that place if there is none."""
    if data[max(end - _ID3V1_BYTES, 0) : end].startswith(b"TAG"):
        return _before_extended(data, end - _ID3V1_BYTES)
    footer = bytes(data[max(end - _APE_HEADER_BYTES, 0) : end])
    if footer.startswith(b"APETAGEX") and len(footer) == _APE_HEADER_BYTES:
        has_header = bool(footer[23] & 0x80)
        length = int.from_bytes(footer[12:16], "little") + _APE_HEADER_BYTES * has_header
        return _if_within(end - length, end)
    if footer.endswith(b"LYRICS200") and footer[-15:-9].isdigit():
        return _if_within(end - 15 - int(footer[-15:-9]), end)
    if footer.endswith(b"LYRICSEND"):
        found = data.rfind(b"LYRICSBEGIN", max(end - _LYRICS3_LONGEST_BYTES, 0), end)
        return found if found >= 0 else end
    id3v2_footer = footer[-_ID3V2_HEADER_BYTES:]
    if id3v2_footer.startswith(b"3DI"):
        return _if_within(end - 2 * _ID3V2_HEADER_BYTES - _synchsafe(id3v2_footer[6:10]), end)
    return end


def _before_extended(data: Bytes, start: int) -> int:
    """Where the extension of an ID3v1 tag begins, or else the tag itself."""
    extended = start - _ID3V1_EXTENDED_BYTES
    return extended if extended >= 0 and data[extended : extended + 4] == b"TAG+" else start


def _lyrics_bytes(data: Bytes, start: int) -> int:
    """The length of a Lyrics3 tag, which only its end tells."""
    for mark in (b"LYRICS200", b"LYRICSEND"):
        found = data.find(mark, start, start + _LYRICS3_LONGEST_BYTES)
        if found >= 0:
            return found + len(mark) - start
    return 0


def _synchsafe(number: bytes) -> int:
    """The length in an ID3v2 header: seven bits a byte, so that it never looks like a frame."""
    value = 0
    for byte in number:
        value = value << 7 | byte & 0x7F
    return value


def _if_within(start: int, end: int) -> int:
    """A start that a footer tells, unless it lies before the file: then that is no footer."""
    return start if start >= 0 else end
