"""Interruption: no signal is lost, wherever it comes."""

import contextlib
import signal

import pytest

from musisep_cli.machine.interruption import (
    SIGNALS,
    deferred,
    heed_interrupts,
    signals_as_interrupt,
)


@pytest.mark.usefixtures("hangup_is_heard")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_a_library_swallowed_is_noticed_before_the_next_work(number: int) -> None:
    with signals_as_interrupt():
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(number)
        with pytest.raises(KeyboardInterrupt), deferred():
            pytest.fail("the work began")
    with deferred() as requested:  # what is over is over
        assert not requested.is_set()


@pytest.mark.usefixtures("hangup_is_heard")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_within_the_work_waits_for_its_end(number: int) -> None:
    steps = []

    def work() -> None:
        with signals_as_interrupt(), deferred() as requested:
            signal.raise_signal(number)
            steps.append(requested.is_set())

    with pytest.raises(KeyboardInterrupt):
        work()
    assert steps == [True]


def test_handlers_are_as_before() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with signals_as_interrupt(), deferred():
        pass
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_a_program_that_outlives_its_terminal_is_left_alone() -> None:
    """What nohup does: a hangup is ignored, and stays so."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals_as_interrupt(), deferred() as requested:
            signal.raise_signal(signal.SIGHUP)
            assert not requested.is_set()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_worker_in_the_background_of_a_script_can_be_interrupted() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        heed_interrupts()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_program_s_own_way_with_interrupts_stays() -> None:
    def own(number: int, frame: object) -> None:
        pass

    before = signal.signal(signal.SIGINT, own)
    try:
        heed_interrupts()
        assert signal.getsignal(signal.SIGINT) is own
    finally:
        signal.signal(signal.SIGINT, before)
