"""A state that cannot be written for a while is waited for, and told of once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from opsrunner.engine.outage import CALM_SECONDS, Outage
from opsrunner.errors import LedgerConflict, LedgerDamaged, LedgerGone, LedgerNewer, Refused, StateError
from opsrunner.testing import FakeClock

FULL = StateError("/var/ledger.db: database or disk is full; make room on the disk")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime(2026, 11, 20, tzinfo=UTC))


@pytest.fixture
def outage(clock: FakeClock) -> Outage:
    return Outage(clock=clock, draining=threading.Event())


def failing(*errors: Exception) -> tuple[Callable[[], str], list[Exception]]:
    """Make a write that raises these first, and what it raised."""
    left, raised = list(errors), list[Exception]()

    def write() -> str:
        if left:
            raised.append(left.pop(0))
            raise raised[-1]
        return "written"

    return write, raised


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def test_a_write_is_tried_again_until_it_works_and_said_once(outage: Outage, caplog: pytest.LogCaptureFixture) -> None:
    write, raised = failing(FULL, FULL, FULL)
    assert outage.patiently(write) == "written"
    assert len(raised) == 3
    assert said(caplog) == [("ERROR", f"{FULL}; opsrunner goes on by itself when that is over")]


@pytest.mark.parametrize("error", [LedgerDamaged(), LedgerGone(), LedgerNewer(), LedgerConflict(), Refused()])
def test_what_waiting_does_not_mend_is_not_waited_for(outage: Outage, error: Exception) -> None:
    write, raised = failing(error, error)
    with pytest.raises(type(error)):
        outage.patiently(write)
    assert len(raised) == 1


def test_a_daemon_that_stops_waits_for_nothing(outage: Outage) -> None:
    outage.draining.set()
    write, raised = failing(FULL, FULL)
    with pytest.raises(StateError):
        outage.patiently(write)
    assert len(raised) == 1


def test_a_person_waits_no_longer_than_told_and_is_told_once(outage: Outage, caplog: pytest.LogCaptureFixture) -> None:
    write, raised = failing(FULL, FULL)
    with pytest.raises(StateError):
        outage.patiently(write, seconds=0)
    assert len(raised) == 1
    assert said(caplog) == [], "the answer of the verb says it"


def test_its_end_is_said_once_when_all_has_been_calm_for_a_while(
    outage: Outage, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    outage.passed()
    outage.failed(FULL)
    clock.move(seconds=90)
    outage.failed(FULL)
    outage.passed()
    clock.move(seconds=CALM_SECONDS)
    outage.passed()
    outage.passed()
    assert [level for level, _ in said(caplog)] == ["ERROR", "WARNING"]
    assert said(caplog)[1] == ("WARNING", "opsrunner goes on after 90 s")
    outage.failed(FULL)
    assert [level for level, _ in said(caplog)] == ["ERROR", "WARNING", "ERROR"], "a new one is news"
