"""Names of sound files: in small letters, with their point, sound or video."""

from musisep_cli.sound.suffixes import SOUND_SUFFIXES, SUFFIXES, VIDEO_SUFFIXES


def test_a_suffix_is_what_a_path_in_small_letters_ends_with() -> None:
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in SUFFIXES)
    assert not SOUND_SUFFIXES & VIDEO_SUFFIXES
    assert {".wav", ".flac", ".mp3", ".m4a", ".mp4"} <= SUFFIXES
    assert not {".png", ".json", ".csv", ".mid", ".txt"} & SUFFIXES
