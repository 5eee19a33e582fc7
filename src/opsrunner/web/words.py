"""What templates may say: moments, spans, statuses and signs, in the words that the terminal uses, too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from opsrunner.engine.moment_words import clock_words, count_words, due_words, duration_words, span_words, when_words
from opsrunner.engine.status_words import reason_words, status_word, tone_of
from opsrunner.engine.task_words import STATUS_WORDS, evidence_words
from opsrunner.web.guard import Needs, may_enter

TAGS = {"fine": "good", "look": "warn", "failed": "bad", "live": "live", "nothing": "idle"}
"""The class of a tag by its tone: look.css gives each a colour and a sign."""


@dataclass(frozen=True, kw_only=True)
class NavEntry:
    """One word of the navigation."""

    path: str
    label: str
    needs: Needs


NAVIGATION = (
    NavEntry(path="/", label="My work", needs="anyone"),
    NavEntry(path="/today", label="Today", needs="owner"),
    NavEntry(path="/routines", label="Routines", needs="owner"),
    NavEntry(path="/calendar", label="Calendar", needs="owner"),
    NavEntry(path="/digests", label="Digests", needs="owner"),
)


def tag_of(status: str) -> str:
    """Return the class of the tag that shows a status."""
    return TAGS[tone_of(status)]


NAMES: dict[str, Any] = {
    "NAVIGATION": NAVIGATION,
    "may_enter": may_enter,
    "clock_words": clock_words,
    "count_words": count_words,
    "due_words": due_words,
    "duration_words": duration_words,
    "span_words": span_words,
    "when_words": when_words,
    "reason_words": reason_words,
    "status_word": status_word,
    "evidence_words": evidence_words,
    "task_status_words": STATUS_WORDS,
    "tag_of": tag_of,
}
"""What every template knows."""
