"""Health: how opsrunner itself stands: what the doctor found, files, mails that wait, times without planning."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from starlette.responses import Response

from opsrunner.engine.checkup import verdict
from opsrunner.engine.doctor_ways_out import GIVEN_UP_SHOWN
from opsrunner.engine.masking import mask_addresses
from opsrunner.engine.meanwhile import KEPT, holds_meanwhile
from opsrunner.engine.unplanned import Unplanned, unplanned
from opsrunner.ledger.mail_queue import MailLine, MailStanding
from opsrunner.model.site import Problem
from opsrunner.records import dataclass
from opsrunner.version import VERSION
from opsrunner.web.visit import Nothing, Visit

MOST_MAILS = 20
MOST_SPANS = 20
SPANS_OF = timedelta(days=30)


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """What is wrong with a file, or looks so, and what holds meanwhile."""

    problem: Problem
    routine: str | None
    """The routine with a page whose file it is."""
    advice: str
    is_warning: bool


@dataclass(frozen=True, kw_only=True)
class Mail:
    """A mail that has not left; of its address no more than tells who it is."""

    line: MailLine
    to: str
    error: str


@dataclass(frozen=True, kw_only=True)
class Traces:
    """What the ledger tells of opsrunner itself."""

    planned_at: datetime | None
    standing: MailStanding
    mails: Sequence[Mail]
    spans: Sequence[Unplanned]


async def show(visit: Visit) -> Response:
    """Show how opsrunner stands."""
    visit.query(Nothing)
    checkup = await visit.checkups.newest(visit.now)
    traces = await visit.look_up(lambda: _traces(visit))
    mistakes = _mistakes(visit)
    return visit.page(
        "health.html",
        title="Health",
        verdict=verdict(checkup, mistakes),
        checkup=checkup,
        mistakes=mistakes,
        traces=traces,
        spans=list(reversed(traces.spans))[:MOST_SPANS],
        spans_of_days=SPANS_OF.days,
        given_up_days=GIVEN_UP_SHOWN.days,
        version=VERSION,
        safe=lambda text: mask_addresses(visit.app.vault.mask(text)),
    )


def _traces(visit: Visit) -> Traces:
    books = visit.app.books
    return Traces(
        planned_at=books.service.planned_at(),
        standing=books.mail_queue.standing(now=visit.now, since=visit.now - GIVEN_UP_SHOWN),
        mails=[_mail(visit, line) for line in books.mail_queue.waiting(limit=MOST_MAILS)],
        spans=unplanned(books, since=visit.now - SPANS_OF, until=visit.now),
    )


def _mail(visit: Visit, line: MailLine) -> Mail:
    known = {person.email.casefold(): person.name for person in visit.app.site.people.values()}
    error = mask_addresses(visit.app.vault.mask(line.error))
    return Mail(line=line, to=known.get(line.to.casefold()) or mask_addresses(line.to), error=error)


def _mistakes(visit: Visit) -> list[Mistake]:
    site, loaded = visit.app.site, visit.app.loaded
    by_file = {routine.file: routine.id for routine in site.routines.values()}
    wrong = [
        Mistake(
            problem=problem,
            routine=by_file.get(problem.file),
            advice=holds_meanwhile(site, problem.file) or KEPT,
            is_warning=False,
        )
        for problem in loaded.problems
    ]
    odd = [
        Mistake(
            problem=problem,
            routine=by_file.get(problem.file),
            advice="see whether it is meant so",
            is_warning=True,
        )
        for problem in loaded.warnings
    ]
    return [*wrong, *odd]
