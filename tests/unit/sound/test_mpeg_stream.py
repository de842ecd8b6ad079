"""Frames of an MPEG stream: counted by their headers, tags left out."""

from musisep_cli.sound.mpeg_stream import find_stream, frame_header

HEADER = bytes.fromhex("fffb90c4")  # layer III, 44.1 kHz, mono, 128 kbit/s: 417 bytes
FRAME = HEADER + bytes(413)


def test_reserved_values_are_no_header() -> None:
    for word in ("fffb00c4", "fffbf0c4", "fffb9cc4", "ffeb90c4", "fff990", "00fb90c4"):
        assert frame_header(bytes.fromhex(word)) is None


def test_padding_adds_a_byte_in_layer_iii() -> None:
    plain, padded = (frame_header(bytes.fromhex(word)) for word in ("fffb90c4", "fffb92c4"))
    assert plain is not None
    assert padded is not None
    assert padded.n_bytes == plain.n_bytes + 1 == 418


def test_frames_are_found_between_tags() -> None:
    tag = b"ID3\x04\x00\x00\x00\x00\x00\x0a" + bytes(10)
    stream = find_stream(tag + 5 * FRAME + b"TAG" + bytes(125))
    assert stream is not None
    assert sum(part.n_samples for part in stream.parts) == 5 * 1152
    assert not stream.is_cut_off


def test_a_stream_that_ends_within_a_frame_is_cut_off() -> None:
    stream = find_stream(5 * FRAME + FRAME[:100])
    assert stream is not None
    assert stream.is_cut_off


def test_bytes_without_frames_are_no_stream() -> None:
    assert find_stream(bytes(1000)) is None
    assert find_stream(b"") is None
