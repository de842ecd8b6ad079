"""What phones, cameras and browsers record is read as the same sound in a WAV is."""

import struct
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from musisep_cli.errors import InputError
from musisep_cli.evaluation.tracks import Layout, open_track, read_blocks
from musisep_cli.sound import audio_file
from musisep_cli.sound.opening import opened
from tests import media
from tests.unit.sound.test_audio_file import two_tones

RATE_HZ = 44_100
N_SAMPLES = 66_150
LOSSY_ATOL = 0.05
"""Largest error of a codec on two pure tones, away from the ends, in units of full scale."""


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    """[t, 2] of 16 bits."""
    return np.round(two_tones(1.5, RATE_HZ) * 2**15) / 2**15


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.m4a", "alac"),
        ("a.mov", "pcm_s16le"),
        ("a.mov", "alac"),
        ("a.wv", "wavpack"),
        ("a.mka", "flac"),
        ("a.mkv", "pcm_s16le"),
        ("a.tta", "tta"),
        ("a.avi", "pcm_s16le"),
    ],
)
def test_lossless_to_the_sample(tmp_path: Path, samples: np.ndarray, name: str, codec: str) -> None:
    path = media.encode(tmp_path / name, samples, RATE_HZ, codec)
    recording = audio_file.read(path)
    assert recording.sample_rate_hz == RATE_HZ
    np.testing.assert_array_equal(recording.samples, samples)


@pytest.mark.parametrize("name", ["a.m4a", "a.mp4", "a.mov"])
def test_aac_without_the_delay_and_padding_of_its_encoder(
    tmp_path: Path, samples: np.ndarray, name: str
) -> None:
    path = media.encode(tmp_path / name, samples, RATE_HZ, "aac", bit_rate=192_000)
    recording = audio_file.read(path)
    assert recording.n_samples == N_SAMPLES
    np.testing.assert_allclose(recording.samples[4000:-4000], samples[4000:-4000], atol=LOSSY_ATOL)


def test_aac_as_apple_marks_its_delay(tmp_path: Path, samples: np.ndarray) -> None:
    path = media.encode(tmp_path / "a.m4a", samples, RATE_HZ, "aac", bit_rate=192_000)
    path.write_bytes(marked_as_by_apple(path.read_bytes()))
    recording = audio_file.read(path)
    assert recording.n_samples == N_SAMPLES
    np.testing.assert_allclose(recording.samples[4000:-4000], samples[4000:-4000], atol=LOSSY_ATOL)


def marked_as_by_apple(content: bytes) -> bytes:
    """The same m4a with iTunSMPB instead of an edit list."""
    padding = -(N_SAMPLES + 1024) % 1024
    numbers = [0, 1024, padding]
    text = "".join(f" {number:08X}" for number in numbers) + f" {N_SAMPLES:016X}" + " 00000000" * 8

    def box(kind: bytes, inner: bytes) -> bytes:
        return struct.pack(">I", 8 + len(inner)) + kind + inner

    tag = box(
        b"----",
        box(b"mean", bytes(4) + b"com.apple.iTunes")
        + box(b"name", bytes(4) + b"iTunSMPB")
        + box(b"data", struct.pack(">II", 1, 0) + text.encode()),
    )
    data = bytearray(content.replace(b"edts", b"free"))
    end = 0
    for kind in (b"ilst", b"meta", b"udta", b"moov"):
        start = data.rindex(kind) - 4
        size = int.from_bytes(data[start : start + 4], "big")
        end = end or start + size
        data[start : start + 4] = struct.pack(">I", size + len(tag))
    data[end:end] = tag
    return bytes(data)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.webm", "libopus"), ("a.mkv", "libopus"), ("a.opus", "libopus")]
)
def test_what_browsers_record(tmp_path: Path, name: str, codec: str) -> None:
    samples = two_tones(1.5, 48_000)
    path = media.encode(tmp_path / name, samples, 48_000, codec, bit_rate=192_000)
    recording = audio_file.read(path)
    assert recording.sample_rate_hz == 48_000
    assert 72_000 <= recording.n_samples < 72_000 + 1024
    read = recording.samples[4000:68_000]
    np.testing.assert_allclose(read, samples[4000:68_000], atol=LOSSY_ATOL)


@pytest.mark.parametrize(("name", "codec"), [("a.aac", "aac"), ("a.wma", "wmav2")])
def test_what_tells_no_delay_is_read_as_it_is(
    tmp_path: Path, samples: np.ndarray, name: str, codec: str
) -> None:
    path = media.encode(tmp_path / name, samples, RATE_HZ, codec, bit_rate=192_000)
    recording = audio_file.read(path)
    assert abs(recording.n_samples - N_SAMPLES) < 4096
    spectrum = np.abs(np.fft.rfft(recording.samples[8000:52_100], axis=0))
    assert spectrum.argmax(axis=0).tolist() == [440, 660]


