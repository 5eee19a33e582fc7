"""What templates may say: moments, spans, statuses and signs, in the words that the terminal uses, too."""

from __future__ import annotations

from typing import Any

from opsrunner.engine.agent_words import agent_words
from opsrunner.engine.digest_words import needs_words
from opsrunner.engine.finding_words import hosts_of, is_about_findings, times_came
from opsrunner.engine.moment_words import (
    clock_words,
    count_words,
    due_words,
    duration_words,
    end_words,
    span_words,
    when_words,
)
from opsrunner.engine.status_words import reason_words, status_word, tone_of
from opsrunner.engine.task_words import STATUS_WORDS, evidence_words, marks_of
from opsrunner.model.person import Person
from opsrunner.model.sizes import size_words
from opsrunner.records import dataclass
from opsrunner.web.guard import Needs, may_enter

TAGS = {"fine": "good", "look": "warn", "failed": "bad", "live": "live", "nothing": "idle"}
"""The class of a tag by its tone: look.css gives each a colour and a sign."""


@dataclass(frozen=True, kw_only=True)
class NavEntry:
    """One word of the navigation."""

    path: str
    label: str
    needs: Needs
    is_near: bool = False
    """Whether it stands under the thumb on a phone; what does not is a touch further."""


NAVIGATION = (
    NavEntry(path="/", label="My work", needs="anyone", is_near=True),
    NavEntry(path="/today", label="Today", needs="owner", is_near=True),
    NavEntry(path="/routines", label="Routines", needs="owner"),
    NavEntry(path="/calendar", label="Calendar", needs="owner"),
    NavEntry(path="/team", label="Team", needs="inside", is_near=True),
    NavEntry(path="/hosts", label="Hosts", needs="inside"),
    NavEntry(path="/maintenance", label="Maintenance", needs="team"),
    NavEntry(path="/backups", label="Backups", needs="inside"),
    NavEntry(path="/notices", label="Notices", needs="inside"),
    NavEntry(path="/digests", label="Digests", needs="owner"),
    NavEntry(path="/health", label="Health", needs="owner"),
    NavEntry(path="/search", label="Search", needs="team", is_near=True),
)


def entries_for(person: Person) -> list[NavEntry]:
    """Return the words of the navigation that lead somebody anywhere."""
    return [entry for entry in NAVIGATION if may_enter(entry.needs, person)]


def tag_of(status: str) -> str:
    """Return the class of the tag that shows a status."""
    return TAGS[tone_of(status)]


NAMES: dict[str, Any] = {
    "entries_for": entries_for,
    "TAGS": TAGS,
    "may_enter": may_enter,
    "needs_words": needs_words,
    "agent_words": agent_words,
    "clock_words": clock_words,
    "count_words": count_words,
    "due_words": due_words,
    "end_words": end_words,
    "duration_words": duration_words,
    "span_words": span_words,
    "when_words": when_words,
    "reason_words": reason_words,
    "status_word": status_word,
    "evidence_words": evidence_words,
    "marks_of": marks_of,
    "task_status_words": STATUS_WORDS,
    "size_words": size_words,
    "hosts_of": hosts_of,
    "is_about_findings": is_about_findings,
    "times_came": times_came,
    "tag_of": tag_of,
}
"""What every template knows."""
