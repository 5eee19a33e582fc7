"""What templates and expressions of a run can see."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.model.routine import Routine
from opsrunner.model.rows import KeyedRow
from opsrunner.model.run import Run, StepRecord
from opsrunner.model.site import Site
from opsrunner.templates.views import outcome_view


def run_context(
    run: Run,
    routine: Routine,
    site: Site,
    *,
    records: Mapping[str, StepRecord],
    workdir: Path,
    now: datetime,
    occasion: KeyedRow | None = None,
) -> dict[str, Any]:
    """Return the names that every template and expression of a run has.

    `row` is there in routines with `on_rows` alone: the row that the run is for, none where it came by its schedule.
    """
    zone = ZoneInfo(site.timezone)
    row = {"row": occasion.row if occasion else None} if occasion or routine.on_rows else {}
    return row | {
        "site": {"name": site.name, "timezone": site.timezone},
        "routine": {"id": routine.id, "name": routine.name, "accountable": routine.accountable},
        "run": {
            "id": run.id,
            "trigger": run.trigger.value,
            "due": run.nominal_at.astimezone(zone) if run.nominal_at else None,
            "key": occasion.key if occasion else None,
        },
        "now": now.astimezone(zone),
        "today": now.astimezone(zone).date(),
        "workdir": str(workdir),
        "steps": {step: outcome_view(record.outcome) for step, record in records.items() if record.outcome},
    }


def is_ok(outcome: Outcome) -> bool:
    """Tell whether later steps may build on an outcome."""
    return outcome.status in (StepStatus.SUCCEEDED, StepStatus.WARNING) or (
        outcome.status is StepStatus.SKIPPED and outcome.reason in ("when", "no_rows", "once")
    )
