import os
import re
import resource
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from musisep_cli.errors import ConfigError, InputError, OutputError
from musisep_cli.sound import audio_file, blockwise
from musisep_cli.sound.recording import Recording, check_content, check_shape
from tests import signals

RATE_HZ = 16_000

# Largest error of a codec at its default setting on two pure tones, in units of full scale.
LOSSY_ATOL = 0.05

NAMES = ["two words", "été", "🎻🎺", 'it\'s "it"', "-n", "x" * 200]


def two_tones(duration_s: float = 1.0, sample_rate_hz: int = RATE_HZ) -> NDArray[np.float32]:
    """[t, 2]: another tone in each channel."""
    left, right = (
        signals.pure_tone(
            f0_hz, duration_s=duration_s, sample_rate_hz=sample_rate_hz, amplitude=0.4
        )
        for f0_hz in (440.0, 660.0)
    )
    return np.stack([left, right], axis=1).astype(np.float32)


def write_float(path: Path, samples: NDArray[np.floating], sample_rate_hz: int = RATE_HZ) -> Path:
    """A file that `audio_file.write` would refuse to write."""
    soundfile.write(path, samples, sample_rate_hz, subtype="FLOAT", format="WAV")
    return path


# Reading


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("suffix", ["wav", "aiff", "flac"])
def test_reads_lossless_files_exactly(tmp_path: Path, suffix: str, subtype: str) -> None:
    if suffix == "flac" and subtype == "FLOAT":
        subtype = "PCM_S8"
    bits = {"PCM_S8": 8, "PCM_16": 16, "PCM_24": 24, "FLOAT": 24}[subtype]
    full_scale = 2 ** (bits - 1)
    expected = np.round(two_tones() * full_scale) / full_scale
    path = tmp_path / f"a.{suffix}"
    integers = (expected * 2.0**31).astype(np.int32)
    soundfile.write(path, expected if subtype == "FLOAT" else integers, RATE_HZ, subtype=subtype)
    recording = audio_file.read(path)
    assert recording.samples.dtype == np.float32
    assert recording.path == path
    np.testing.assert_array_equal(recording.samples, expected)


@pytest.mark.parametrize("suffix", ["ogg", "mp3"])
def test_reads_lossy_files(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    samples = two_tones()
    soundfile.write(path, samples, RATE_HZ)
    recording = audio_file.read(path)
    assert (recording.n_samples, recording.n_channels) == (16_000, 2)
    # Away from the ends, where the codec's window rings.
    np.testing.assert_allclose(recording.samples[2000:-2000], samples[2000:-2000], atol=LOSSY_ATOL)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "aiff"])
def test_an_excerpt_is_a_slice_of_the_whole(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, signals.duet(duration_s=3.0)["flute"], RATE_HZ)
    whole = audio_file.read(path)
    excerpt = audio_file.read(path, start_s=1.23, duration_s=0.75)
    np.testing.assert_array_equal(excerpt.samples, whole.samples[19_680:31_680])
    rest = audio_file.read(path, start_s=2.5)
    np.testing.assert_array_equal(rest.samples, whole.samples[40_000:])


@pytest.mark.parametrize("name", NAMES)
def test_any_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.wav"
    audio_file.write(path, two_tones(), RATE_HZ)
    assert audio_file.read(path).n_samples == 16_000
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff.wav")
    audio_file.write(path, two_tones(), RATE_HZ)
    assert audio_file.read(path).n_samples == 16_000


def test_the_suffix_does_not_matter(tmp_path: Path) -> None:
    path = write_float(tmp_path / "a.raw", two_tones())
    assert audio_file.read(path).n_channels == 2


@pytest.mark.parametrize("sample_rate_hz", [8_000, 22_050, 44_100, 192_000])
@pytest.mark.parametrize("n_channels", [1, 2, 6, 32])
def test_rates_and_channels(tmp_path: Path, sample_rate_hz: int, n_channels: int) -> None:
    tone = two_tones(0.3, sample_rate_hz)[:, :1]
    gains = np.linspace(1.0, 0.5, n_channels)
    path = tmp_path / "a.wav"
    audio_file.write(path, tone * gains, sample_rate_hz)
    recording = audio_file.read(path)
    assert recording.sample_rate_hz == sample_rate_hz
    assert recording.n_channels == n_channels
    assert recording.duration_s == pytest.approx(0.3)
    np.testing.assert_allclose(recording.mono, tone[:, 0] * gains.mean(), atol=1e-6)


