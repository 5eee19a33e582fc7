"""`next`: when a routine, or a cron expression, is due."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from opsrunner.cli.options import json_option, site_options, verb
from opsrunner.cli.session import Session
from opsrunner.errors import UsageError
from opsrunner.schedules.zones import FIRST_YEAR, LAST_YEAR

if TYPE_CHECKING:
    from opsrunner.engine.in_force import SiteInForce
    from opsrunner.ledger.books import Books
    from opsrunner.ledger.holds import Hold
    from opsrunner.model.rows import LookStanding
    from opsrunner.model.schedule import Occurrence, Schedule
    from opsrunner.schedules.almanac import Almanac

EXAMPLE = """
opsrunner next nightly-backups --count 10
opsrunner next --cron "30 2 * * 1-5" --tz Europe/Oslo --after 2026-12-24 --json
"""


@verb(EXAMPLE, name="next")
@click.argument("routine", required=False)
@click.option("--cron", metavar="EXPR", help="Ask about a cron expression instead; needs no site.")
@click.option("--tz", "zone_name", metavar="ZONE", help="Zone of --cron, by default UTC: Europe/Oslo.")
@click.option("--after", metavar="ISO", help="Only moments later than this one; by default now.")
@click.option("--count", type=click.IntRange(1, 1000), default=5, show_default=True, help="How many moments.")
@json_option
@site_options
@click.pass_obj
def next_times(
    session: Session, *, routine: str | None, cron: str | None, zone_name: str | None, after: str | None, count: int
) -> int:
    """Show when ROUTINE, or a cron expression, is due next.

    Shifts by holidays are shown with their reason, and so is whatever leaves a moment out: a pause, a
    skip, a freeze, a holiday, a move onto another one. With --json, --cron prints a list of ISO moments.
    """
    if (routine is None) == (cron is None):
        raise UsageError("name a routine, or give --cron 'EXPR'; see: opsrunner next --help")
    if cron is not None:
        return _next_of_cron(session, cron, zone_name=zone_name or "UTC", after=after, count=count)
    if zone_name is not None:
        raise UsageError("--tz goes with --cron; a routine has its own zone")
    return _next_of_routine(session, routine or "", after=after, count=count)


def _next_of_cron(session: Session, expression: str, *, zone_name: str, after: str | None, count: int) -> int:
    from opsrunner.schedules.cron import cron_times, parse_cron
    from opsrunner.schedules.cron_words import cron_in_words
    from opsrunner.schedules.zones import load_zone

    zone = load_zone(zone_name)
    parse_cron(expression)
    start = _after(after, now=datetime.now(UTC), zone=zone)
    moments = [moment.astimezone(zone) for moment in islice(cron_times(expression, after=start, zone=zone_name), count)]
    if session.as_json:
        import json

        print(json.dumps([moment.isoformat() for moment in moments]))
        return 0
    session.screen.heading(f"{expression}  {cron_in_words(expression)}", zone_name)
    _show(session, [(moment, "") for moment in moments])
    return 0


def _next_of_routine(session: Session, routine_id: str, *, after: str | None, count: int) -> int:
    from opsrunner.cli.lookup import routine_named
    from opsrunner.engine.held import world_of
    from opsrunner.engine.next_times import next_times
    from opsrunner.engine.row_words import look_words, occasions_in_words

    force = session.read()
    routine = routine_named(force, routine_id)
    now = datetime.now(UTC)
    zone = _zone_of(routine.schedule.rules, force.site.timezone)
    start = _after(after, now=now, zone=ZoneInfo(zone))
    holds = _holds(session, routine_id, since=min(start, now))
    almanac = _almanac(session, force, routine.schedule)
    found = next_times(routine, holds=holds, world=world_of(force.site, almanac), after=start, count=count)
    if session.as_json:
        _print_occurrences(session, found, zone=zone)
        return 0
    session.screen.heading(routine.name, occasions_in_words(routine))
    _show(session, [(at.planned_at.astimezone(ZoneInfo(zone)), _note(at, held)) for at, held in found])
    if routine.on_rows is not None:
        site_zone = ZoneInfo(force.site.timezone)
        session.screen.line(look_words(_standing(session, routine_id), now=now, zone=site_zone))
    elif not found:
        session.screen.line("It is never due by itself." if not routine.schedule.rules else "It is not due again.")
    return 0


def _holds(session: Session, routine_id: str, *, since: datetime) -> list[Hold]:
    """Return the pauses and skips of a routine; none where there is no ledger yet."""
    with _books(session) as books:
        return [] if books is None else [hold for hold in books.holds.since(since) if hold.routine == routine_id]


def _standing(session: Session, routine_id: str) -> LookStanding | None:
    with _books(session) as books:
        return None if books is None else books.known_rows.standing(routine_id)


@contextmanager
def _books(session: Session) -> Iterator[Books | None]:
    """Open the ledger, where there is one yet."""
    from opsrunner.engine.state import LEDGER

    ledger = session.state_folder / LEDGER
    if not ledger.exists():
        yield None
        return
    from opsrunner.ledger.books import Books

    books = Books.open(ledger)
    try:
        yield books
    finally:
        books.ledger.close()


def _almanac(session: Session, force: SiteInForce, schedule: Schedule) -> Almanac:
    """Return the site's calendars; where the schedule goes by windows, with what was changed of these."""
    from opsrunner.engine.in_force import FIRST_MOMENT, almanac_of
    from opsrunner.schedules.window_rules import windows_of

    if not windows_of(schedule):
        return force.almanac
    with _books(session) as books:
        return force.almanac if books is None else almanac_of(force.site, books.downtimes.changes(since=FIRST_MOMENT))


