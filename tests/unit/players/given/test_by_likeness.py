"""By likeness: what is known of instruments by a solo, a name or an identity."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from musisep_cli.errors import ConfigError, InputError
from musisep_cli.players.given.by_likeness import LikeConfig, check_files, known_of, short_ones
from musisep_cli.sound.recording import Recording
from musisep_cli.tones.identity import learn_solo, to_json
from tests.signals import CLARINET, CLARINET_MELODY, FLUTE, FLUTE_MELODY, melody

RATE_HZ = 16_000


def line(pitches: tuple[float, ...], amplitudes: tuple[float, ...]) -> np.ndarray:
    return melody(
        pitches, note_s=0.3, amplitudes=amplitudes, duration_s=2.1, sample_rate_hz=RATE_HZ
    )


FLUTE_SOLO = line(FLUTE_MELODY[::-2], FLUTE)
CLARINET_SOLO = line(CLARINET_MELODY[::-2], CLARINET)


def test_a_solo_its_identity_and_a_part_of_the_recording_say_the_same(tmp_path: Path) -> None:
    solo, kept = tmp_path / "solo.wav", tmp_path / "flute.json"
    soundfile.write(solo, FLUTE_SOLO, RATE_HZ, subtype="FLOAT")
    kept.write_text(json.dumps(to_json(learn_solo(FLUTE_SOLO, RATE_HZ))), "utf-8")
    both = np.concatenate([FLUTE_SOLO, CLARINET_SOLO]).astype(np.float32)[:, None]
    config = LikeConfig(
        names=("a", "b", "c", "flute"), files=(str(solo), str(kept)), times=("", "", "0-2.1")
    )
    check_files(config)
    found = known_of(config, Recording(samples=both, sample_rate_hz=RATE_HZ))
    for (each,) in found[:3]:
        assert each.register_semitones == pytest.approx(found[0][0].register_semitones, abs=0.1)
    assert found[0][0].origin == str(solo)
    assert len(found[3]) > 1  # a name stands for all programs that it joins


def test_a_time_is_that_of_the_recording_s_file(tmp_path: Path) -> None:
    path = tmp_path / "mix.wav"
    both = np.concatenate([CLARINET_SOLO, FLUTE_SOLO]).astype(np.float32)[:, None]
    soundfile.write(path, both, RATE_HZ, subtype="FLOAT")
    part = Recording(samples=both[:RATE_HZ], sample_rate_hz=RATE_HZ, path=path, start_s=0.0)
    config = LikeConfig(names=("flute",), times=("2.1-4.1",))
    ((found,),) = known_of(config, part)
    assert found.register_semitones[0] > 70
    assert "2.1-4.1 s" in found.origin


@pytest.mark.parametrize("time", ["5", "3-1", "a-b"])
def test_a_time_that_is_none_is_refused(time: str) -> None:
    recording = Recording(samples=FLUTE_SOLO[:, None].astype(np.float32), sample_rate_hz=RATE_HZ)
    with pytest.raises(ConfigError, match="must be seconds"):
        known_of(LikeConfig(names=("flute",), times=(time,)), recording)


def test_what_holds_no_tones_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "noise.wav"
    noise = 0.1 * np.random.default_rng(0).normal(size=RATE_HZ)
    soundfile.write(path, noise, RATE_HZ, subtype="FLOAT")
    with pytest.raises(InputError, match=r"holds 0\.0 s of clear single tones"):
        check_files(LikeConfig(names=("drums",), files=(str(path),)))


def test_a_short_solo_is_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "short.wav"
    soundfile.write(path, FLUTE_SOLO, RATE_HZ, subtype="FLOAT")
    (warning,) = short_ones(LikeConfig(names=("flute",), files=(str(path),)))
    assert "s of clear single tones of flute" in warning
    assert short_ones(LikeConfig(names=("flute",))) == []


def test_a_name_that_the_table_lacks_is_refused() -> None:
    with pytest.raises(ConfigError, match="near to it: violin"):
        check_files(LikeConfig(names=("violine",)))


def test_a_solo_of_too_low_a_rate_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "low.wav"
    soundfile.write(path, FLUTE_SOLO[::4], RATE_HZ // 4, subtype="FLOAT")
    with pytest.raises(InputError, match="sample rate of 4000 Hz"):
        check_files(LikeConfig(names=("flute",), files=(str(path),)))


def test_a_solo_with_opposite_channels_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "solo.wav"
    soundfile.write(path, np.stack([FLUTE_SOLO, -FLUTE_SOLO], 1), RATE_HZ, subtype="FLOAT")
    recording = Recording(samples=np.zeros((8, 1), np.float32), sample_rate_hz=RATE_HZ)
    ((found,),) = known_of(LikeConfig(names=("flute",), files=(str(path),)), recording)
    assert found.total_s == pytest.approx(learn_solo(FLUTE_SOLO, RATE_HZ).total_s)