def test_floats_beyond_full_scale_stay(tmp_path: Path) -> None:
    samples = 10 * two_tones()
    np.testing.assert_array_equal(
        audio_file.read(write_float(tmp_path / "a.wav", samples)).samples, samples
    )


def test_the_real_duet_is_the_sum_of_its_stems(tiny: Path) -> None:
    mix = audio_file.read(tiny / "mix.flac")
    stems = [audio_file.read(tiny / f"{name}.flac").samples for name in ("recorder", "violin")]
    assert (mix.sample_rate_hz, mix.n_samples) == (48_000, 288_000)
    np.testing.assert_array_equal(stems[0] + stems[1], mix.samples)


# Files that cannot be used: one or two lines, that say what was found


def refusal(path: Path, **excerpt: float) -> str:
    with pytest.raises(InputError) as caught:
        audio_file.read(path, **excerpt)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.endswith((".", "?"))
    assert len(message.splitlines()) <= 2
    return message


def test_missing(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "a.wav")


def test_a_folder(tmp_path: Path) -> None:
    assert "is a folder" in refusal(tmp_path)


def test_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    assert "is a pipe or a device" in refusal(tmp_path / "pipe.wav")


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    assert "File name too long" in refusal(tmp_path / ("x" * 300))


def test_unreadable(forbidden_folder: Path) -> None:
    assert "Permission denied" in refusal(forbidden_folder / "unreadable.wav")


def test_empty(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    assert "is empty" in refusal(tmp_path / "a.wav")


@pytest.mark.parametrize("suffix", ["wav", "flac", "aiff"])
def test_zero_length(tmp_path: Path, suffix: str) -> None:
    soundfile.write(tmp_path / f"a.{suffix}", np.zeros((0, 1)), RATE_HZ)
    assert re.search("no samples|is empty", refusal(tmp_path / f"a.{suffix}"))


@pytest.mark.parametrize("content", [b"hello\n" * 1000, b"\x89PNG\r\n\x1a\n" + bytes(1000), b"R"])
@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.raw", "notes"])
def test_not_audio(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert "not a sound file" in refusal(tmp_path / name)


@pytest.mark.parametrize("suffix", ["wav", "aiff", "flac", "mp3"])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_truncated(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, two_tones(10.0), RATE_HZ)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert "cut off" in refusal(path)
    # The message offers --duration, and it works.
    assert audio_file.read(path, duration_s=0.5).n_samples == 8000


@pytest.mark.parametrize("announced", [0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000])
def test_a_wav_that_was_streamed_is_whole(tmp_path: Path, announced: int) -> None:
    path = write_float(tmp_path / "a.wav", two_tones())
    content = bytearray(path.read_bytes())
    size = content.index(b"data") + 4
    content[size : size + 4] = announced.to_bytes(4, "little")
    path.write_bytes(content)
    assert audio_file.read(path).n_samples == 16_000


def flac_of_length(path: Path, n_announced: int) -> Path:
    soundfile.write(path, two_tones()[:, 0], RATE_HZ)
    content = bytearray(path.read_bytes())
    # STREAMINFO's last 36 bits before the MD5 sum are the number of samples.
    content[21] = content[21] & 0xF0 | n_announced >> 32
    content[22:26] = (n_announced & 0xFFFFFFFF).to_bytes(4, "big")
    path.write_bytes(content)
    return path


def test_a_flac_that_was_streamed_needs_a_duration(tmp_path: Path) -> None:
    path = flac_of_length(tmp_path / "a.flac", 0)
    assert "does not say how long it is" in refusal(path)
    assert audio_file.read(path, duration_s=0.5).n_samples == 8000


def test_a_header_that_promises_too_much_costs_nothing(tmp_path: Path) -> None:
    path = flac_of_length(tmp_path / "a.flac", 2**36 - 1)
    started_s = time.monotonic()
    assert "1193.0 h long" in refusal(path)
    assert time.monotonic() - started_s < 1.0


def test_a_header_that_promises_more_than_memory_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = flac_of_length(tmp_path / "a.flac", 23 * 3600 * RATE_HZ)

    def no_memory(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(np, "empty", no_memory)
    assert "needs 5 GB of memory" in refusal(path)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 1e38])
def test_samples_that_are_no_sound(tmp_path: Path, wrong: float) -> None:
    samples = two_tones()
    samples[8000:8003, 1] = wrong
    message = refusal(write_float(tmp_path / "a.wav", samples))
    assert "3 samples are NaN, infinite or absurdly large, the first at 0.500 s" in message


def test_a_signalling_nan(tmp_path: Path) -> None:
    samples = two_tones()
    samples.view(np.uint32)[8000, 0] = 0x7F800001  # found by fuzzing: numpy warns when it casts it
    assert "1 samples are NaN" in refusal(write_float(tmp_path / "a.wav", samples))


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "ogg"])
def test_silence(tmp_path: Path, suffix: str) -> None:
    soundfile.write(tmp_path / f"a.{suffix}", np.zeros((RATE_HZ, 2)), RATE_HZ)
    assert "is silent" in refusal(tmp_path / f"a.{suffix}")


