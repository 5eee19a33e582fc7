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

from ...bounced import report_of

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


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
    put(maildir, "cur/1:2,S", report_of("kari@example.com"), days_ago=2)
    put(maildir, "new/2", report_of("ola@example.com", status="4.2.2"))
    put(maildir, "new/3", "Subject: I am on holiday\n\nBack on Monday.\n")
    put(maildir, "new/4", report_of("old@example.com"), days_ago=31)
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
        "forwarded_to": None,
        "report": "1/1",
    }
    assert (second["address"], second["permanent"]) == ("ola@example.com", False)
    assert [row["address"] for row in rows(maildir, where={"permanent": True})] == ["kari@example.com"]


def test_a_report_is_ours_where_it_quotes_a_mail_that_went_to_that_very_address(maildir: Path) -> None:
    for name, address in {"1": "kari@example.com", "2": "ola@example.com"}.items():
        put(maildir, f"new/{name}", report_of(address, message_id="1f.a@example.com"))
    put(maildir, "new/3", report_of("kari@example.com"))
    sent = {"<1f.a@example.com>": "kari@example.com"}
    around = Around(recipient_of=lambda message_id: sent.get(message_id, ""))
    assert [(row["report"], row["ours"]) for row in rows(maildir, around)] == [
        ("1/1", True),
        ("2/1", False),
        ("3/1", False),
    ]


def test_a_mail_of_ours_that_was_forwarded_is_about_the_address_that_we_wrote_to(maildir: Path) -> None:
    for name, (address, original) in {
        "1": ("kari@elsewhere.example", "Kari@example.com"),
        "2": ("kari@elsewhere.example", "ola@example.com"),
        "3": ("kari@example.com", "ola@example.com"),
        "4": ("kari@elsewhere.example", ""),
        "5": ("KARI@example.com", "kari@example.com"),
        "6": ("<kari>", "kari@example.com"),
    }.items():
        put(maildir, f"new/{name}", report_of(address, original=original, message_id="1f.a@example.com"))
    around = Around(recipient_of=lambda _: "kari@example.com")
    told = ("report", "address", "ours", "forwarded_to")
    assert [tuple(row[name] for name in told) for row in rows(maildir, around)] == [
        ("1/1", "kari@example.com", True, "kari@elsewhere.example"),
        ("2/1", "kari@elsewhere.example", False, None),
        ("3/1", "kari@example.com", True, None),
        ("4/1", "kari@elsewhere.example", False, None),
        ("5/1", "kari@example.com", True, None),
        ("6/1", "kari@example.com", True, "<kari>"),
    ]
    silences = {"ours": True, "forwarded_to": None}
    assert [row["report"] for row in rows(maildir, around, where=silences)] == ["3/1", "5/1"]


def test_reading_ends_when_told_to_stop_and_when_its_time_is_up(maildir: Path) -> None:
    put(maildir, "new/1", report_of("kari@example.com"))
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
    put(maildir, "new/1", report_of("trip@example.com"))
    put(maildir, "new/2", report_of("kari@example.com"))
    assert [row["address"] for row in rows(maildir)] == ["kari@example.com"]


def test_a_mail_that_goes_while_it_is_looked_at_hides_no_other(maildir: Path) -> None:
    put(maildir, "new/1", report_of("kari@example.com"))
    (maildir / "new/2").symlink_to("nowhere")

    assert [row["address"] for row in rows(maildir)] == ["kari@example.com"]


def test_what_is_no_maildir_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "bounces").mkdir()
    with pytest.raises(StepFailed, match="bounces: is no Maildir: it has no folders new and cur"):
        rows(tmp_path / "bounces")


def test_an_empty_maildir_has_no_rows(maildir: Path) -> None:
    assert rows(maildir) == []
