from __future__ import annotations

from datetime import date, datetime

import pytest

from opsrunner.model.schedule import Freeze
from opsrunner.schedules.freezes import freeze_at

SEASON = Freeze(from_=date(2026, 12, 10), until=date(2027, 1, 3), tags=("changes", "mail"), reason="Season")
AUDIT = Freeze(from_=date(2026, 12, 31), until=date(2026, 12, 31), tags=("billing",), reason="Audit")


@pytest.mark.parametrize(
    ("tags", "at", "reason"),
    [
        (["changes"], "2026-12-09T23:59+01:00", None),
        (["changes"], "2026-12-10T00:00+01:00", "Season"),  # the first day, from its midnight in Oslo
        (["changes"], "2026-12-09T23:00+00:00", "Season"),
        (["changes"], "2027-01-03T23:59+01:00", "Season"),  # the last day, to its end
        (["changes"], "2027-01-04T00:00+01:00", None),
        (["backups"], "2026-12-20T12:00+01:00", None),
        ([], "2026-12-20T12:00+01:00", None),
        (["billing"], "2026-12-31T12:00+01:00", "Audit"),
        (["billing", "mail"], "2026-12-31T12:00+01:00", "Season"),  # the first that holds it
    ],
)
def test_a_freeze_holds_its_tags_from_its_first_local_day_to_its_last(
    tags: list[str], at: str, reason: str | None
) -> None:
    found = freeze_at((SEASON, AUDIT), tags=tags, at=datetime.fromisoformat(at), zone="Europe/Oslo")
    assert (found.reason if found else None) == reason
