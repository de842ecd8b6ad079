"""The frames of an MP3: where each lies, and which files it was once joined of.

An MP3 is a row of frames with no header over them all. How long it is, only a walk along the frames
tells: their number times the samples of one. Encoders put a first frame without sound before the
others (Xing, Info, VBRI), which says how many there are and how much silence was put before and
behind the sound; a file that is joined of two has one in its middle, and it speaks for the second
part alone.

Source: ISO/IEC 11172-3 and 13818-3, section 2.4.1.3 (frame header); the LAME tag as described in
http://gabriel.mp3-tech.org/mp3infotag.html.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from musisep_cli.sound.mpeg_tags import Bytes, sound_end, tag_bytes

DECODER_DELAY_SAMPLES = 529
"""Every decoder of layer III is late by so many: half a filter bank and half a transform."""
_CHAIN_FRAMES = 4
"""So many headers in a row, each where the one before says, are no accident of other bytes."""
_BITRATES_KBPS = {
    (1, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""By generation (1: MPEG-1, 2: MPEG-2 and 2.5) and layer."""
_RATES_HZ = (44_100, 48_000, 32_000)
_RATE_DIVISORS = {3: 1, 2: 2, 0: 4}
"""By the version's two bits: MPEG-1, 2 and 2.5."""


@dataclass(frozen=True)
class FrameHeader:
    """What the first four bytes of a frame say.

    Attributes:
        layer: 1, 2 or 3.
        sample_rate_hz: Samples per second.
        n_channels: 1 or 2.
        n_samples: Samples of the frame in each channel.
        n_bytes: Its length, with the header.
        info_offset: Where in it an Xing or Info tag stands, if there is one.
    """

    layer: int
    sample_rate_hz: int
    n_channels: int
    n_samples: int
    n_bytes: int
    info_offset: int

    def continues(self, other: FrameHeader) -> bool:
        """Whether both can be frames of one stream."""
        mine, others = (
            (header.layer, header.sample_rate_hz, header.n_channels) for header in (self, other)
        )
        return mine == others


@dataclass(frozen=True, kw_only=True)
class Part:
    """Frames that one encoder made in one go.

    Attributes:
        header: Of its first frame.
        places: Of every frame its first byte and the byte after its last.
        n_announced: How many frames its encoder says there are, if it does.
        delay_samples: Silence that encoder and decoder put before the sound.
        padding_samples: Silence behind it.
    """

    header: FrameHeader
    places: Sequence[tuple[int, int]]
    n_announced: int | None = None
    delay_samples: int = 0
    padding_samples: int = 0

    @property
    def n_samples(self) -> int:
        """Samples of the sound in each channel."""
        n_decoded = len(self.places) * self.header.n_samples
        # Behind frames that nobody counted, the padding is not where the encoder says.
        is_whole = len(self.places) == self.n_announced
        return max(n_decoded - self.delay_samples - is_whole * self.padding_samples, 0)


@dataclass(frozen=True, kw_only=True)
class MpegStream:
    """All frames of a file.

    Attributes:
        parts: The files that it was joined of, mostly one.
        begins_within: Whether it begins within a frame, as what is recorded from a broadcast does.
        ends_within: Whether its last frame is not all there.
    """

    parts: Sequence[Part]
    begins_within: bool
    ends_within: bool

    @property
    def missing_frames(self) -> int:
        """How many frames the last part lacks, by what it says itself; 0 if it says nothing."""
        last = self.parts[-1]
        n_missing = (last.n_announced or 0) - len(last.places)
        # Some encoders count the frame that holds the number.
        return n_missing if n_missing > 1 or (n_missing == 1 and self.ends_within) else 0

    @property
    def is_cut_off(self) -> bool:
        """Whether it was once longer.

        A file that tells no length and ends within a frame was cut, unless it begins within one
        too: then it is a piece of a broadcast, and was never more.
        """
        told = self.parts[-1].n_announced is not None
        return self.missing_frames > 0 or (self.ends_within and not self.begins_within and not told)


@lru_cache(maxsize=4096)
def frame_header(word: bytes) -> FrameHeader | None:
    """Return what four bytes say as the header of a frame, None if they are none.

    >>> frame_header(bytes.fromhex("fffb90c4"))
    FrameHeader(layer=3, sample_rate_hz=44100, n_channels=1, n_samples=1152, n_bytes=417, \
info_offset=21)
    >>> frame_header(b"RIFF") is None
    True
    """
    if len(word) < 4 or word[0] != 0xFF or word[1] & 0xE0 != 0xE0:
        return None
    version, layer = word[1] >> 3 & 3, 4 - (word[1] >> 1 & 3)
    bitrate_index, rate_index, padding = word[2] >> 4, word[2] >> 2 & 3, word[2] >> 1 & 1
    if version == 1 or layer == 4 or bitrate_index in (0, 15) or rate_index == 3:
        return None
    generation = 1 if version == 3 else 2
    rate_hz = _RATES_HZ[rate_index] // _RATE_DIVISORS[version]
    n_samples = 384 if layer == 1 else 576 if layer == 3 and generation == 2 else 1152
    bits_per_second = 1000 * _BITRATES_KBPS[generation, layer][bitrate_index]
    slot_bytes = 4 if layer == 1 else 1
    n_slots = n_samples // 8 // slot_bytes * bits_per_second // rate_hz + padding
    n_channels = 1 if word[3] >> 6 == 3 else 2
    side_bytes = {(1, 1): 17, (1, 2): 32, (2, 1): 9, (2, 2): 17}[generation, n_channels]
    return FrameHeader(layer, rate_hz, n_channels, n_samples, n_slots * slot_bytes, 4 + side_bytes)


