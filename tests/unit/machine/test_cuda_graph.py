"""Recorded: played back, a function gives what it gives when it is called."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from musisep_cli.machine.cuda_graph import Recorded
from tests.graphs import pretend_graphs
from tests.small import seeded


@pytest.fixture(autouse=True)
def graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_graphs(monkeypatch)


def test_it_is_called_to_record_and_then_played_back() -> None:
    calls = []

    def squares(x: Tensor) -> Tensor:
        calls.append(x)
        return x.square().sum(0, keepdim=True)

    recorded = Recorded(squares)
    for x in torch.arange(12.0).view(4, 3):
        assert_close(recorded(x), x.square().sum(0, keepdim=True))
    assert len(calls) == 3 + 1


def test_what_it_holds_on_to_may_change_in_place() -> None:
    weight = torch.ones(3, requires_grad=True)

    def gradient(x: Tensor) -> Tensor:
        return torch.autograd.grad((weight.square() * x).sum(), [weight])[0]

    recorded = Recorded(gradient)
    for x in torch.arange(12.0).view(4, 3):
        assert_close(recorded(x), 2 * weight.detach() * x)
        with torch.no_grad():
            weight += 1


def test_random_numbers_go_on_as_they_would_without() -> None:
    def noisy(x: Tensor) -> Tensor:
        return x + torch.randn_like(x)

    zero = torch.zeros(5)
    with seeded(0):
        expected = [noisy(zero) for _ in range(4)]
    with seeded(0):
        recorded = Recorded(noisy)
        assert_close([recorded(zero).clone() for _ in range(4)], expected, atol=0, rtol=0)


def test_a_number_that_is_read_is_played_back_as_it_was() -> None:
    # The stand-in for a GPU is one in this as well: a step that read would be found out.
    recorded = Recorded(lambda x: x * x.tolist()[0])
    assert_close(recorded(torch.tensor([2.0])), torch.tensor([4.0]))
    assert_close(recorded(torch.tensor([3.0])), torch.tensor([6.0]))


def test_another_shape_is_refused() -> None:
    recorded = Recorded(torch.square)
    recorded(torch.ones(3))
    with pytest.raises(ValueError, match="called with"):
        recorded(torch.ones(1))
