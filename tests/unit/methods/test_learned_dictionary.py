"""Learned dictionary: shown in dB, refused where it does not fit."""

from pathlib import Path

import numpy as np
import pytest
import torch

from musisep_cli.errors import DictionaryError
from musisep_cli.machine.files import write_json_atomic
from musisep_cli.methods.learned_dictionary import dictionary_table, shown_dictionary
from musisep_cli.tones import dictionary

NAMES = ("instrument-1", "instrument-2")


def test_amplitudes_are_told_in_decibels() -> None:
    table = dictionary_table(np.array([[1.0, 0.5], [0.1, 0.0], [1e-4, 0.99999]]), NAMES)
    assert table.columns == ("harmonic", *NAMES)
    assert table.rows == [["1", "0.0", "-6.0"], ["2", "-20.0", "·"], ["3", "·", "0.0"]]


def test_a_dictionary_is_a_table_and_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "dictionary.json"
    write_json_atomic(path, dictionary.to_json(torch.tensor([[1.0, 0.5], [0.5, 1.0]])))
    shown = shown_dictionary(path, NAMES)
    assert [row[0] for row in shown.tables[0].rows] == ["1", "2"]
    assert list(shown.pictures) == ["dictionary"]
    with pytest.raises(DictionaryError, match="holds 2 instruments, the separation has 3"):
        shown_dictionary(path, (*NAMES, "instrument-3"))


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dictionary.json").write_text("[]")
    with pytest.raises(DictionaryError):
        shown_dictionary(tmp_path / "dictionary.json", NAMES)
