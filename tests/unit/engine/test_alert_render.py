"""The mails that go at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from opsrunner.engine.alert_render import TAIL_LINES, alert_mail
from opsrunner.model.alert import Alert, AlertKind

FAILURE = Alert(
    kind="follow_up",
    site="Example Hosting",
    word="Failed",
    title="Nightly backups: the billing dump",
    facts="It ended with exit code 2 after 2 tries. Later steps did not run: copy, drill.",
    why_you="You are on call until Mon 09:00.",
    since="Third time since Fri 02:31; the last good one was Thu 02:30.",
    last_lines="first\nError 2013: Lost connection to MySQL server\n",
    run=214,
    step="dump",
    task=31,
    url="https://ops.example.com/tasks/31",
)


@pytest.mark.parametrize(
    ("kind", "subject"),
    [
        ("follow_up", "Failed: Nightly backups: the billing dump"),
        ("urgent", "Urgent, failed: Nightly backups: the billing dump"),
        ("reminder", "Failed: Nightly backups: the billing dump"),
        ("escalation", "Failed, escalated to you: Nightly backups: the billing dump"),
    ],
)
def test_it_says_all_in_both_parts(kind: AlertKind, subject: str, packaged: tuple[Path, ...]) -> None:
    mail = alert_mail(replace(FAILURE, kind=kind), to="ops1@example.com", folders=packaged, unique="u")
    assert mail.subject == subject
    for part in (mail.text, mail.html):
        said = (FAILURE.title, "exit code 2", "You are on call", "Third time", "Lost connection", "opsrunner tick 31")
        assert [words for words in said if words not in " ".join(part.split())] == []
        assert FAILURE.url in part
    assert (mail.to, mail.unique) == ("ops1@example.com", "u")


def test_it_says_where_to_look_when_something_failed(packaged: tuple[Path, ...]) -> None:
    mail = alert_mail(FAILURE, to="ops1@example.com", folders=packaged, unique="u")
    for part in (mail.text, mail.html):
        assert "opsrunner show 214" in part
        assert "opsrunner logs 214 dump" in part
    assert mail.about == "follow-up 31"


def test_it_says_how_a_task_is_done_and_no_more_than_it_knows(packaged: tuple[Path, ...]) -> None:
    reminder = Alert(
        kind="reminder",
        site="Example Hosting",
        tone="look",
        word="Due in 1 h",
        title="Read the restore report",
        facts="",
        why_you="You hold the role sysadmin.",
        how="1. Open the report.\n2. Open three files.",
        task=33,
    )
    mail = alert_mail(reminder, to="ops1@example.com", folders=packaged, unique="u")
    assert mail.subject == "Due in 1 h: Read the restore report"
    for part in (mail.text, mail.html):
        assert "1. Open the report.\n2. Open three files." in part
        assert "last lines" not in part.lower()
        assert "opsrunner show" not in part
    assert "\n\n\n\n" not in mail.text


def test_it_escapes_output_and_keeps_only_its_end(packaged: tuple[Path, ...]) -> None:
    output = (
        "".join(f"line {number}\n" for number in range(10_000))
        + "\x1b[31m<script>alert('x')</script>\x1b[0m {{ 7 * 7 }}\udcff\n"
    )
    mail = alert_mail(replace(FAILURE, last_lines=output), to="ops1@example.com", folders=packaged, unique="u")
    assert "<script" not in mail.html
    assert "&lt;script&gt;alert('x')&lt;/script&gt; {{ 7 * 7 }}\ufffd" in mail.html
    assert "| <script>alert('x')</script> {{ 7 * 7 }}\ufffd" in mail.text
    assert mail.text.count("| line ") == TAIL_LINES - 1
    assert "\x1b" not in mail.html + mail.text


def test_it_stays_short_with_a_line_of_a_megabyte(packaged: tuple[Path, ...]) -> None:
    line = "x" * 1_000_000
    long = replace(FAILURE, title=line, facts=line, why_you=line, since=line, last_lines=line, how=line)
    mail = alert_mail(long, to="ops1@example.com", folders=packaged, unique="u")
    assert len(mail.html) + len(mail.text) < 40_000


def test_it_puts_no_line_break_of_a_title_into_the_subject(packaged: tuple[Path, ...]) -> None:
    mail = alert_mail(
        replace(FAILURE, title="a\r\nBcc: evil@example.net"), to="ops1@example.com", folders=packaged, unique="u"
    )
    assert mail.subject == "Failed: a Bcc: evil@example.net"
