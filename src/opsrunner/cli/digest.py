"""`digest`: the report of a day, a week or a month."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from opsrunner.cli.options import json_option, site_options, verb
from opsrunner.cli.session import Session
from opsrunner.errors import NotFound, Refused, UsageError
from opsrunner.records import dataclass

if TYPE_CHECKING:
    from opsrunner.app import App
    from opsrunner.ledger.digests import SentDigest
    from opsrunner.model.digest import Digest, Series
    from opsrunner.open_site import OpenSite

EXAMPLE = """
opsrunner digest
opsrunner digest --series weekly --html week.html
opsrunner digest --date yesterday
opsrunner digest --send
"""
SERIES = ("daily", "weekly", "monthly")


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A digest to show: one that went out, or a preview that stamps nothing."""

    series: str
    from_: datetime
    until: datetime
    subject: str
    text: str
    html: str
    sent_at: datetime | None = None
    digest: Digest | None = None


@verb(EXAMPLE)
@click.option("--date", "day", metavar="D", help="The one that went out on that day; by default what it would say now.")
@click.option("--series", type=click.Choice(SERIES), default="daily", show_default=True)
@click.option("--send", is_flag=True, help="Write and send it now, out of turn.")
@click.option("--html", "html_file", type=click.Path(dir_okay=False, path_type=Path), help="Keep its HTML in a file.")
@json_option
@site_options
@click.pass_obj
def digest(session: Session, day: str | None, series: Series, send: bool, html_file: Path | None) -> int:
    """Show the digest as it stands now, or as it went out on a day.

    Looking stamps nothing: what is shown is told again in the digest that goes out.
    """
    if send and day is not None:
        raise UsageError("--send and --date do not go together: what went out stays as it is")
    if send:
        with session.at_work() as app:
            _print(session, _sent_now(app, series), html_file, waiting=app.books.outbox.waiting())
        return 0
    with session.opened() as site:
        _print(session, _found(site, series, day), html_file)
    return 0


def _print(session: Session, shown: Shown, html_file: Path | None, *, waiting: int | None = None) -> None:
    """Print a digest as it was asked for; `waiting` mails have not left yet, None where none was sent."""
    if html_file is not None:
        _write(html_file, shown.html)
    if session.as_json:
        session.print_json(_view(shown))
    elif html_file is None and waiting is None:
        session.screen.line(f"Subject: {shown.subject}")
        session.screen.line()
        session.screen.block(shown.text)
    else:
        _tell(session, shown, html_file, waiting=waiting)


def _found(app: OpenSite, series: Series, day: str | None) -> Shown:
    if day is None:
        return _preview(app, series, app.clock.now())
    return _sent_on(app, series, day)


def _sent_on(app: OpenSite, series: Series, day: str) -> Shown:
    """Return the digest whose period ended on a day. Raises NotFound where none went out."""
    from opsrunner.cli.moments import parse_day

    zone = ZoneInfo(app.site.timezone)
    today = app.clock.now().astimezone(zone).date()
    wanted = parse_day(day, today=today)
    if wanted > today:
        raise UsageError(f"{wanted} is still to come")
    sent = app.books.digests.covering(series, datetime.combine(wanted, datetime.min.time(), zone))
    if sent is None or sent.until_at.astimezone(zone).date() != wanted:
        raise NotFound(f"no {series} digest went out on {wanted}")
    return _went_out(sent)


def _preview(app: OpenSite, series: Series, until: datetime) -> Shown:
    made = app.digests.preview(series, until)
    return Shown(
        series=made.digest.series,
        from_=made.digest.from_,
        until=made.digest.until,
        subject=made.digest.subject,
        text=made.text,
        html=made.html,
        digest=made.digest,
    )


def _sent_now(app: App, series: Series) -> Shown:
    app.digests.send_now(series, app.clock.now())
    app.deliver()
    sent = app.books.digests.last(series)
    if sent is None:
        raise Refused("the digest was not written")
    return _went_out(sent)


def _went_out(sent: SentDigest) -> Shown:
    return Shown(
        series=sent.series,
        from_=sent.from_at,
        until=sent.until_at,
        subject=sent.subject,
        text=sent.text,
        html=sent.html,
        sent_at=sent.created_at,
    )


def _view(shown: Shown) -> dict[str, Any]:
    return {
        "series": shown.series,
        "from": shown.from_,
        "until": shown.until,
        "sent_at": shown.sent_at,
        "subject": shown.subject,
        "text": shown.text,
        "digest": shown.digest,
    }


def _write(path: Path, html: str) -> None:
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(number, "w", encoding="utf-8", errors="replace") as file:
            file.write(html)
    except OSError as exc:
        raise UsageError(f"{path}: {exc.strerror}") from exc


def _tell(session: Session, shown: Shown, html_file: Path | None, *, waiting: int | None) -> None:
    from opsrunner.engine.moment_words import count_words

    session.screen.line(shown.subject)
    if waiting:
        left = count_words(waiting, "mail waits", "mails wait")
        session.screen.line(f"Written; {left} to leave, see: opsrunner doctor", tone="look", sign=True)
    elif waiting == 0:
        session.screen.line("Written and handed over.", tone="fine", sign=True)
    if html_file is not None:
        session.screen.line(f"Its HTML is in {html_file}.", tone="fine", sign=True)