def test_a_constant(tmp_path: Path) -> None:
    samples = np.full((RATE_HZ, 2), [0.1, -0.3])
    assert "constant (DC)" in refusal(write_float(tmp_path / "a.wav", samples))


def test_channels_that_cancel_are_no_fault(tmp_path: Path) -> None:
    left = two_tones()[:, :1]
    path = write_float(tmp_path / "a.wav", np.hstack([left, -left]))
    assert audio_file.read(path).n_channels == 2


def test_one_silent_channel_is_no_fault(tmp_path: Path) -> None:
    samples = two_tones() * [1.0, 0.0]
    assert audio_file.read(write_float(tmp_path / "a.wav", samples)).n_channels == 2


def test_the_last_bit_of_24_is_sound(tmp_path: Path) -> None:
    samples = np.zeros((RATE_HZ, 1))
    samples[1::2] = 2.0**-23
    assert audio_file.read(write_float(tmp_path / "a.wav", samples)).n_samples == RATE_HZ


def test_too_short(tmp_path: Path) -> None:
    path = write_float(tmp_path / "a.wav", two_tones(0.2))
    assert "is 0.200 s long; at least 0.25 s are needed" in refusal(path)


def test_too_low_a_rate(tmp_path: Path) -> None:
    path = write_float(tmp_path / "a.wav", two_tones(), 4000)
    assert "4000 Hz; 8000 to 384000 Hz are needed" in refusal(path)


def test_too_high_a_rate(tmp_path: Path) -> None:
    path = write_float(tmp_path / "a.wav", two_tones(), 1_000_000)
    assert "1000000 Hz; 8000 to 384000 Hz are needed" in refusal(path)


def test_too_many_channels(tmp_path: Path) -> None:
    path = write_float(tmp_path / "a.wav", np.repeat(two_tones()[:, :1], 40, axis=1))
    assert "40 channels; 1 to 32 are needed" in refusal(path)


@pytest.mark.parametrize(
    ("excerpt", "found"),
    [
        ({"start_s": 1.0}, "1.00 s long, and --start 1.0 lies behind its end"),
        ({"start_s": 5.0, "duration_s": 1.0}, "--start 5.0 lies behind its end"),
        ({"start_s": 0.5, "duration_s": 0.6}, "--duration 0.6 reaches beyond its end"),
        ({"start_s": 0.9}, "is 0.100 s long"),
    ],
)
def test_an_excerpt_that_is_not_there(
    tmp_path: Path, excerpt: dict[str, float], found: str
) -> None:
    assert found in refusal(write_float(tmp_path / "a.wav", two_tones()), **excerpt)


@pytest.mark.parametrize(
    "excerpt",
    [
        {"start_s": -1.0},
        {"start_s": float("nan")},
        {"start_s": float("inf")},
        {"duration_s": 0.0},
        {"duration_s": 0.2},
        {"duration_s": float("nan")},
    ],
)
def test_an_excerpt_that_never_is(tmp_path: Path, excerpt: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=r"--(start|duration) .*: a number of seconds from"):
        audio_file.read(tmp_path / "not-even-opened.wav", **excerpt)


