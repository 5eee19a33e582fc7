"""The abuse reports of a mailbox, a row a thread: which host and which customer they are about, and whether answered.

A mail is fetched whole once: what it is about is kept in the state folder by its place in the mailbox.
"""

from __future__ import annotations

import json
import logging
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from opsrunner.model.outcome import Row
from opsrunner.model.site import Source
from opsrunner.records import dataclass
from opsrunner.sources.abuse_reports import OTHER, Report, read_report
from opsrunner.sources.imap_mails import read_bodies
from opsrunner.sources.imap_session import Mailbox
from opsrunner.sources.request import Request
from opsrunner.sources.threads import Mail, Thread

UNKNOWN_HOST = "unknown"
_FILE = "reports.json"
_FORM = 1
_NOTHING = Report(addresses=(), domains=(), kind=OTHER)
LOGGER = logging.getLogger("opsrunner")


def read_reports(
    box: Mailbox, threads: Sequence[Thread], source: Source, request: Request, *, validities: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return a row for each thread that others wrote in, by the first mail of theirs."""
    reported = [thread for thread in threads if not all(mail.is_ours for mail in thread.mails)]
    reports = _reports_of(box, [thread.first for thread in reported], request, validities=validities)
    owners = Owners.of(source, request)
    return [_values(thread, reports[_place(thread.first, validities)], owners) for thread in reported]


@dataclass(frozen=True, kw_only=True)
class Owners:
    """Whose an address or a domain is."""

    by_domain: Mapping[str, tuple[str, str | None]]
    """Host and customer of each domain."""
    by_address: Mapping[str, tuple[str, str | None]]

    @classmethod
    def of(cls, source: Source, request: Request) -> Owners:
        """Return what the site's hosts say, and the rows of the source named by `match`."""
        by_domain: dict[str, tuple[str, str | None]] = {}
        by_address: dict[str, tuple[str, str | None]] = {
            address: (host, None) for address, host in request.around.hosts.items()
        }
        for row in request.around.other(str(source.where["match"])) if source.where.get("match") else ():
            owner = (_text(row, "host") or UNKNOWN_HOST, _text(row, "customer") or None)
            if domain := _text(row, "domain").lower():
                by_domain.setdefault(domain, owner)
            if address := _text(row, "ip"):
                by_address[address] = owner
        return cls(by_domain=by_domain, by_address=by_address)

    def match(self, report: Report) -> tuple[str, str | None, str | None, str | None]:
        """Return host, customer, address and domain of what is ours in a report; else what it names first."""
        address = next((one for one in report.addresses if one in self.by_address), None)
        of_address = self.by_address.get(address or "", (None, None))
        for domain in report.domains:
            labels = domain.split(".")
            for parent in (".".join(labels[start:]) for start in range(len(labels) - 1)):
                if parent in self.by_domain:
                    host, customer = self.by_domain[parent]
                    return host, customer, address, parent
        first = report.addresses[0] if report.addresses else None
        return of_address[0] or UNKNOWN_HOST, of_address[1], address or first, None


def _values(thread: Thread, report: Report, owners: Owners) -> dict[str, Any]:
    host, customer, address, domain = owners.match(report)
    is_open = thread.waiting_since is not None
    return {
        "report": thread.key,
        "host": host,
        "customer": customer,
        "ip": address,
        "kind": report.kind,
        "received_at": thread.first.at,
        "closed_at": None if is_open else thread.answered_at or thread.mails[-1].at,
        "domain": domain,
        "subject": thread.first.heads.subject,
        "from": thread.first.heads.address,
        "messages": len(thread.mails),
    }


def _reports_of(
    box: Mailbox, mails: Sequence[Mail], request: Request, *, validities: Mapping[str, str]
) -> dict[str, Report]:
    """Return what each mail is about, by its place; those that were read before are not fetched again."""
    known = _recall(request.around.memory)
    missing: dict[str, list[Mail]] = defaultdict(list)
    for mail in mails:
        if _place(mail, validities) not in known:
            missing[mail.folder].append(mail)
    for folder, unread in missing.items():
        box.examine(folder)
        by_uid = {mail.uid: mail for mail in unread}
        for uid, data in read_bodies(box, list(by_uid)):
            if uid in by_uid:
                known[_place(by_uid[uid], validities)] = _read(data, folder=folder, uid=uid)
    found = {place: known.get(place, _NOTHING) for place in (_place(mail, validities) for mail in mails)}
    if missing:
        _keep(request.around.memory, {place: report for place, report in found.items() if place in known})
    return found


def _read(data: bytes, *, folder: str, uid: int) -> Report:
    """Return what a mail is about; never raises: anybody writes one, and each would hide all others."""
    try:
        return read_report(data)
    except Exception:
        LOGGER.exception("%s: mail %s cannot be read as a report", folder, uid, extra={"action": "read_source"})
        return _NOTHING


def _place(mail: Mail, validities: Mapping[str, str]) -> str:
    return f"{mail.folder}/{validities.get(mail.folder, '')}/{mail.uid}"


def _recall(folder: Path | None) -> dict[str, Report]:
    if folder is None:
        return {}
    try:
        known = json.loads((folder / _FILE).read_bytes())
        if known["form"] != _FORM:
            return {}
        return {
            place: Report(addresses=tuple(one["addresses"]), domains=tuple(one["domains"]), kind=str(one["kind"]))
            for place, one in known["reports"].items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def _keep(folder: Path | None, reports: Mapping[str, Report]) -> None:
    """Remember the reports that the mailbox still has; losing them costs a fetch."""
    if folder is None:
        return
    known = {"form": _FORM, "reports": {place: asdict(report) for place, report in reports.items()}}
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = folder / f"{_FILE}.{os.getpid()}.new"
        fresh.write_text(json.dumps(known), encoding="utf-8")
        fresh.chmod(0o600)
        fresh.replace(folder / _FILE)


def _text(row: Row, column: str) -> str:
    value = row.get(column)
    return "" if value is None else str(value)
