"""Limits of the decoding's settings: what goes together, beyond the bounds of single numbers."""

from __future__ import annotations

from musisep_cli.errors import ConfigError
from musisep_cli.methods.decoding.settings import DecodingSettings
from musisep_cli.methods.policy.limits import check_network

MAX_INSTRUMENTS = 4
"""Largest number of instruments. Every order of the tones among them is weighed in every frame: 24
orders for four instruments, 120 for five, which takes too long."""
MIN_HARMONICS, MAX_HARMONICS = 2, 256
"""Bounds of the number of harmonics: the nearest one is looked up between two of them, and its
number is kept in one byte."""


def check(settings: DecodingSettings, n_instruments: int) -> None:
    """Refuse settings that each are within their bounds, but do not go together.

    Raises:
        ConfigError: names the setting, its value and what is needed.
    """
    if settings.pitch.files:
        check_network(settings, min(n_instruments, MAX_INSTRUMENTS))  # the network has no say
    else:
        check_network(settings, n_instruments)
    if n_instruments > MAX_INSTRUMENTS and not settings.pitch.files:
        raise ConfigError(
            f"[run] instruments = {n_instruments}: decoding weighs all their orders in every frame "
            f"and serves up to {MAX_INSTRUMENTS}; use --preset quick"
        )
    if settings.policy.instrument_by != "timbre":
        raise ConfigError(
            f"[policy] instrument_by = '{settings.policy.instrument_by}': decoding needs 'timbre', "
            "for tones are found first, whoever plays them"
        )
    n_harmonics = settings.dictionary.n_harmonics
    if not MIN_HARMONICS <= n_harmonics <= MAX_HARMONICS:
        raise ConfigError(
            f"[dictionary] n_harmonics = {n_harmonics}: where tones are decoded it must be "
            f"{MIN_HARMONICS} to {MAX_HARMONICS}"
        )
    if settings.frame.hop_zetas > 3 * settings.resynthesis.change_window:
        raise ConfigError(
            "[resynthesis] change_window is too short for [frame] hop_zetas: the signal between "
            "frames would be lost"
        )
