"""The source `bounces`: a Maildir into which mail servers report what they could not deliver (RFC 3464)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path

from opsrunner.clock import SystemClock
from opsrunner.errors import StepFailed
from opsrunner.mail.bounces import MOST_BYTES, Bounce, read_bounces
from opsrunner.mail.headers import clean_line
from opsrunner.model.site import Source
from opsrunner.sources.bounce_columns import BOUNCE_COLUMNS
from opsrunner.sources.request import Around, RawRow, RawTable, Request

LOOKS_BACK = timedelta(days=30)
"""Older reports tell of addresses that somebody has looked after, or will hear of again."""
MOST_MAILS = 20_000
LOGGER = logging.getLogger("opsrunner")


@contextmanager
def open_bounces(source: Source, request: Request) -> Iterator[RawTable]:
    """Read the reports of the last 30 days, the oldest first: a row for each recipient that one tells of.

    Mails that are no reports are passed over. Anybody can write a report about anybody: `ours` tells of each whether
    it quotes the Message-ID, which nobody can guess, of a mail that we sent to the address that it names, or from
    which it says that the mail was forwarded; `address` is then the one that we wrote to, and `forwarded_to` the one
    that it did not reach: others to whom that address forwards may have it.
    """
    name = str(source.where["path"])
    folder = request.site_root / name
    if not (folder / "new").is_dir() or not (folder / "cur").is_dir():
        raise StepFailed(f"{name}: is no Maildir: it has no folders new and cur")
    paths = _recent(folder, name, since=request.now - LOOKS_BACK)
    columns = tuple(column.name for column in BOUNCE_COLUMNS)
    yield RawTable(name=name, columns=columns, rows=_rows(paths, name, request))


def _recent(folder: Path, name: str, *, since: datetime) -> list[Path]:
    found: list[tuple[float, Path]] = []
    try:
        for path in chain((folder / "new").iterdir(), (folder / "cur").iterdir()):
            with suppress(FileNotFoundError):  # a mail program moves mails about, and a link may lead nowhere
                found.append((path.stat().st_mtime, path))
    except OSError as exc:
        raise StepFailed(f"{name}: {(exc.strerror or 'cannot be read').lower()}") from exc
    recent = sorted(pair for pair in found if pair[0] >= since.timestamp())
    if len(recent) > MOST_MAILS:
        raise StepFailed(f"{name}: has more than {MOST_MAILS:,} mails of the last 30 days; clear it out")
    return [path for _, path in recent if path.is_file()]


def _rows(paths: list[Path], name: str, request: Request) -> Iterator[RawRow]:
    clock, around = SystemClock(), request.around
    ends_at = clock.monotonic() + request.timeout_seconds
    for path in paths:
        if request.stopping is not None and request.stopping.is_set():
            raise StepFailed("stopped before its end", status="interrupted", permanent=True)
        if clock.monotonic() >= ends_at:
            said = f"{name}: reading its mails took more than {request.timeout_seconds:g} s"
            raise StepFailed(f"{said}; clear out what is looked after", status="timed_out")
        file = clean_line(
            path.name.partition(":")[0]
        )  # behind it stands what a mail program notes, such as that it was read
        for number, bounce in enumerate(_read(path, name), start=1):
            values = {**_values(bounce, _recipient(bounce, around)), "report": f"{file}/{number}"}
            yield RawRow(place=f"{name}/{path.name}", values=values)


def _read(path: Path, name: str) -> tuple[Bounce, ...]:
    try:
        with path.open("rb") as file:
            return read_bounces(file.read(MOST_BYTES))
    except FileNotFoundError:
        return ()  # a mail program has just moved or removed it
    except OSError as exc:
        raise StepFailed(f"{name}/{path.name}: {(exc.strerror or 'cannot be read').lower()}") from exc
    except Exception:  # anybody writes one, and for 30 days it would hide all others
        LOGGER.exception("%s/%s: cannot be read as a report", name, path.name, extra={"action": "read_source"})
        return ()


def _recipient(bounce: Bounce, around: Around) -> str:
    """Return which of the addresses in a report we sent the mail to that it is about; '' for none."""
    recipient = around.recipient_of(bounce.message_id) if bounce.message_id else ""
    return recipient if recipient in (bounce.address, bounce.original) else ""


def _values(bounce: Bounce, recipient: str) -> dict[str, str | bool | None]:
    return {
        "address": recipient or bounce.address,
        "action": bounce.action,
        "status": bounce.status,
        "permanent": bounce.is_permanent,
        "diagnostic": bounce.diagnostic,
        "reported_at": bounce.reported_at.isoformat() if bounce.reported_at else None,
        "message_id": bounce.message_id,
        "ours": recipient != "",
        "forwarded_to": bounce.final if recipient and bounce.final != recipient else None,
    }
