"""Names of sound files: what is taken from a folder, by its suffix.

A file that is named by itself is tried whatever its suffix.
"""

from __future__ import annotations

SOUND_SUFFIXES = frozenset(
    {
        ".aac", ".ac3", ".aif", ".aifc", ".aiff", ".amr", ".ape", ".au", ".caf", ".dsf", ".dts",
        ".eac3", ".flac", ".m4a", ".m4b", ".m4p", ".m4r", ".mka", ".mp1", ".mp2", ".mp3", ".mpa",
        ".mpc", ".mpga", ".oga", ".ogg", ".opus", ".ra", ".rf64", ".snd", ".spx", ".tak", ".tta",
        ".w64", ".wav", ".wave", ".weba", ".wma", ".wv",
    }
)  # fmt: skip
"""Files that hold sound and nothing else."""
VIDEO_SUFFIXES = frozenset(
    {
        ".3g2", ".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg",
        ".mts", ".ogv", ".rm", ".vob", ".webm", ".wmv",
    }
)  # fmt: skip
"""Files that hold pictures, and mostly sound too."""
SUFFIXES = SOUND_SUFFIXES | VIDEO_SUFFIXES
"""All of them."""