def test_a_gsm_wav(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    tone = two_tones(1.5, 8000)[:, :1]
    soundfile.write(path, tone, 8000, subtype="GSM610")
    recording = audio_file.read(path)
    assert recording.sample_rate_hz == 8000
    # Whole blocks of 320 samples.
    assert 12_000 <= recording.n_samples < 12_320
    spectrum = np.abs(np.fft.rfft(recording.samples[:8000, 0]))
    assert spectrum.argmax() == 440


def test_the_sound_of_a_video(tmp_path: Path, samples: np.ndarray) -> None:
    path = media.encode(tmp_path / "a.mov", samples, RATE_HZ, "alac", picture=True)
    np.testing.assert_array_equal(audio_file.read(path).samples, samples)


def test_the_first_of_several_sound_tracks(tmp_path: Path, samples: np.ndarray) -> None:
    path = media.encode(tmp_path / "a.mka", samples, RATE_HZ, "flac", n_tracks=2)
    np.testing.assert_array_equal(audio_file.read(path).samples, samples)


def test_an_excerpt_is_a_slice_of_the_whole(tmp_path: Path, samples: np.ndarray) -> None:
    path = media.encode(tmp_path / "a.m4a", samples, RATE_HZ, "alac")
    excerpt = audio_file.read(path, start_s=0.5, duration_s=0.25)
    np.testing.assert_array_equal(excerpt.samples, samples[22_050:33_075])
    rest = audio_file.read(path, start_s=1.0)
    np.testing.assert_array_equal(rest.samples, samples[44_100:])
    with pytest.raises(InputError, match=r"is 1\.50 s long, and --start 2 lies"):
        audio_file.read(path, start_s=2)
    with pytest.raises(InputError, match="reaches beyond its end"):
        audio_file.read(path, start_s=1.0, duration_s=1.0)


def test_the_length_is_an_estimate_until_all_is_decoded(
    tmp_path: Path, samples: np.ndarray
) -> None:
    path = media.encode(tmp_path / "a.aac", samples, RATE_HZ, "aac", bit_rate=192_000)
    with opened(path) as sound:
        assert sound.is_estimate
        n_decoded = sum(len(block) for block in sound.blocks("float32"))
        assert (sound.n_samples, sound.is_estimate) == (n_decoded, False)
    track = open_track(path)
    layout = Layout(sample_rate_hz=RATE_HZ, n_samples=track.n_samples, n_channels=2)
    whole = np.concatenate(list(read_blocks(track, layout)), axis=1).T
    np.testing.assert_array_equal(whole, audio_file.read(path).samples)


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        audio_file.read(path)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


def test_a_video_without_sound(tmp_path: Path) -> None:
    path = media.picture_only(tmp_path / "a.mp4")
    assert "holds no sound, only pictures" in refusal(path)


@pytest.mark.parametrize("name", ["a.m4a", "a.webm"])
def test_an_empty_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert "is empty" in refusal(tmp_path / name)


@pytest.mark.parametrize("share", [0.3, 0.7])
@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.m4a", "aac", {}),
        ("a.m4a", "aac", {"movflags": "faststart"}),
        ("a.wv", "wavpack", {}),
        ("a.mka", "flac", {}),
    ],
)
def test_a_file_that_is_cut_off(
    tmp_path: Path,
    samples: np.ndarray,
    name: str,
    codec: str,
    options: dict[str, str],
    share: float,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = media.encode(tmp_path / name, samples, RATE_HZ, codec, options=options)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert "cut off" in refusal(path)
    assert capfd.readouterr().err == ""


def test_a_protected_file(tmp_path: Path, samples: np.ndarray) -> None:
    """FairPlay marks the codec as drms."""
    path = media.encode(tmp_path / "a.m4a", samples, RATE_HZ, "aac")
    path.write_bytes(path.read_bytes().replace(b"mp4a", b"drms"))
    assert "protected against copying (DRM)" in refusal(path)


def test_a_playlist_leads_nowhere(tmp_path: Path, samples: np.ndarray) -> None:
    audio_file.write(tmp_path / "a.wav", samples, RATE_HZ)
    path = tmp_path / "a.m3u8"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.5,\na.wav\n#EXT-X-ENDLIST\n")
    assert "is not a sound file" in refusal(path)


def test_long_ones_are_read_fast(tmp_path: Path) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal((60 * RATE_HZ, 1))
    path = media.encode(tmp_path / "a.m4a", noise, RATE_HZ, "aac")
    started_s = time.monotonic()
    assert audio_file.read(path).n_samples == 60 * RATE_HZ
    assert time.monotonic() - started_s < 5.0
