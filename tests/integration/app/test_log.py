"""What the daemon's log tells whoever reads it at night."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

HOURLY = "name: Hourly\naccountable: sysadmin\nschedule: {every: 1h}\nsteps:\n  - run: "


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Return (level, sentence) of what was said of runs and due times."""
    told = [record for record in caplog.records if getattr(record, "action", "").startswith(("run_", "occurrence_"))]
    return [(record.levelname, record.getMessage()) for record in told]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ('["true"]', ("INFO", "run 1 of hourly: succeeded")),
        ("exit 3", ("WARNING", "run 1 of hourly: failed (step run)")),
    ],
)
def test_it_tells_how_each_run_ended(
    house: Callable[..., Any], caplog: pytest.LogCaptureFixture, command: str, said: tuple[str, str]
) -> None:
    caplog.set_level(logging.INFO, logger="opsrunner")
    site = house({"hourly": HOURLY + command + "\n"})
    site.work()
    site.at("2026-11-20T13:00:01")
    assert logged(caplog) == [said]


def test_it_tells_in_one_line_what_a_long_absence_left_out(
    house: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="opsrunner")
    site = house({"hourly": HOURLY + '["true"]\n'})
    site.work()
    site.at("2026-11-23T12:30:00")
    assert logged(caplog) == [
        ("WARNING", "hourly, due 2026-11-23 11:00 UTC and 70 before: missed (coalesced)"),
        ("INFO", "run 72 of hourly: succeeded"),
    ]
