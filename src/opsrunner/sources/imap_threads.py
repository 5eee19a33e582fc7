"""The source `imap`: the threads of a mailbox, and who has to write next; or the abuse reports in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from opsrunner.clock import SystemClock
from opsrunner.errors import StepFailed
from opsrunner.model.site import Source
from opsrunner.sources.abuse_inbox import read_reports
from opsrunner.sources.imap_mails import Wanted, read_mails
from opsrunner.sources.imap_session import ImapServer, Mailbox, Session
from opsrunner.sources.request import RawRow, RawTable, Request
from opsrunner.sources.shapes import REPORTS, THREADS, names_of
from opsrunner.sources.threads import Thread, thread_together

PORTS = {"tls": 993, "starttls": 143, "none": 143}
DEFAULT_LIMIT = 20_000
WAIT_SECONDS = 30.0


@contextmanager
def open_imap(source: Source, request: Request) -> Iterator[RawTable]:
    """Read the mailbox that `source` names. Raises StepFailed; nothing in the mailbox is changed."""
    where: Mapping[str, Any] = source.where
    session = Session(
        _server(where),
        lambda box: _rows(box, source, request),
        vault=request.vault,
        clock=SystemClock(),
    )
    try:
        rows = session.run(timeout_seconds=request.timeout_seconds, stopping=request.stopping)
    except StepFailed as exc:
        message = f"{source.name}: {exc.message}"
        raise StepFailed(message, permanent=exc.permanent, status=exc.status, facts=exc.facts) from exc
    columns = REPORTS if where.get("gives") == "reports" else THREADS
    yield RawTable(name=source.name, columns=names_of(columns), rows=iter(rows))


def _server(where: Mapping[str, Any]) -> ImapServer:
    security = str(where.get("security") or "tls")
    return ImapServer(
        host=str(where["host"]),
        port=int(where.get("port") or PORTS[security]),
        security=security,
        username=str(where["username"]),
        password=where.get("password"),
        token=where.get("token"),
        verify=where.get("verify") is not False,
        wait_seconds=float(where.get("timeout") or WAIT_SECONDS),
    )


def _rows(box: Mailbox, source: Source, request: Request) -> list[RawRow]:
    where: Mapping[str, Any] = source.where
    since = where.get("since")
    wanted = Wanted(
        folders=tuple(where.get("folder") or ("INBOX",)),
        since=request.now - timedelta(seconds=float(since)) if since else None,
        limit=int(where.get("limit") or DEFAULT_LIMIT),
        ours=tuple(where.get("ours") or (str(where["username"]).lower(),)),
        now=request.now,
    )
    mails, validities = read_mails(box, wanted)
    threads = thread_together(mails)
    if where.get("gives") == "reports":
        found = read_reports(box, threads, source, request, validities=validities)
    else:
        found = [_values(thread) for thread in threads]
    return [RawRow(place=f"{source.name} thread {number}", values=one) for number, one in enumerate(found, start=1)]


def _values(thread: Thread) -> dict[str, Any]:
    newest = thread.mails[-1]
    return {
        "thread": thread.key,
        "subject": thread.first.heads.subject,
        "from": thread.first.heads.address,
        "name": thread.first.heads.name,
        "first_at": thread.mails[0].at,
        "last_at": newest.at,
        "first_answer_at": min((mail.at for mail in thread.answers), default=None),
        "last_customer_at": max((mail.at for mail in thread.theirs), default=None),
        "last_staff_at": max((mail.at for mail in thread.answers), default=None),
        "waits_for": thread.waits_for,
        "waiting_since": thread.waiting_since,
        "messages": len(thread.mails),
        "flags": " ".join(newest.flags),
        "folder": newest.folder,
    }
