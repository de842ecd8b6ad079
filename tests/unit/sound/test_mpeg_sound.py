"""An MP3 is read to its end, whatever its encoder and its tags say and do not say."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import correlate

from musisep_cli.errors import InputError
from musisep_cli.sound import audio_file
from musisep_cli.sound.mpeg_stream import find_stream
from musisep_cli.sound.opening import opened
from tests import media

RATE_HZ = 44_100
N_SAMPLES = 3 * RATE_HZ
DELAY_SAMPLES = 1105
"""Of LAME's encoder and of every decoder."""
NO_HEADER = {"write_xing": "0", "id3v2_version": "0"}


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    """[t, 1]: a melody of five notes, so that no stretch is like another; below 5 kHz."""
    time_s = np.arange(N_SAMPLES) / RATE_HZ
    notes_hz = np.array([220.0, 247.5, 330.0, 294.0, 196.0])[(time_s / 0.6).astype(int)]
    phase = 2 * np.pi * np.cumsum(notes_hz) / RATE_HZ
    return sum(0.2 / h * np.sin(h * phase) for h in (1, 2, 3))[:, None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mp3")


@pytest.fixture(scope="module")
def plain(folder: Path, sound: np.ndarray) -> bytes:
    """Constant rate, without a header that counts the frames, without tags."""
    path = folder / "plain.mp3"
    return media.encode(
        path, sound, RATE_HZ, "libmp3lame", options=NO_HEADER, bit_rate=128_000
    ).read_bytes()


@pytest.fixture(scope="module")
def counted(folder: Path, sound: np.ndarray) -> bytes:
    """With LAME's header, which counts the frames and tells delay and padding."""
    path = folder / "counted.mp3"
    soundfile.write(path, sound, RATE_HZ)
    return path.read_bytes()


def read(path: Path, content: bytes) -> np.ndarray:
    """The sound [t, c] of a file that holds so much."""
    path.write_bytes(content)
    return audio_file.read(path).samples


def error_db(estimate: np.ndarray, reference: np.ndarray) -> float:
    """Energy of the difference of two sounds [t] of one length, relative to the reference."""
    assert estimate.shape == reference.shape
    return 10 * np.log10(np.sum((estimate - reference) ** 2) / np.sum(reference**2))


def whole_frames(n_samples: int) -> int:
    return -(-n_samples // 1152) * 1152


def test_without_a_header(tmp_path: Path, plain: bytes, sound: np.ndarray) -> None:
    samples = read(tmp_path / "a.mp3", plain)
    assert len(samples) in (whole_frames(N_SAMPLES), whole_frames(N_SAMPLES + DELAY_SAMPLES))
    start = samples[DELAY_SAMPLES : DELAY_SAMPLES + N_SAMPLES - 1200, 0]
    assert error_db(start, sound[: len(start), 0]) < -25


def test_the_header_tells_where_the_sound_lies(
    tmp_path: Path, counted: bytes, sound: np.ndarray
) -> None:
    samples = read(tmp_path / "a.mp3", counted)
    assert samples.shape == (N_SAMPLES, 1)
    assert error_db(samples[:, 0], sound[:, 0]) < -25


def test_a_variable_rate_without_a_header(tmp_path: Path, sound: np.ndarray, plain: bytes) -> None:
    """What says least of its length: short frames in a silent start, long ones behind it."""
    late = np.concatenate([np.zeros((2 * RATE_HZ, 1)), sound])
    path = tmp_path / "vbr.mp3"
    soundfile.write(path, late, RATE_HZ, bitrate_mode="VARIABLE", compression_level=0.3)
    content = path.read_bytes()
    headerless = content[first_frame_end(content) :]
    samples = read(path, headerless)
    assert abs(len(samples) - len(late) - DELAY_SAMPLES) < 2 * 1152
    start = samples[DELAY_SAMPLES : DELAY_SAMPLES + len(late) - 1200, 0]
    assert error_db(start, late[: len(start), 0]) < -15


def first_frame_end(content: bytes) -> int:
    """Where the frame ends that counts the others, by the sync word of the next."""
    assert b"Xing" in content[:200] or b"Info" in content[:200]
    return content.index(content[:2], 100)


@pytest.mark.parametrize("first", ["plain", "counted"])
@pytest.mark.parametrize("second", ["plain", "counted"])
@pytest.mark.parametrize("between", ["", "id3v1", "id3v2", "ape"])
def test_files_that_were_joined(
    tmp_path: Path, first: str, second: str, between: str, request: pytest.FixtureRequest
) -> None:
    one, other = request.getfixturevalue(first), request.getfixturevalue(second)
    alone = [read(tmp_path / "a.mp3", each) for each in (one, other)]
    joined = read(tmp_path / "a.mp3", one + TAGS.get(between, b"") + other)
    if (first, second) == ("counted", "plain"):
        # Behind its last frame the first's padding is not dropped: nothing tells the seam.
        assert 0 <= len(joined) - len(alone[0]) - len(alone[1]) < 1152
        joined = np.concatenate([joined[: len(alone[0])], joined[-len(alone[1]) :]])
    np.testing.assert_allclose(joined[: len(alone[0]) - 1200], alone[0][:-1200], atol=1e-6)
    # The frames of the second that need bits of frames before it are the first ones only.
    np.testing.assert_allclose(joined[-len(alone[1]) :][6000:], alone[1][6000:], atol=1e-6)


def test_files_of_two_kinds_that_were_joined(
    tmp_path: Path, counted: bytes, sound: np.ndarray
) -> None:
    """Half the rate and another number of channels: all at the first's rate, in both channels."""
    path = tmp_path / "b.mp3"
    half = np.repeat(sound[::2], 2, axis=1)
    soundfile.write(path, half, RATE_HZ // 2)
    samples = read(tmp_path / "a.mp3", counted + path.read_bytes())
    assert samples.shape[1] == 2
    assert abs(len(samples) - 2 * N_SAMPLES) <= 2
    assert error_db(samples[:N_SAMPLES, 1], sound[:, 0]) < -25
    second = samples[N_SAMPLES : 2 * N_SAMPLES - 10, 0]
    assert error_db(second, sound[: len(second), 0]) < -20


FALSE_FRAMES = bytes.fromhex("fffb90c4") * 500 + bytes(range(256)) * 20
"""What a picture may hold: bytes that look like the headers of frames."""


def synchsafe(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def ape(content: bytes, *, header: bool) -> bytes:
    size = (len(content) + 32).to_bytes(4, "little")

    def end(flags: int) -> bytes:
        return (
            b"APETAGEX"
            + bytes([0xD0, 7, 0, 0])
            + size
            + bytes([1, 0, 0, 0, 0, 0, 0, flags])
            + bytes(8)
        )

    return (end(0xA0) if header else b"") + content + end(0x80 if header else 0)


def id3v2(content: bytes, *, footer: bool) -> bytes:
    rest = bytes([4, 0, 0x10 if footer else 0]) + synchsafe(len(content))
    return b"ID3" + rest + content + (b"3DI" + rest if footer else b"")


LYRICS = b"LYRICSBEGIN" + b"IND00002" + b"10" + b"LYR00020" + b"[00:01]la la la la la"
TAGS = {
    "id3v1": b"TAG" + b"x" * 125,
    "extended": b"TAG+" + b"x" * 223 + b"TAG" + b"x" * 125,
    "id3v2": id3v2(FALSE_FRAMES, footer=False),
    "id3v2 with footer": id3v2(FALSE_FRAMES, footer=True),
    "ape": ape(FALSE_FRAMES, header=True),
    "ape without header": ape(FALSE_FRAMES, header=False),
    "lyrics 1": b"LYRICSBEGIN"
    + b"la la \xff\xfb\x90\xc4 la" * 30
    + b"LYRICSEND"
    + b"TAG"
    + b"x" * 125,
    "lyrics 2": LYRICS + b"%06d" % len(LYRICS) + b"LYRICS200" + b"TAG" + b"x" * 125,
    "zeros": bytes(5000),
}


@pytest.mark.parametrize("tag", [name for name in TAGS if name not in ("zeros",)])
@pytest.mark.parametrize("kind", ["plain", "counted"])
def test_tags_behind(
    tmp_path: Path,
    tag: str,
    kind: str,
    request: pytest.FixtureRequest,
    capfd: pytest.CaptureFixture[str],
) -> None:
    content = request.getfixturevalue(kind)
    expected = read(tmp_path / "a.mp3", content)
    np.testing.assert_array_equal(read(tmp_path / "a.mp3", content + TAGS[tag]), expected)
    several = content + TAGS["ape"] + TAGS[tag]
    np.testing.assert_array_equal(read(tmp_path / "a.mp3", several), expected)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("tag", ["id3v2", "id3v2 with footer", "ape", "zeros"])
@pytest.mark.parametrize("kind", ["plain", "counted"])
def test_tags_before(tmp_path: Path, tag: str, kind: str, request: pytest.FixtureRequest) -> None:
    content = request.getfixturevalue(kind)
    expected = read(tmp_path / "a.mp3", content)
    for before in (TAGS[tag], TAGS["id3v2"] + TAGS[tag]):
        np.testing.assert_array_equal(read(tmp_path / "a.mp3", before + content), expected)


@pytest.mark.parametrize("rest", [b"\0" * 3000, b"some notes at the end\n" * 40, b"\xff\xfb" * 9])
def test_bytes_of_no_meaning_behind(tmp_path: Path, plain: bytes, rest: bytes) -> None:
    expected = read(tmp_path / "a.mp3", plain)
    np.testing.assert_array_equal(read(tmp_path / "a.mp3", plain + rest), expected)


@pytest.mark.parametrize("n_bytes", [1, 100, 417, 5000])
def test_a_stream_that_begins_and_ends_within_a_frame(
    tmp_path: Path, plain: bytes, n_bytes: int, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = read(tmp_path / "a.mp3", plain)
    samples = read(tmp_path / "b.mp3", plain[n_bytes:-n_bytes])
    n_lost, remainder = divmod(len(whole) - len(samples), 1152)
    assert remainder == 0
    assert 2 * (n_bytes // 418) <= n_lost <= 2 * (n_bytes // 417 + 1)
    lag = correlate(whole[:, 0], samples[6000:40_000, 0], "valid", "fft").argmax() - 6000
    assert lag % 1152 == 0
    np.testing.assert_allclose(samples[6000:40_000], whole[lag + 6000 : lag + 40_000], atol=1e-6)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("share", [0.3, 0.9, 0.99])
@pytest.mark.parametrize("kind", ["plain", "counted"])
def test_cut_off(tmp_path: Path, kind: str, share: float, request: pytest.FixtureRequest) -> None:
    content = request.getfixturevalue(kind)
    path = tmp_path / "a.mp3"
    n_bytes = int(share * len(content))
    with pytest.raises(InputError, match="is cut off") as caught:
        read(path, content[: n_bytes + (n_bytes % 417 == 0)])
    if kind == "counted":
        told = int(str(caught.value).partition("%")[0].rpartition(" ")[2])
        assert told == pytest.approx(100 * share, abs=8)  # frames are of several lengths
    assert audio_file.read(path, duration_s=0.5).n_samples == RATE_HZ // 2


def test_a_file_cut_between_two_frames_says_so_by_its_count(tmp_path: Path, counted: bytes) -> None:
    stream = find_stream(counted)
    assert stream is not None
    ends = [end for _, end in stream.parts[0].places]
    with pytest.raises(InputError, match="is cut off"):
        read(tmp_path / "a.mp3", counted[: ends[len(ends) // 2]])


def test_the_length_is_known_before_decoding(tmp_path: Path, plain: bytes) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(TAGS["id3v2"] + plain + TAGS["ape"])
    with opened(path) as sound:
        assert not sound.is_estimate
        assert sound.n_samples == sum(len(block) for block in sound.blocks("float32"))


def test_layer_two(tmp_path: Path, sound: np.ndarray) -> None:
    path = media.encode(tmp_path / "a.mp2", sound, RATE_HZ, "mp2", bit_rate=192_000)
    samples = audio_file.read(path).samples
    n_late = 481
    assert error_db(samples[n_late:N_SAMPLES, 0], sound[: N_SAMPLES - n_late, 0]) < -20


def test_text_that_is_named_mp3(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="is not a sound file"):
        read(tmp_path / "a.mp3", b"no sound\n" * 1000)
    assert capfd.readouterr().err == ""


SHARED_CASES = {
    "cbr128.mp3": DELAY_SAMPLES,
    "cbr128_ape.mp3": DELAY_SAMPLES,
    "sox.mp3": DELAY_SAMPLES,
    "vbr.mp3": DELAY_SAMPLES,
    "lyrics3.mp3": DELAY_SAMPLES,
    "vbr_silentstart.mp3": DELAY_SAMPLES + 88_200,
    "glued.mp3": 0,
}
"""Files of the shared faults, and where in each the sound begins."""


@pytest.mark.parametrize("name", SHARED_CASES)
def test_what_was_refused_or_cut_short(
    shared_faults: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    reference, _ = soundfile.read(shared_faults / "mp3" / "as-played.flac")
    samples = audio_file.read(shared_faults / "mp3" / name).samples[:, 0]
    first = SHARED_CASES[name]
    n_heard = min(len(reference), len(samples) - first)
    assert n_heard > len(reference) - 1152
    assert error_db(samples[first : first + n_heard], reference[:n_heard]) < -20
    if name == "glued.mp3":
        assert len(samples) == 2 * len(reference)
        assert error_db(samples[len(reference) :], reference) < -20
    assert capfd.readouterr().err == ""
