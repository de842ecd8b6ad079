"""Instruments: every program belongs to one class, and some are kept from training."""

from collections import Counter

import pytest

from musisep_cli.errors import ConfigError
from musisep_cli.methods.identity.instruments import DRUMS, HELD_OUT_PROGRAMS, INSTRUMENTS, row


def test_no_program_belongs_to_two_classes() -> None:
    counts = Counter(program for each in INSTRUMENTS for program in each.programs)
    assert counts.most_common(1)[0][1] == 1
    assert set(HELD_OUT_PROGRAMS) <= set(counts)


def test_what_is_held_out_is_not_trained() -> None:
    trained = {program for each in INSTRUMENTS for program in each.training_programs}
    assert trained.isdisjoint(HELD_OUT_PROGRAMS)
    assert len(trained) > 90


def test_every_class_can_play_two_octaves_or_its_own_range() -> None:
    assert all(each.lowest_midi + 12 <= each.highest_midi for each in INSTRUMENTS)


def test_a_name_finds_its_row_and_a_wrong_one_the_nearest() -> None:
    assert row(" DRUMS ") == DRUMS
    with pytest.raises(ConfigError, match="violin"):
        row("voilin")
