"""Rewrites the golden files: pytest -m golden_regen tests/golden."""

import json
import sys

import numpy as np
import pytest

from tests.golden.steps import CASES, load, measure, path


@pytest.mark.golden_regen
@pytest.mark.parametrize("case", CASES)
def test_rewrite_the_golden_step(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = load(case) if path(case).exists() else {}
    after = measure(case)
    path(case).write_text(json.dumps(after, indent=0) + "\n", encoding="utf-8")
    with capsys.disabled():
        for name in sorted({*before, *after}):
            old, new = (np.array(numbers.get(name, [])) for numbers in (before, after))
            if old.shape != new.shape:
                change = f"{old.size} -> {new.size} numbers"
            elif (old == new).all():
                continue
            else:
                change = f"changed by up to {abs(new - old).max():.3g}"
            sys.stdout.write(f"{case}: {name}: {change}\n")
