"""Turns an alert into the mail that goes at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from opsrunner.engine.digest_view import SIGNS, is_link
from opsrunner.engine.reports import render_mail_report, render_report
from opsrunner.mail.headers import clean_line
from opsrunner.mail.message import clean_text
from opsrunner.mail.styles import inline_styles
from opsrunner.model.alert import Alert
from opsrunner.model.digest import Tone
from opsrunner.model.mail import NewMail
from opsrunner.records import dataclass

TAIL_LINES = 20
TAIL_LENGTH = 4_000
LINE_LENGTH = 300
HOW_LENGTH = 2_000


@dataclass(frozen=True, kw_only=True)
class Command:
    """Something to type, and when."""

    line: str
    why: str


@dataclass(frozen=True, kw_only=True)
class AlertView:
    """An alert as its templates see it: cleaned and cut, with what to do next."""

    site: str
    tone: Tone
    sign: str
    word: str
    title: str
    facts: str
    why_you: str
    since: str
    tail: tuple[str, ...]
    how: tuple[str, ...]
    commands: tuple[Command, ...]
    url: str


def alert_mail(
    alert: Alert, *, to: str, folders: Sequence[Path], unique: str, not_before: datetime | None = None
) -> NewMail:
    """Return the mail of `alert` for one person; `not_before` is the end of their quiet hours.

    `folders` hold the templates, the site's own first. Output stands escaped in the HTML part.
    """
    context = {"alert": view_alert(alert)}
    subject, text = render_mail_report(f"{alert.kind}.txt.j2", context, folders=folders)
    html = inline_styles(render_report(f"{alert.kind}.html.j2", context, folders=folders, html=True))
    return NewMail(
        to=to,
        subject=subject,
        text=text,
        html=html,
        about=_about(alert),
        task=None if alert.others else alert.task,
        not_before=not_before,
        unique=unique,
    )


def view_alert(alert: Alert) -> AlertView:
    """Return `alert` with every text cleaned and cut to what a mail can hold."""
    return AlertView(
        site=clean_line(alert.site, length=80),
        tone=alert.tone,
        sign=SIGNS[alert.tone],
        word=clean_line(alert.word, length=40),
        title=clean_line(alert.title, length=120),
        facts=clean_line(alert.facts, length=600),
        why_you=clean_line(alert.why_you),
        since=clean_line(alert.since),
        tail=_last_lines(alert.last_lines),
        how=_first_lines(alert.how),
        commands=_commands(alert),
        url=alert.url if is_link(alert.url) else "",
    )


def _about(alert: Alert) -> str:
    number = alert.task if alert.task is not None else alert.run
    name = alert.kind.replace("_", "-")
    return name if number is None else f"{name} {number}"


def _last_lines(output: str) -> tuple[str, ...]:
    lines = clean_text(output[-TAIL_LENGTH:]).strip("\n").split("\n")[-TAIL_LINES:]
    return tuple(_cut(line) for line in lines) if any(line.strip() for line in lines) else ()


def _first_lines(text: str) -> tuple[str, ...]:
    start = clean_text(text[:HOW_LENGTH]).strip("\n")
    more = ("…",) if len(text) > HOW_LENGTH else ()
    return (*(_cut(line) for line in start.split("\n")), *more) if start.strip() else ()


def _cut(line: str) -> str:
    line = line.expandtabs(4).rstrip()
    return line if len(line) <= LINE_LENGTH else line[: LINE_LENGTH - 1] + "…"


def _commands(alert: Alert) -> tuple[Command, ...]:
    commands: list[Command] = []
    if alert.run is not None and alert.kind in ("follow_up", "urgent"):
        commands.append(Command(line=f"opsrunner show {alert.run}", why="what happened, step by step"))
        step = f" {alert.step}" if alert.step else ""
        commands.append(Command(line=f"opsrunner logs {alert.run}{step}", why="the whole output"))
    if alert.task is not None:
        commands.append(Command(line=f"opsrunner tick {alert.task}", why="when it is done"))
    return tuple(commands)
