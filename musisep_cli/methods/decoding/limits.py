"""Limits of the decoding's settings: what goes together, beyond the bounds of single numbers."""

from __future__ import annotations

from musisep_cli.errors import ConfigError
from musisep_cli.methods.decoding.settings import DecodingSettings
from musisep_cli.methods.policy.limits import check_network
from musisep_cli.methods.tone_method import MOST_HARMONICS, ToneMethod
from musisep_cli.players.voices import MOST_INSTRUMENTS
from musisep_cli.stems.one_window import check_window


def check(settings: DecodingSettings, n_instruments: int) -> None:
    """Refuse settings that each are within their bounds, but do not go together.

    Raises:
        ConfigError: names the setting, its value and what is needed.
    """
    if settings.pitch.files:
        check_network(settings, min(n_instruments, MOST_INSTRUMENTS))  # the network has no say
    else:
        check_network(settings, n_instruments)
    if n_instruments > MOST_INSTRUMENTS and not settings.pitch.files:
        raise ConfigError(
            f"[run] instruments = {n_instruments}: decoding weighs all their orders in every frame "
            f"and serves up to {MOST_INSTRUMENTS}; use --preset quick"
        )
    if settings.policy.instrument_by != "timbre":
        raise ConfigError(
            f"[policy] instrument_by = '{settings.policy.instrument_by}': decoding needs 'timbre', "
            "for tones are found first, whoever plays them"
        )
    n_harmonics = settings.dictionary.n_harmonics
    least = ToneMethod.least_harmonics
    if not least <= n_harmonics <= MOST_HARMONICS:
        raise ConfigError(
            f"[dictionary] n_harmonics = {n_harmonics}: where tones are decoded it must be "
            f"{least} to {MOST_HARMONICS}"
        )
    check_window(settings.frame.hop_zetas, settings.resynthesis)
