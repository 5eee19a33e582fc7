"""The source `bounces`: a Maildir of delivery reports."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from opsrunner.errors import StepFailed
from opsrunner.mail.bounces import read_bounces
from opsrunner.model.site import Source
from opsrunner.secrets import Vault
from opsrunner.sources import bounces
from opsrunner.sources.bounce_columns import BOUNCE_COLUMNS
from opsrunner.sources.reading import read_source
from opsrunner.sources.request import Around

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
REPORT = """\
Date: Mon, 23 Nov 2026 03:00:00 +0100
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example.com

Final-Recipient: rfc822; {address}
Action: failed
Status: {status}
Diagnostic-Code: smtp; 550 no such user

--b--
"""


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    for folder in ("new", "cur", "tmp"):
        (tmp_path / "bounces" / folder).mkdir(parents=True)
    return tmp_path / "bounces"


def put(maildir: Path, name: str, text: str, *, days_ago: float = 0) -> None:
    path = maildir / name
    path.write_text(text)
    at = (NOW - timedelta(days=days_ago)).timestamp()
    os.utime(path, (at, at))


def rows(maildir: Path, around: Around | None = None, **options: Any) -> list[dict[str, Any]]:
    source = Source(name="bounces", kind="bounces", where={"path": maildir.name}, columns=BOUNCE_COLUMNS)
    vault = Vault(maildir.parent)
    found = read_source(source, options, vault=vault, site_root=maildir.parent, now=NOW, around=around)
    return [dict(row) for row in found]


def test_each_recipient_of_a_report_is_a_row(maildir: Path) -> None:
    put(maildir, "cur/1:2,S", REPORT.format(address="kari@example.com", status="5.1.1"), days_ago=2)
    put(maildir, "new/2", REPORT.format(address="ola@example.com", status="4.2.2"))
    put(maildir, "new/3", "Subject: I am on holiday\n\nBack on Monday.\n")
    put(maildir, "new/4", REPORT.format(address="old@example.com", status="5.1.1"), days_ago=31)
    first, second = rows(maildir)
    assert first == {
        "address": "kari@example.com",
        "action": "failed",
        "status": "5.1.1",
        "permanent": True,
        "diagnostic": "550 no such user",
        "reported_at": datetime(2026, 11, 23, 2, tzinfo=UTC),
        "message_id": None,
        "ours": False,
        "report": "1/1",
    }
    assert (second["address"], second["permanent"]) == ("ola@example.com", False)
    assert [row["address"] for row in rows(maildir, where={"permanent": True})] == ["kari@example.com"]


def test_a_report_is_ours_where_it_quotes_a_mail_that_went_to_that_very_address(maildir: Path) -> None:
    quoted = "--b\nContent-Type: text/rfc822-headers\n\nMessage-ID: <1f.a@example.com>\n\n--b--"
    for name, address in {"1": "kari@example.com", "2": "ola@example.com"}.items():
        report = REPORT.format(address=address, status="5.1.1")
        put(maildir, f"new/{name}", report.replace("--b--", quoted))
    put(maildir, "new/3", REPORT.format(address="kari@example.com", status="5.1.1"))
    sent = {"<1f.a@example.com>": "kari@example.com"}
    around = Around(recipient_of=lambda message_id: sent.get(message_id, ""))
    assert [(row["report"], row["ours"]) for row in rows(maildir, around)] == [
        ("1/1", True),
        ("2/1", False),
        ("3/1", False),
    ]


def test_reading_ends_when_told_to_stop_and_when_its_time_is_up(maildir: Path) -> None:
    put(maildir, "new/1", REPORT.format(address="kari@example.com", status="5.1.1"))
    told = threading.Event()
    told.set()
    with pytest.raises(StepFailed, match="stopped before its end") as stopped:
        rows(maildir, stopping=told)
    with pytest.raises(StepFailed, match="bounces: reading its mails took more than 1e-09 s") as late:
        rows(maildir, timeout_seconds=1e-9)
    assert (stopped.value.status, late.value.status) == ("interrupted", "timed_out")


def test_a_mail_that_trips_its_reader_up_hides_no_other(maildir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def tripped(data: bytes) -> Any:
        if b"trip" in data:
            raise ValueError
        return read_bounces(data)

    monkeypatch.setattr(bounces, "read_bounces", tripped)
    put(maildir, "new/1", REPORT.format(address="trip@example.com", status="5.1.1"))
    put(maildir, "new/2", REPORT.format(address="kari@example.com", status="5.1.1"))
    assert [row["address"] for row in rows(maildir)] == ["kari@example.com"]


def test_a_mail_that_goes_while_it_is_looked_at_hides_no_other(maildir: Path) -> None:
    put(maildir, "new/1", REPORT.format(address="kari@example.com", status="5.1.1"))
    (maildir / "new/2").symlink_to("nowhere")

    assert [row["address"] for row in rows(maildir)] == ["kari@example.com"]


def test_what_is_no_maildir_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "bounces").mkdir()
    with pytest.raises(StepFailed, match="bounces: is no Maildir: it has no folders new and cur"):
        rows(tmp_path / "bounces")


def test_an_empty_maildir_has_no_rows(maildir: Path) -> None:
    assert rows(maildir) == []
