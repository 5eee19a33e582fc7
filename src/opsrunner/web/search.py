"""Search: routines, runs, tasks and shift notes. What is looked for stands in the address."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlencode

from pydantic import Field
from starlette.responses import Response

from opsrunner.engine.matching import Piece, excerpt, pieces, words_of
from opsrunner.engine.search import NEWEST, Finder, Found, Wanted
from opsrunner.errors import UsageError
from opsrunner.ledger.search import NoteHit, TaskHit
from opsrunner.model.routine import Routine
from opsrunner.model.run import Run, RunStatus
from opsrunner.model.task import TaskStatus
from opsrunner.records import dataclass
from opsrunner.schedules.zones import MIDNIGHT, ONE_DAY, to_utc
from opsrunner.web.visit import Fields, Visit, local_day

A_PAGE, A_FEW = 25, 5
LONGEST = 200
FURTHER = timedelta(days=365)
_NUMBER = re.compile(r"#?([1-9][0-9]{0,17})")
_KINDS = (("", "All"), ("routines", "Routines"), ("runs", "Runs"), ("tasks", "Tasks"), ("notes", "Notes"))
_Status = TypeVar("_Status", RunStatus, TaskStatus)


class _Asked(Fields):
    q: Annotated[str, Field(max_length=LONGEST)] = ""
    what: Literal["", "routines", "runs", "tasks", "notes"] = ""
    routine: str = ""
    status: str = ""
    since: str = ""
    until: str = ""
    before: int = NEWEST

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing is looked for."""
        return not (self.q.strip() or self.what or self.is_narrowed)

    @property
    def is_narrowed(self) -> bool:
        """Tell whether more than words is asked."""
        return bool(self.routine or self.status or self.since or self.until)


@dataclass(frozen=True, kw_only=True)
class Results:
    """What was found of each kind; None: it was not looked for."""

    routines: Sequence[Routine] | None = None
    runs: Found[Run] | None = None
    tasks: Found[TaskHit] | None = None
    notes: Found[NoteHit] | None = None
    are_few: bool = False
    """Tells that of each kind the first ones are shown only."""

    @property
    def counts(self) -> list[tuple[str, int, bool]]:
        """Each kind with how many were found, and whether there are more."""
        found = [("routine", 0, False)] if self.routines is None else [("routine", len(self.routines), False)]
        for noun, one in (("run", self.runs), ("task", self.tasks), ("note", self.notes)):
            hits = 0 if one is None else len(one.hits)
            cut = self.are_few and hits > A_FEW
            found.append((noun, A_FEW if cut else hits, cut or (one is not None and one.is_full)))
        return [item for item in found if item[1]]


async def show(visit: Visit) -> Response:
    """Show the field to ask in, and what was found."""
    asked = visit.query(_Asked)
    wanted = _wanted(visit, asked)
    results = Results() if asked.is_empty else await visit.look_up(lambda: _look(visit, asked, wanted))
    names = visit.names.all()
    return visit.page(
        "search.html",
        title="Search",
        asked=asked,
        results=results,
        names=names,
        names_in_order=sorted(names.items(), key=lambda item: item[1].casefold()),
        kinds=[(kind, label, _address(asked, what=kind, status="", before=NEWEST)) for kind, label in _KINDS],
        statuses=_statuses_of(asked.what),
        few=A_FEW if results.are_few else A_PAGE * 1_000,
        longest=LONGEST,
        marked=lambda text: pieces(text, wanted.words),
        excerpted=lambda text: _excerpt(text, wanted.words),
        address=lambda **changes: _address(asked, **changes),
        further=lambda moment: (moment.astimezone(visit.zone) - FURTHER).date().isoformat(),
    )


def _look(visit: Visit, asked: _Asked, wanted: Wanted) -> Results:
    finder, what = Finder(visit.app.desk, now=visit.now), asked.what
    limit = A_PAGE if what else A_FEW + 1
    is_by_time = bool(asked.since or asked.until or asked.status)
    with_routines = what == "routines" or (not what and not is_by_time)
    return Results(
        routines=finder.routines(wanted) if with_routines else None,
        runs=finder.runs(wanted, limit=limit) if what in ("", "runs") else None,
        tasks=finder.tasks(wanted, limit=limit) if what in ("", "tasks") else None,
        notes=finder.notes(wanted, limit=limit) if what == "notes" or (not what and not asked.status) else None,
        are_few=not what,
    )


def _wanted(visit: Visit, asked: _Asked) -> Wanted:
    """Return what an address asks for. Raises UsageError for what can be no answer."""
    if asked.routine and asked.routine not in visit.names.all():
        raise UsageError(f"there is no routine '{asked.routine[:60]}'")
    number = _NUMBER.fullmatch(asked.q.strip())
    run_statuses, task_statuses = _of_kind(RunStatus, asked.status), _of_kind(TaskStatus, asked.status)
    possible = {"runs": run_statuses is not None, "tasks": task_statuses is not None}
    is_status = possible.get(asked.what, any(possible.values()))
    if asked.status and not is_status:
        raise UsageError(f"status: nothing that is looked for is '{asked.status[:40]}'")
    return Wanted(
        words=words_of(asked.q.strip().removeprefix("#") if number else asked.q),
        number=int(number[1]) if number else None,
        routine=asked.routine,
        run_statuses=run_statuses,
        task_statuses=task_statuses,
        since=_day(visit, "since", asked.since),
        until=_day(visit, "until", asked.until, days_on=1),
        before=max(1, min(asked.before, NEWEST)),
    )


def _of_kind(kind: type[_Status], status: str) -> tuple[_Status, ...] | None:
    """Return a status of a kind, () without one, and None for one that is not of that kind."""
    if not status:
        return ()
    return (kind(status),) if status in list(kind) else None


def _day(visit: Visit, name: str, text: str, *, days_on: int = 0) -> datetime | None:
    """Return when a day begins on the site's clock, or one so many days on."""
    if not text:
        return None
    try:
        return to_utc(local_day(text) + days_on * ONE_DAY, MIDNIGHT, visit.zone)
    except UsageError as exc:
        raise UsageError(f"{name}: {exc.message}") from exc
    except (ValueError, OverflowError) as exc:
        raise UsageError(f"{name}: {text} is no day that can be looked for") from exc


def _statuses_of(what: str) -> list[str]:
    kinds: dict[str, tuple[type[StrEnum], ...]] = {
        "runs": (RunStatus,),
        "tasks": (TaskStatus,),
        "": (RunStatus, TaskStatus),
    }
    return list(dict.fromkeys(str(status.value) for kind in kinds.get(what, ()) for status in kind))


def _excerpt(text: str, words: Sequence[str]) -> Sequence[Piece]:
    return pieces(excerpt(text, words), words)


def _address(asked: _Asked, **changes: object) -> str:
    """Return the address of another look."""
    fields = {**asked.model_dump(), **changes}
    told = {name: str(value) for name, value in fields.items() if value not in ("", None, NEWEST)}
    return f"/search?{urlencode(told)}" if told else "/search"
