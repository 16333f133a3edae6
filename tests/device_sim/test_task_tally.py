"""Tests of the counts of tasks."""

from device_sim.task_list import Arrival
from device_sim.task_tally import TaskTally
from gateway.protocol.task_messages import Receipt


def test_a_tally_is_empty_until_something_comes() -> None:
    """A task in whatever condition, or a withdrawal."""
    assert TaskTally().is_empty
    assert not TaskTally(withdrawals=1).is_empty
    tally = TaskTally()
    tally.arrivals[Arrival.EXPIRED] += 1
    assert not tally.is_empty


def test_figures() -> None:
    """What is not readable was not shown; each receipt has its line."""
    tally = TaskTally(unreadable=1, answers_sent=3)
    tally.arrivals[Arrival.NEW] = 5
    tally.receipts[Receipt.LATE] = 2
    figures = tally.figures()
    assert (figures["shown"], figures["answers_sent"]) == (4, 3)
    assert (figures["receipts_accepted"], figures["receipts_late"]) == (0, 2)