def test_a_recording_from_memory_is_checked_alike() -> None:
    with pytest.raises(InputError, match=r"the recording: is 0\.100 s long"):
        check_shape(None, n_samples=800, n_channels=1, sample_rate_hz=8000)
    silence = Recording(samples=np.zeros((8000, 1), np.float32), sample_rate_hz=8000)
    with pytest.raises(InputError, match="the recording: is silent"):
        check_content(silence)


@pytest.fixture(scope="module")
def sound_files(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """One short file of each format."""
    folder = tmp_path_factory.mktemp("formats")
    contents = []
    for suffix in ("wav", "flac", "ogg", "mp3", "aiff"):
        soundfile.write(folder / f"a.{suffix}", two_tones(0.5), RATE_HZ)
        contents.append((folder / f"a.{suffix}").read_bytes())
    return contents


@given(data=st.data())
def test_any_damage_is_refused_or_read(
    tmp_path_factory: pytest.TempPathFactory, sound_files: list[bytes], data: st.DataObject
) -> None:
    content = bytearray(data.draw(st.sampled_from(sound_files), label="file"))
    position = st.integers(0, min(len(content), 200) - 1) | st.integers(0, len(content) - 1)
    for _ in range(data.draw(st.integers(1, 8), label="bytes changed")):
        content[data.draw(position)] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(content[: data.draw(st.integers(1, len(content)), label="length")])
    try:
        recording = audio_file.read(path)
    except InputError:
        return
    assert recording.samples.shape == (recording.n_samples, recording.n_channels)
    assert np.isfinite(recording.samples).all()


# Writing

full_scale_samples = hnp.arrays(
    np.float32,
    st.tuples(st.just(8000), st.integers(1, 3)),
    elements=st.floats(-1.0, 0.875, width=32, allow_subnormal=False),
    fill=st.just(np.float32(0.25)),
)


@given(
    samples=full_scale_samples,
    suffix_and_subtype=st.sampled_from(
        [
            (".wav", "float32"),
            (".wav", "int24"),
            (".wav", "int16"),
            (".flac", "int24"),
            (".flac", "int16"),
        ]
    ),
)
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory,
    samples: NDArray[np.float32],
    suffix_and_subtype: tuple[str, audio_file.Subtype],
) -> None:
    suffix, subtype = suffix_and_subtype
    samples[0], samples[1] = -1.0, 0.5  # never silent, and at the end of the range
    path = tmp_path_factory.getbasetemp() / f"round-trip{suffix}"
    audio_file.write(path, samples, 8000, subtype=subtype)
    recording = audio_file.read(path)
    assert recording.sample_rate_hz == 8000
    half_a_step = {"float32": 0.0, "int24": 2.0**-24, "int16": 2.0**-16}[subtype]
    np.testing.assert_allclose(recording.samples, samples, rtol=0, atol=half_a_step)
    # What was read is written back bit for bit.
    content = path.read_bytes()
    audio_file.write(path, recording.samples, 8000, subtype=subtype)
    assert path.read_bytes() == content


@pytest.mark.parametrize("n_channels", [1, 32])
def test_no_time_of_writing_in_the_file(tmp_path: Path, n_channels: int) -> None:
    audio_file.write(tmp_path / "a.wav", np.ones((1000, n_channels)), RATE_HZ)
    with soundfile.SoundFile(tmp_path / "a.wav") as sound:
        # libsndfile's own log: the chunk is still there, and its time is 1970.
        assert re.search(r"PEAK.*\n.*\n +time stamp : 0$", sound.extra_info, re.M)


def test_long_files_are_written_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blockwise, "BLOCK_SAMPLES", 1000)
    samples = two_tones()
    audio_file.write(tmp_path / "a.wav", samples, RATE_HZ)
    np.testing.assert_array_equal(audio_file.read(tmp_path / "a.wav").samples, samples)


