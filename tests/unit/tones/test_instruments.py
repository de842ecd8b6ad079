"""Instruments: a table of portraits, names for stems."""

from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from musisep_cli.errors import ConfigError
from musisep_cli.tones import instruments
from musisep_cli.tones.identity import Identity
from musisep_cli.tones.instruments import (
    ALSO,
    FILE,
    LEVEL_STEP_DB,
    SPREAD_STEP_DB,
    Nearest,
    Portrait,
    from_bytes,
    named,
    names,
    nearest,
    of_name,
    save,
    table,
    to_bytes,
)
from tests.unit.tones.test_likeness import FALLING, ODD, instrument


def test_the_table_is_small_and_has_about_forty_names() -> None:
    content = (resources.files("musisep_cli.tones") / FILE).read_bytes()
    assert len(content) < 1_000_000
    assert 35 <= len(names()) <= 45
    assert {"violin", "flute", "clarinet", "piano", "double bass"} <= {*names()}


def test_every_portrait_is_nearest_to_its_own_name() -> None:
    for portrait in table()[::26]:
        found = {each.name: each.misfit for each in nearest(portrait.identity)}
        assert min(found, key=found.__getitem__) == portrait.name


def test_a_name_may_be_written_in_several_ways() -> None:
    assert len(of_name("Violin")) == len(of_name("violin")) >= 1
    assert of_name("double-bass")[0] is of_name("Double Bass")[0] is of_name("contrabass")[0]
    assert {*ALSO.values()} <= {*names()}


def test_an_unknown_name_is_refused_with_the_nearest_ones() -> None:
    with pytest.raises(ConfigError, match=r"'violine'; near to it: violin.*inspect instruments"):
        of_name("violine")
    with pytest.raises(ConfigError, match="no instrument is called 'qqq'; musisep"):
        of_name("qqq")


def test_confidences_are_shares_of_one_the_nearest_first() -> None:
    found = nearest(of_name("clarinet")[0])
    assert sum(each.confidence for each in found) == pytest.approx(1.0)
    assert [each.confidence for each in found] == sorted(e.confidence for e in found)[::-1]
    assert (found[0].name, found[0].is_sure) == ("clarinet", True)


def test_a_stem_without_tones_is_near_to_nothing() -> None:
    assert nearest(instrument(FALLING)) == []


def test_a_far_one_is_never_sure() -> None:
    assert not Nearest("flute", 0.99, 2.0).is_sure
    assert Nearest("flute", 0.99, 0.5).is_sure


def test_stems_take_the_names_that_are_sure(monkeypatch: pytest.MonkeyPatch) -> None:
    def near(identity: Identity) -> list[Nearest]:
        return [Nearest("pan flute", 0.9 if identity.total_s > 1 else 0.1, 0.1)]

    monkeypatch.setattr(instruments, "nearest", near)
    sure, unsure = instrument(FALLING, 60, 62), instrument(FALLING, 60)
    stems = ["violin", "instrument-2", "instrument-3", "instrument-4"]
    found = named(stems, [sure, sure, unsure, sure])
    assert found == ["violin", "pan-flute", "instrument-3", "pan-flute-2"]


def test_a_file_holds_portraits_to_its_steps(tmp_path: Path) -> None:
    kept = [Portrait("a", 1, instrument(FALLING, 60, 62)), Portrait("b", 2, instrument(ODD, 50))]
    save(kept, tmp_path / "table.safetensors")
    again = from_bytes((tmp_path / "table.safetensors").read_bytes())
    assert [(each.name, each.program) for each in again] == [("a", 1), ("b", 2)]
    for before, after in zip(kept, again, strict=True):
        assert_allclose(after.identity.level_db, before.identity.level_db, atol=LEVEL_STEP_DB)
        assert_allclose(after.identity.spread_db, before.identity.spread_db, atol=SPREAD_STEP_DB)
        assert_array_equal(after.identity.heard_s > 0, before.identity.heard_s > 0)
    assert np.frombuffer(to_bytes(kept), np.uint8).size < 2000
