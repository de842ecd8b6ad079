"""Dictionary: start value, upper bound, and the JSON form that a run writes and reads."""

import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from musisep_cli.errors import DictionaryError
from musisep_cli.tones.dictionary import (
    DictionaryConfig,
    from_json,
    start_dictionary,
    to_json,
    upper_bound_loss,
)


@pytest.mark.parametrize("n_instruments", [1, 2, 3, 7])
def test_start_value_is_a_geometric_series_with_a_floor(n_instruments: int) -> None:
    start = start_dictionary(DictionaryConfig(), n_instruments)
    assert start.shape == (25, n_instruments)
    for eta in range(1, n_instruments + 1):
        for h in range(1, 26):
            expected = max((0.5 / eta) ** (h - 1), 1e-3)
            assert float(start[h - 1, eta - 1]) == pytest.approx(expected, rel=1e-6)


def test_upper_bound_loss_is_the_mean_squared_logarithm_of_the_maxima() -> None:
    d = torch.tensor([[0.5, 0.1, 1.0], [0.2, 2.0, 0.9]], dtype=torch.float64)
    expected = (math.log(0.5) ** 2 + math.log(2.0) ** 2) / 3
    assert float(upper_bound_loss(d)) == pytest.approx(expected, rel=1e-12)


def test_upper_bound_loss_pulls_only_the_maximum_towards_1() -> None:
    d = torch.tensor([[0.5, 0.3], [0.2, 2.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(upper_bound_loss, (d,))
    (gradient,) = torch.autograd.grad(upper_bound_loss(d), [d])
    assert gradient[0, 0] < 0 < gradient[1, 1]
    assert gradient[1, 0] == gradient[0, 1] == 0


@pytest.mark.parametrize("value", [0.0, 1e-40, -0.1])
def test_upper_bound_loss_of_an_empty_column_is_finite(value: float) -> None:
    d = torch.full((3, 2), value, requires_grad=True)
    loss = upper_bound_loss(d)
    (gradient,) = torch.autograd.grad(loss, [d])
    assert math.isfinite(loss.item())
    assert bool(torch.isfinite(gradient).all())


@given(st.integers(1, 30), st.integers(1, 5), st.integers(0, 10**6))
def test_json_keeps_every_bit(n_harmonics: int, n_instruments: int, seed: int) -> None:
    values = np.random.default_rng(seed).uniform(0, 1.5, (n_harmonics, n_instruments))
    d = torch.tensor(values, dtype=torch.float32)
    text = json.dumps(to_json(d))
    again = from_json(json.loads(text), n_harmonics=n_harmonics, n_instruments=n_instruments)
    assert_close(again, d, atol=0, rtol=0)
    assert again.is_contiguous()


def test_a_learned_dictionary_can_always_be_loaded() -> None:
    # Training neither clips nor projects (Section 3.5): a faint harmonic may step below 0, a
    # loud one above the soft bound. What a run wrote, --init-dictionary has to take.
    learned = torch.tensor([[1.02, 1.6], [-1e-4, 0.5]])
    loaded = from_json(json.loads(json.dumps(to_json(learned))), n_harmonics=2, n_instruments=2)
    assert_close(loaded, learned, atol=2e-4, rtol=0)
    assert float(loaded.min()) >= 0


GOOD: dict[str, Any] = to_json(torch.ones(3, 2))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "not a dictionary"),
        ([], "not a dictionary"),
        ({}, "not a dictionary"),
        ({**GOOD, "format": "musisep-dictionary-99"}, "not a dictionary"),
        ({**GOOD, "instruments": {"a": 1}}, "list of lists"),
        ({**GOOD, "instruments": [[1, 1, 1], [1, 1, "1"]]}, "list of lists"),
        ({**GOOD, "instruments": [[1, 1, 1], [1, 1, True]]}, "list of lists"),
        ({**GOOD, "instruments": [[1, 1, 1], [1, 1, math.nan]]}, "between 0 and 2"),
        ({**GOOD, "instruments": [[1, 1, 1], [1, 1, math.inf]]}, "between 0 and 2"),
        ({**GOOD, "instruments": [[1, 1, 1], [1, 1, -0.5]]}, "between 0 and 2"),
        ({**GOOD, "instruments": [[1, 1, 1]]}, "holds 1 instruments.* 2"),
        ({**GOOD, "instruments": []}, "holds 0 instruments"),
        ({**GOOD, "instruments": [[1, 1], [1, 1]]}, "2. harmonics.* 3"),
        ({**GOOD, "instruments": [[1, 1, 1], [1, 1]]}, "harmonics"),
        ({**GOOD, "instruments": [[], []]}, "harmonics"),
    ],
)
def test_a_wrong_file_is_refused_with_what_to_do(content: object, message: str) -> None:
    with pytest.raises(DictionaryError, match=message):
        from_json(content, n_harmonics=3, n_instruments=2)
