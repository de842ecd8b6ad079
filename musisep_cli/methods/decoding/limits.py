"""Limits of the decoding's settings: what goes together, beyond the bounds of single numbers."""

from __future__ import annotations

from musisep_cli.errors import ConfigError
from musisep_cli.methods.decoding.settings import DecodingSettings
from musisep_cli.methods.policy.limits import MAX_WARM_INSTRUMENTS, check_network
from musisep_cli.players.voices import MELODY, MOST_VOICES
from musisep_cli.stems.one_window import check_window


def check(settings: DecodingSettings, n_instruments: int) -> None:
    """Refuse settings that each are within their bounds, but do not go together.

    Raises:
        ConfigError: names the setting, its value and what is needed.
    """
    # Decoding makes up for what the warm start has not learned: more tones than it was shown.
    check_network(settings, min(n_instruments, MAX_WARM_INSTRUMENTS))
    check_voices(settings)
    if settings.policy.instrument_by != "timbre":
        raise ConfigError(
            f"[policy] instrument_by = '{settings.policy.instrument_by}': decoding needs 'timbre', "
            "for tones are found first, whoever plays them"
        )
    check_window(settings.frame.hop_zetas, settings.resynthesis)


def check_voices(settings: DecodingSettings) -> None:
    """Refuse numbers of voices that cannot be served, or not with the other settings.

    Raises:
        ConfigError: names the setting, its value and what is needed.
    """
    voices, melody = settings.voices.of_instruments, settings.voices.melody
    if not voices and not melody:
        return
    flag = "--melody" if melody else "--voices"
    if melody and voices:
        raise ConfigError(
            "--melody makes one stem, of the leading line: leave --voices out, or name all "
            "instruments by it, without --melody"
        )
    if sum(voices) > MOST_VOICES:
        raise ConfigError(
            f"[voices] of_instruments = {list(voices)}: {sum(voices)} tones at once, and "
            f"{MOST_VOICES} are the most; leave out tones that seldom sound, for example "
            f"--voices 1,{MELODY[1]}"
        )
    if settings.training.iterations > 0 and settings.voices.has_chords:
        raise ConfigError(
            f"{flag} and training do not go together: the network is trained on one tone of every "
            "instrument. Leave --iterations out"
        )
    if settings.pitch.files:
        raise ConfigError(
            f"{flag} and --pitch do not go together: the notes say how many tones there are. Leave "
            f"{flag} out"
        )
    if settings.dictionary.init_file and melody:
        raise ConfigError(
            "--melody and --init-dictionary do not go together: what goes with the melody has no "
            "column in the dictionary. Leave one of them out"
        )


def check_number(settings: DecodingSettings, n_instruments: int) -> None:
    """Refuse another number of instruments than the voices are told of.

    Raises:
        ConfigError: the numbers differ.
    """
    voices = settings.voices.of_instruments
    if settings.voices.melody and n_instruments != 1:
        raise ConfigError(
            f"--melody makes one stem, of the leading line, and the number of instruments is "
            f"{n_instruments}: leave -n out"
        )
    if voices and len(voices) != n_instruments:
        raise ConfigError(
            f"--voices names {len(voices)} instruments ({','.join(map(str, voices))}), and the "
            f"number of instruments is {n_instruments}: leave -n out, or give a number for each"
        )