def _after(text: str | None, *, now: datetime, zone: ZoneInfo) -> datetime:
    if text is None:
        return now
    try:
        moment = datetime.fromisoformat(text.strip())
        found = moment.replace(tzinfo=moment.tzinfo or zone).astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise UsageError(f"--after '{text}' is not a moment; write it like 2026-12-24T08:00") from exc
    if not FIRST_YEAR <= found.year < LAST_YEAR:
        raise UsageError(f"--after: the year {found.year} is out of reach")
    return found


def _zone_of(rules: Sequence[object], default: str) -> str:
    """Return the zone of the first rule; offsets and rules without one follow the site."""
    for rule in rules:
        frame = getattr(rule, "frame", None)
        if frame is not None:
            return str(frame.timezone)
    return default


def _print_occurrences(session: Session, found: Sequence[tuple[Occurrence, str]], *, zone: str) -> None:
    """Print occurrences as a JSON list of objects."""
    session.print_json(
        [
            {
                "at": occurrence.planned_at.astimezone(ZoneInfo(zone)).isoformat(),
                "nominal_at": occurrence.nominal_at.astimezone(ZoneInfo(zone)).isoformat(),
                "zone": zone,
                "weekday": f"{occurrence.planned_at.astimezone(ZoneInfo(zone)):%A}".lower(),
                "shift": occurrence.shift,
                "left_out": held,
            }
            for occurrence, held in found
        ]
    )


def _note(occurrence: Occurrence, held: str) -> str:
    reasons = {
        "asked": "left out, as asked",
        "paused": "left out: paused",
        "frozen": "left out: frozen",
        "holiday": "left out: holiday",
        "coalesced": "left out: a later one stands for it",
        "outside": "left out: outside of its maintenance window",
        "cancelled": "left out: its maintenance window was cancelled",
    }
    return "; ".join(part for part in (occurrence.shift, reasons.get(held, held)) if part)


def _show(session: Session, moments: Sequence[tuple[datetime, str]]) -> None:
    from opsrunner.cli.screen import Cell, Column
    from opsrunner.schedules.day_names import weekday_word

    if not moments:
        return
    session.screen.table(
        [Column(), Column(), Column(), Column(), Column(grows=True)],
        [
            (
                weekday_word(moment),
                f"{moment:%Y-%m-%d}",
                f"{moment:%H:%M:%S}".removesuffix(":00"),
                Cell(text=moment.tzname() or "", dim=True),
                Cell(text=note, tone="look" if "left out" in note else None),
            )
            for moment, note in moments
        ],
        indent=2,
    )
