"""How steps ended on single hosts: read from the newest runs of the routines that reach them, never from all runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from opsrunner.ledger.codec import dumps, to_moment
from opsrunner.ledger.database import Ledger
from opsrunner.model.outcome import StepStatus
from opsrunner.model.routine import HOST_KINDS
from opsrunner.model.run import RunStatus
from opsrunner.records import dataclass

MESSAGE_LENGTH = 500
_HAVE_STEPS = tuple(status for status in RunStatus if status not in (RunStatus.SKIPPED, RunStatus.MISSED))
_NEWEST = " UNION ALL ".join(
    f"SELECT * FROM (SELECT one.id FROM runs AS one WHERE one.routine = wanted.value AND one.status = '{status.value}'"  # noqa: S608 (fixed words)
    " ORDER BY one.id DESC LIMIT ?2)"
    for status in _HAVE_STEPS
)
_KINDS = ", ".join(f"'{kind}'" for kind in sorted(HOST_KINDS))
_PARTS = (
    "SELECT runs.id AS run, runs.routine, steps.id AS step, steps.position, steps.finished_at AS at,"  # noqa: S608 (fixed words)
    " json_extract(part.value, '$.key') AS host, json_extract(part.value, '$.status') AS status,"
    f" substr(json_extract(part.value, '$.message'), 1, {MESSAGE_LENGTH}) AS message"
    " FROM json_each(?1) AS wanted"
    f" CROSS JOIN runs ON runs.id IN (SELECT id FROM ({_NEWEST}) ORDER BY id DESC LIMIT ?2)"
    f" CROSS JOIN steps ON steps.run = runs.id AND steps.kind IN ({_KINDS}) AND steps.outcome IS NOT NULL"
    " CROSS JOIN json_each(steps.outcome, '$.parts') AS part"
)
_OF_ALL = f"SELECT *, max(run) FROM ({_PARTS}) GROUP BY host, routine, step"  # noqa: S608 (fixed words)
_OF_ONE = f"SELECT * FROM ({_PARTS}) WHERE host = ?3 ORDER BY at DESC, run DESC, position DESC"  # noqa: S608 (fixed words)


@dataclass(frozen=True, kw_only=True)
class HostPart:
    """The end of one step on one host."""

    run: int
    routine: str
    step: str
    host: str
    status: StepStatus
    message: str
    at: datetime


class HostParts:
    """Looks at the parts of steps that ask hosts."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def last(self, routines: Sequence[str], *, runs: int) -> list[HostPart]:
        """Return how each step of `routines` last ended on each host, within the last so many `runs` of each."""
        return self._found(_OF_ALL, (dumps(list(routines)), runs))

    def of_host(self, host: str, routines: Sequence[str], *, runs: int) -> list[HostPart]:
        """Return all that ended on a host within the last so many `runs` of each of `routines`, newest first."""
        return self._found(_OF_ONE, (dumps(list(routines)), runs, host))

    def _found(self, sql: str, values: Sequence[str | int]) -> list[HostPart]:
        return [
            HostPart(
                run=row["run"],
                routine=row["routine"],
                step=row["step"],
                host=row["host"],
                status=StepStatus(row["status"]),
                message=row["message"],
                at=to_moment(row["at"]),
            )
            for row in self._ledger.all(sql, values)
        ]
