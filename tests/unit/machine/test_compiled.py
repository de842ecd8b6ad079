"""Compilation: the same numbers as without, and no crash where nothing can be kept on the disk."""

from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from musisep_cli.machine import compiled as module
from musisep_cli.methods.pursuit.log_axis import LINE_WIDTH, N_BINS, line_bins


def test_compiled_code_gives_what_the_code_says() -> None:
    interpreted: Any = line_bins
    for middle in np.linspace(-40, N_BINS + 40, 200):
        assert line_bins(middle, LINE_WIDTH, N_BINS) == interpreted.py_func(
            middle, LINE_WIDTH, N_BINS
        )


def test_where_no_cache_can_be_written_it_is_compiled_all_the_same() -> None:
    kept: list[bool] = []

    def translated(function: Any, *, kept_: list[bool] = kept, **how: bool) -> Any:
        kept_.append(how["kept"])
        if how["kept"]:
            raise RuntimeError("cannot cache function: no locator available")
        return function

    with patch.object(module, "_translated", translated):
        assert module.compiled(_half)(4.0) == 2.0
    assert kept == [True, False]


def _half(value: float) -> float:
    return value / 2


def test_the_name_in_the_cache_holds_a_fingerprint_of_the_code() -> None:
    interpreted: Any = line_bins
    assert interpreted.py_func.__qualname__.startswith("line_bins_")
    assert len(interpreted.py_func.__qualname__) == len("line_bins_") + 12


def test_the_fingerprint_is_that_of_all_compiled_code_of_the_folder(tmp_path: Path) -> None:
    texts = {"loop": "@compiled\ndef f(): ...", "called": "@compiled\ndef g(): ...", "other": "x"}
    found = []
    for changed in (None, "called", "other"):
        folder = tmp_path / str(changed)
        folder.mkdir()
        for name, text in texts.items():
            (folder / f"{name}.py").write_text(text + "  # new" * (name == changed))
        found.append(module._digest(folder))
    plain, of_called, of_other = found
    assert of_called != plain == of_other
