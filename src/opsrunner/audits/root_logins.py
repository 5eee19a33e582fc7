"""Root's logins, as the SSH server's log and the list of sessions tell of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from opsrunner.audits.baseline import Baseline
from opsrunner.audits.sections import NOTHING_THERE, Sections, clean_subject
from opsrunner.audits.seen import Seen
from opsrunner.model.finding import Finding, Severity
from opsrunner.records import dataclass

CAUSE = "root-login"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ACCEPTED = re.compile(r": Accepted ([a-z/-]{1,40}) for root from (\S{1,60}) port ")
_ISO = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8})(?:\.[0-9]+)?(Z|[+-][0-9]{2}:?[0-9]{2})?\s")
_SYSLOG = re.compile(r"([A-Z][a-z]{2}) +([0-9]{1,2}) ([0-9]{2}:[0-9]{2}:[0-9]{2}) ")
_SESSION = re.compile(
    r"([0-9]{1,6}) root +(\S+) +(?:(\S+) +)?"
    r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) +([0-9]{1,2}) ([0-9]{2}:[0-9]{2}:[0-9]{2}) ([0-9]{4})\b"
)
_WORDS = {"publickey": "by key", "password": "by password", "keyboard-interactive/pam": "by password"}
_BY_TERMINAL = "in a terminal"
_SLACK = timedelta(hours=1)
"""Clocks differ, and two audits are never a whole number of days apart."""
_SLACK_WITHOUT_ZONE = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class _Login:
    source: str
    way: str
    at: datetime | None
    """The last one's moment."""
    count: int
    """How many of that day."""
    slack: timedelta = _SLACK
    """How far off its moment may be."""


def judge_logins(host: str, answer: Sections, baseline: Baseline, *, now: datetime) -> Seen:
    """Judge who came in as root in the last days, one finding a source.

    A login by key from where this audit itself comes in as root is left out, and so is one from an allowed network.
    The cause is never among the examined: a login is an event, and no state that could be gone. That its days are over,
    or its log is rotated, does not mean that anybody has looked, so that only a person ends it.
    """
    since = now - timedelta(days=baseline.login_days)
    own, accepted = _accepted(answer.lines("accepted-logins"), now)
    known = {login.source for login in accepted}
    sessions = [login for login in _sessions(answer.lines("root-sessions")) if login.source not in known]
    logins = [
        login
        for login in (*accepted, *sessions)
        if (login.at is None or since - login.slack <= login.at <= now + _SLACK_WITHOUT_ZONE)
        and not _is_expected(login, own=own, baseline=baseline)
    ]
    return Seen(
        findings=tuple(_finding(host, source, logins) for source in sorted({login.source for login in logins})),
        problems=tuple(_problems(answer)),
        facts={"root_logins": sum(login.count for login in logins)},
    )


def _problems(answer: Sections) -> list[str]:
    """The log alone names every login; the list of sessions adds those at the console, where there is such a list."""
    problem = answer.problem("accepted-logins", "root's logins")
    log, sessions = answer.by_name.get("accepted-logins"), answer.by_name.get("root-sessions")
    settings = answer.by_name.get("ssh-settings")
    has_server = settings is None or settings.code != NOTHING_THERE
    if log is not None and log.code == NOTHING_THERE and has_server:
        problem = "root's logins: there is no log of the SSH server"
    elif log is not None and not problem and sessions is None:
        problem = answer.problem("root-sessions", "root's sessions")
    if problem and sessions is not None and sessions.code == 0:
        problem += "; only sessions with a terminal were seen"
    return [problem] if problem else []


def _accepted(lines: Iterable[str], now: datetime) -> tuple[str, list[_Login]]:
    own, found = "", []
    for line in lines:
        word, _, rest = line.partition(" ")
        if word == "own":
            own = rest.strip()
        elif word in ("journal", "log") and (login := _login(rest, now)):
            found.append(login)
    return own, found


def _login(counted: str, now: datetime) -> _Login | None:
    count, _, line = counted.partition(" ")
    match = _ACCEPTED.search(line)
    if match is None or not re.fullmatch(r"[0-9]{1,6}", count):
        return None
    way, at = _WORDS.get(match[1], f"by {match[1]}"), _moment(line, now)
    said = _ISO.match(line)
    slack = _SLACK if said and said[2] else _SLACK_WITHOUT_ZONE
    return _Login(source=clean_subject(match[2]), way=way, at=at, count=int(count), slack=slack)


def _moment(line: str, now: datetime) -> datetime | None:
    """Return when a line of a log was written; one without a year is of the last twelve months."""
    if match := _ISO.match(line):
        zone = match[2] or "Z"
        return _parsed(f"{match[1]}{'+00:00' if zone == 'Z' else zone}")
    match = _SYSLOG.match(line)
    if match is None:
        return None
    at = _of_words(match[1], match[2], match[3], year=now.year)
    return _of_words(match[1], match[2], match[3], year=now.year - 1) if at and at > now + _SLACK_WITHOUT_ZONE else at


def _sessions(lines: Iterable[str]) -> Iterator[_Login]:
    for line in lines:
        if match := _SESSION.match(line):
            at = _of_words(match[4], match[5], match[6], year=int(match[7]))
            source = match[3] if match[3] and not match[3].startswith(":") else "console"
            yield _Login(source=clean_subject(source), way=_BY_TERMINAL, at=at, count=int(match[1]))


def _of_words(month: str, day: str, clock: str, *, year: int) -> datetime | None:
    if month not in _MONTHS:
        return None
    return _parsed(f"{year:04}-{_MONTHS.index(month) + 1:02}-{int(day):02}T{clock}+00:00")


def _parsed(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _is_expected(login: _Login, *, own: str, baseline: Baseline) -> bool:
    if login.way == "by password":
        return False
    return (login.source == own and login.way == "by key") or baseline.allows_root_from(login.source)


def _finding(host: str, source: str, logins: Iterable[_Login]) -> Finding:
    of_source = [login for login in logins if login.source == source]
    ways = Counter[str]()
    for login in of_source:
        ways[login.way] += login.count
    moments = [login.at for login in of_source if login.at]
    last = f", the last on {max(moments):%Y-%m-%d %H:%M} UTC" if moments else ""
    by_password = "by password" in ways
    return Finding(
        host=host,
        cause=CAUSE,
        subject=source,
        severity=Severity.HIGH if by_password else Severity.LOW,
        detail=", ".join(f"{count} {way}" for way, count in ways.most_common()) + last,
        mark="by password" if by_password else "",
    )