def test_large_files_become_rf64(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = two_tones()
    monkeypatch.setattr(audio_file, "_MAX_RIFF_BYTES", samples.nbytes)
    audio_file.write(tmp_path / "small.wav", samples, RATE_HZ)
    monkeypatch.setattr(audio_file, "_MAX_RIFF_BYTES", samples.nbytes - 1)
    audio_file.write(tmp_path / "large.wav", samples, RATE_HZ)
    assert (tmp_path / "small.wav").read_bytes()[:4] == b"RIFF"
    assert (tmp_path / "large.wav").read_bytes()[:4] == b"RF64"
    np.testing.assert_array_equal(audio_file.read(tmp_path / "large.wav").samples, samples)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
@pytest.mark.parametrize("subtype", ["float32", "int24", "int16"])
def test_never_writes_what_is_not_finite(
    tmp_path: Path, subtype: audio_file.Subtype, wrong: float
) -> None:
    samples = two_tones()
    samples[-1, 0] = wrong
    with pytest.raises(OutputError, match="samples are not finite"):
        audio_file.write(tmp_path / "a.wav", samples, RATE_HZ, subtype=subtype)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("subtype", ["int24", "int16"])
@pytest.mark.parametrize("beyond", [1.0, -1.001])
def test_integers_never_clip(tmp_path: Path, subtype: audio_file.Subtype, beyond: float) -> None:
    samples = two_tones()
    samples[5, 0] = beyond
    with pytest.raises(OutputError, match="beyond full scale"):
        audio_file.write(tmp_path / "a.flac", samples, RATE_HZ, subtype=subtype)
    assert list(tmp_path.iterdir()) == []


@given(
    levels=st.lists(st.floats(-100.0, 100.0, width=32), min_size=2, max_size=5),
    subtype=st.sampled_from(["int24", "int16"]),
)
def test_the_common_gain_is_the_largest_that_fits(
    tmp_path_factory: pytest.TempPathFactory, levels: list[float], subtype: audio_file.Subtype
) -> None:
    stems = [np.array([[level]], np.float32) for level in levels]
    gain = audio_file.common_gain(stems, subtype=subtype)
    assert 0.0 < gain <= 1.0
    path = tmp_path_factory.getbasetemp() / "gain.wav"
    for stem in stems:
        audio_file.write(path, gain * stem, RATE_HZ, subtype=subtype)
    if gain < 1.0:
        louder = np.concatenate(stems) * 1.001 * gain
        with pytest.raises(OutputError, match="beyond full scale"):
            audio_file.write(path, louder, RATE_HZ, subtype=subtype)


def test_floats_need_no_gain() -> None:
    assert audio_file.common_gain([np.array([[7.0]])], subtype="float32") == 1.0


@pytest.mark.parametrize(
    ("name", "n_channels", "subtype", "message"),
    [
        ("a.mp3", 2, "int16", "written as .wav or .flac, not as '.mp3'"),
        ("a", 2, "int16", "written as .wav or .flac, not as ''"),
        ("a.flac", 2, "float32", "FLAC holds integers only"),
        ("a.flac", 9, "int16", "FLAC holds at most 8 channels"),
    ],
)
def test_formats_that_cannot_hold_it(
    tmp_path: Path, name: str, n_channels: int, subtype: audio_file.Subtype, message: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        audio_file.write(tmp_path / name, np.zeros((100, n_channels)), RATE_HZ, subtype=subtype)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["A.WAV", "a.Flac"])
def test_capital_suffixes(tmp_path: Path, name: str) -> None:
    audio_file.write(tmp_path / name, two_tones(), RATE_HZ, subtype="int16")
    assert audio_file.read(tmp_path / name).n_channels == 2


def test_a_rate_that_the_format_lacks(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="usual sample rate"):
        audio_file.write(tmp_path / "a.flac", two_tones(), 1_000_000, subtype="int16")


@pytest.mark.parametrize(("name", "subtype"), [("a.wav", "float32"), ("a.flac", "int24")])
def test_a_full_disk(tmp_path: Path, name: str, subtype: audio_file.Subtype) -> None:
    target = tmp_path / name
    target.write_text("old")
    noise = np.random.default_rng(1).uniform(-0.9, 0.9, size=(100_000, 2))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OutputError, match=re.escape(f"{target}: ")):
            audio_file.write(target, noise, RATE_HZ, subtype=subtype)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]