def find_stream(data: Bytes) -> MpegStream | None:
    """Return the frames of a file, None if there are none.

    Args:
        data: All its bytes.

    Returns:
        Frames without tags, without what lies between them, and without the frames that hold no
        sound but the number of the others.
    """
    end = sound_end(data)
    first = _after_tags(data, 0, end)
    places: list[tuple[int, FrameHeader]] = []
    ends_within = False
    place, last = first, None
    while (found := _next_frame(data, place, end, last)) is not None:
        place, last = found
        if place + last.n_bytes > end:
            ends_within = True
            break
        places.append(found)
        place += last.n_bytes
    if not places:
        return None
    skipped = bytes(data[first : places[0][0]])
    return MpegStream(
        parts=_parts(data, places),
        begins_within=bool(skipped.strip(b"\0")),
        ends_within=ends_within,
    )


def _after_tags(data: Bytes, place: int, end: int) -> int:
    """The first byte that belongs to no tag."""
    while place < end and (length := tag_bytes(data, place)):
        place += length
    return place


def _next_frame(
    data: Bytes, place: int, end: int, last: FrameHeader | None
) -> tuple[int, FrameHeader] | None:
    """The next frame at a place or behind it."""
    header = frame_header(bytes(data[place : place + 4])) if place + 4 <= end else None
    if header and last and header.continues(last):
        return place, header  # where it is expected, and like the one before
    place = _after_tags(data, place, end)
    while 0 <= place < end:
        header = frame_header(bytes(data[place : place + 4]))
        if header and _is_chain(data, place, end):
            return place, header
        place = data.find(b"\xff", place + 1, end)
    return None


def _is_chain(data: Bytes, place: int, end: int) -> bool:
    """Whether several frames of one kind follow each other from here on, or up to the end."""
    first = header = frame_header(bytes(data[place : place + 4]))
    for number in range(_CHAIN_FRAMES):
        if header is None or first is None or not header.continues(first):
            # The last frames before a tag or another stream are fewer.
            return number > 1 and tag_bytes(data, place) > 0
        place += header.n_bytes
        if place == end:
            return True
        header = frame_header(bytes(data[place : place + 4])) if place + 4 <= end else None
    return True


def _parts(data: Bytes, places: Sequence[tuple[int, FrameHeader]]) -> list[Part]:
    """The parts: each begins with a frame that counts the others, or is of another kind."""
    infos = {
        n: info for n, (place, header) in enumerate(places) if (info := _info(data, place, header))
    }
    changes = [n for n, (a, b) in enumerate(pairwise(places), 1) if not b[1].continues(a[1])]
    starts = sorted({0, *infos, *changes})
    parts = []
    for start, stop in pairwise([*starts, len(places)]):
        n_announced, delay, padding = infos.get(start, (None, 0, 0))
        sounding = places[start + (start in infos) : stop]
        if sounding or n_announced:
            header = places[start][1]
            frames = [(place, place + each.n_bytes) for place, each in sounding]
            parts.append(
                Part(
                    header=header,
                    places=frames,
                    n_announced=n_announced,
                    delay_samples=delay,
                    padding_samples=padding,
                )
            )
    return parts


def _info(data: Bytes, place: int, header: FrameHeader) -> tuple[int | None, int, int] | None:
    """Number of frames, samples to drop at the start and at the end; None for a frame of sound."""
    if header.layer != 3:
        return None
    for offset in (header.info_offset, header.info_offset + 2):  # with and without a checksum
        tag = place + offset
        if bytes(data[tag : tag + 4]) in (b"Xing", b"Info"):
            return _xing(bytes(data[tag : place + header.n_bytes]))
    if bytes(data[place + 36 : place + 40]) == b"VBRI":
        return int.from_bytes(data[place + 50 : place + 54], "big") or None, 0, 0
    return None


def _xing(tag: bytes) -> tuple[int | None, int, int]:
    """What an Xing or Info tag, with LAME's addition if there is one, says."""
    flags = int.from_bytes(tag[4:8], "big")
    n_frames = int.from_bytes(tag[8:12], "big") if flags & 1 else 0
    # Of the four fields each that is there is followed by the next.
    lame = 8 + sum(size for bit, size in enumerate((4, 4, 100, 4)) if flags >> bit & 1)
    silence = int.from_bytes(tag[lame + 21 : lame + 24], "big")
    if not silence:
        return n_frames or None, 0, 0
    delay, padding = silence >> 12, silence & 0xFFF
    return (
        n_frames or None,
        delay + DECODER_DELAY_SAMPLES,
        max(padding - DECODER_DELAY_SAMPLES, 0),
    )
