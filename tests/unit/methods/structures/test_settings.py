"""Settings of the structures: how the tones sound, and bounds in words."""

import pytest

from musisep_cli.errors import ConfigError
from musisep_cli.run.settings.compose import compose


def test_a_sound_that_there_is_not_is_told_with_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match="must be one of 'decoded', 'faithful'"):
        compose("structures", {"structures": {"sound": "loud"}})


def test_held_notes_can_be_left_out() -> None:
    assert (
        compose("structures", {"structures": {"held_nats": 0}}).settings.structures.held_nats == 0
    )
