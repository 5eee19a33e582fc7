"""Windows and incidents as the terminal and machines see them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from opsrunner.cli.screen import CellLike
    from opsrunner.cli.session import Session
    from opsrunner.engine.downtimes import Stand
    from opsrunner.model.downtime import Downtime, Post
    from opsrunner.open_site import OpenSite


def stand_view(one: Stand, *, told: int | None = None) -> dict[str, Any]:
    """Return one time of a window, or an incident, for machines."""
    row = one.row
    return {
        "id": row.id if row else None,
        "window": one.plan.window or None,
        "title": one.plan.title,
        "hosts": one.plan.hosts,
        "status": one.status,
        "begins_at": one.plan.begins_at,
        "ends_at": one.plan.ends_at,
        "nominal_at": one.plan.nominal_at,
        "moved_at": row.moved_at if row else None,
        "started_at": row.started_at if row else None,
        "ended_at": row.ended_at if row else None,
        "cancelled_at": row.cancelled_at if row else None,
        "approved_by": row.approved_by if row else "",
        "announced_at": row.announced_at if row else None,
        "affected": len(row.people) if row else None,
        "told": told,
    }


def told_of(app: OpenSite, row: Downtime | None) -> int:
    """Return how many addresses have heard of a downtime."""
    if row is None:
        return 0
    told = app.books.notices.told(row.notice, [str(row.id)]).get(str(row.id), [])
    return len({one.recipient for one in told if one.status.reached})


def print_stands(session: Session, app: OpenSite, found: Sequence[Stand], *, now: datetime) -> None:
    """Print what comes and what is on, a line each."""
    from opsrunner.cli.screen import Cell, Column
    from opsrunner.cli.statuses import status_cell
    from opsrunner.engine.downtime_words import span_short

    zone = ZoneInfo(app.site.timezone)
    rows: list[Sequence[CellLike]] = []
    for one in found:
        when = span_short(one.begins_at, one.ends_at, now=now, zone=zone)
        hosts = ", ".join(one.plan.hosts[:4]) + (" …" if len(one.plan.hosts) > 4 else "")
        rows.append(
            (
                when,
                Cell(text=one.name),
                one.plan.title,
                status_cell(one.status.value),
                Cell(text=f"{hosts} · {_told_words(app, one)}", dim=True),
            )
        )
    session.screen.table([Column(), Column(), Column(grows=True), Column(), Column(grows=True)], rows)


def print_stand(session: Session, app: OpenSite, one: Stand, posts: Sequence[Post], *, now: datetime) -> None:
    """Print one of them with who is affected and what was said."""
    from opsrunner.engine.downtime_words import people_words, span_said
    from opsrunner.engine.moment_words import when_words

    zone, row, screen = ZoneInfo(app.site.timezone), one.row, session.screen
    screen.heading(f"{one.plan.title} ({one.name})", one.status.value)
    screen.line(span_said(one.begins_at, one.ends_at, zone=zone))
    screen.line(f"Hosts: {', '.join(one.plan.hosts)}")
    if row is not None:
        services = sum(len(person["services"]) for person in row.people)
        screen.line(f"Affected: {people_words(len(row.people), services)}; {_told_words(app, one)}.")
        if row.approved_by:
            screen.line(f"Approved by {row.approved_by}; left out: {', '.join(row.struck) or 'nobody'}.")
    for post in posts:
        screen.line(f"{when_words(post.at, now=now, zone=zone)}, {post.by}: {post.text}")


def _told_words(app: OpenSite, one: Stand) -> str:
    row, window = one.row, one.window
    if window is not None and not window.told_in_advance:
        return "no customer is told"
    if row is None:
        return "not laid before anybody yet"
    told = told_of(app, row)
    if told:
        return f"{told} of {len(row.people)} told"
    if row.is_over:
        return "nobody was told"
    if row.is_incident:
        return "nobody told yet"
    return "approved, nobody told yet" if row.approved_at else "not approved: nobody is told"
