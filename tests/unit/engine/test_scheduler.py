"""The alarm clock rings at moments of UTC, whatever the machine says of its own zone."""

from datetime import UTC, datetime

import pytest

from opsrunner.engine.scheduler import AlarmClock


def test_it_needs_no_zone_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Nowhere/AtAll")
    alarm = AlarmClock()

    alarm.set(datetime(2026, 11, 22, 2, 30, tzinfo=UTC))

    assert not alarm.wait(0)
