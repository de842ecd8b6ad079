"""Threads: results in order, one thread for every operation, errors, and an end."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
import torch

from musisep_cli.machine.threads import (
    Threads,
    in_turn,
    sharing_threads,
    threads_of_operations,
)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_results_are_those_of_the_items_in_order(n: int) -> None:
    def slow_square(x: int) -> int:
        time.sleep(0.002 * (7 - x))  # the first takes longest
        return x * x

    with closing(Threads(n)) as threads:
        assert threads.map(slow_square, range(7)) == [x * x for x in range(7)]
        assert threads.map(slow_square, []) == []


@pytest.mark.parametrize("n", [1, 2, 5])
def test_items_are_taken_when_they_are_begun(n: int) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for x in range(9):
            taken.append(x)
            yield x

    with closing(Threads(n)) as threads:
        for number, found in enumerate(threads.ahead(lambda x: x * x, items())):
            assert found == number * number
            assert len(taken) <= number + n + 1
        assert number == 8
        assert list(threads.ahead(lambda x: x, [])) == []


def test_one_thread_after_another_is_in_what_is_done_in_turn() -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        time.sleep(0.002)
        inside -= 1

    alone = in_turn(work)
    with closing(Threads(4)) as threads:
        threads.map(lambda _: alone(), range(8))
    assert (inside, most) == (0, 1)


def test_a_single_thread_is_the_caller_s() -> None:
    assert Threads(1).map(lambda _: threading.get_ident(), [0]) == [threading.get_ident()]


def test_several_work_at_once_and_every_operation_has_one_thread() -> None:
    together = threading.Barrier(2, timeout=10)

    def meet(_: int) -> tuple[int, int]:
        together.wait()
        torch.ones(10) @ torch.ones(10)
        return threading.get_ident(), torch.get_num_threads()

    with threads_of_operations(1), closing(Threads(2)) as threads:
        met = threads.map(meet, range(2))
        assert torch.get_num_threads() == 1
    assert len({ident for ident, _ in met} - {threading.get_ident()}) == 2
    assert {n for _, n in met} == {1}


@pytest.mark.parametrize("n", [1, 2])
def test_an_error_is_the_caller_s_and_others_go_on(n: int) -> None:
    def fail_at_one(x: int) -> int:
        if x == 1:
            raise ValueError("one")
        return x

    with closing(Threads(n)) as threads:
        with pytest.raises(ValueError, match="one"):
            threads.map(fail_at_one, range(3))
        assert threads.map(fail_at_one, [0, 2]) == [0, 2]


def test_what_is_begun_but_not_wanted_any_more_is_not_done() -> None:
    done, first = [], threading.Event()

    def work(x: int) -> None:
        first.set()
        time.sleep(0.05)
        done.append(x)

    threads = Threads(2)
    for x in range(20):
        threads.begin(work, x)
    first.wait(10)
    threads.close()
    assert len(done) < 20


@pytest.mark.parametrize("fails", [False, True])
def test_the_threads_of_operations_are_given_back(fails: bool) -> None:
    before = torch.get_num_threads()
    try:
        with threads_of_operations(before + 1):
            assert torch.get_num_threads() == before + 1
            if fails:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        assert fails
    assert torch.get_num_threads() == before


def test_lent_threads_take_one_operation_each_and_a_gpu_has_one() -> None:
    before = torch.get_num_threads()
    with sharing_threads(3, torch.device("cpu")) as threads:
        assert threads.n == 3
        assert torch.get_num_threads() == 1
        begun = threads.begin(lambda n: n + 1, 1)
    assert begun.done()
    assert torch.get_num_threads() == before
    with sharing_threads(3, torch.device("cuda")) as threads:
        assert threads.n == 1
