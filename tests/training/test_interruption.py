"""Signals: the first one waits for a safe place, the second one does not wait."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from omma.training.interruption import SIGNALS, Interruption


def send(number: int = signal.SIGINT) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", SIGNALS)
def test_work_is_finished_first(number: int) -> None:
    before = [signal.getsignal(each) for each in SIGNALS]
    done = []
    with pytest.raises(KeyboardInterrupt), Interruption() as interruption:
        send(number)
        done.append("the step")
        with interruption.safe():
            done.append("waiting")
    assert done == ["the step"] and not interruption.forced
    assert [signal.getsignal(each) for each in SIGNALS] == before


def test_waiting_is_abandoned_at_once() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), Interruption() as interruption, interruption.safe():
        send()
        done.append("waiting")
    assert not done and not interruption.forced


def test_the_second_signal_forces() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), Interruption() as interruption:
        send()
        done.append("first")
        send()
        done.append("second")
    assert done == ["first"] and interruption.forced


def test_a_signal_is_never_lost() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), Interruption():
        send()
        done.append("the last step")
    assert done == ["the last step"]


def test_outside_the_main_thread_signals_are_left_alone() -> None:
    before = [signal.getsignal(each) for each in SIGNALS]
    errors: list[BaseException] = []

    def work() -> None:
        try:
            with Interruption() as interruption, interruption.safe():
                assert [signal.getsignal(each) for each in SIGNALS] == before
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not errors
