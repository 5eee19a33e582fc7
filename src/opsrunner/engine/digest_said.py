"""What machines and people left behind, as sentences of a digest. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Sequence

from opsrunner.engine.digest_words import count_words
from opsrunner.mail.headers import clean_line
from opsrunner.model.outcome import Outcome, Part, StepStatus

SAID_LENGTH = 340
"""Of a message, so that what stands after it (since when, what was the last good one) is never cut away."""
MOST_NAMED = 3
SHORT_LENGTH = 34

_EXIT = re.compile(r"exit code (?P<code>\d+)(?: \((?P<meaning>[^()]*)\))?(?:: (?P<said>.+))?")
_RULE = re.compile(r"(?P<before>.*?)(?:^|; )(?:look|fails): (?P<found>.+)")
_CLAUSE = re.compile(r"[:;,(–—]| because | since | before ")


def outcome_words(outcome: Outcome, *, rule: str = "") -> str:
    """Return why a step ended as it did: `no space left on device (exit code 1)`.

    `rule` is its own `warn_if` or `fail_if`, which is no answer for people; where it stands alone, that is said.
    """
    bad = [part for part in outcome.parts if part.status.is_bad or part.status is StepStatus.WARNING]
    if not bad or "answers" in outcome.facts:  # of a question: its message begins with how many are odd
        return message_words(outcome.message, is_bad=outcome.status.is_bad, rule=rule)
    named = [_part_words(part, rule) for part in bad[:MOST_NAMED]]
    return f"{count_words(len(bad))} of {count_words(len(outcome.parts))}: {listed(named, total=len(bad), apart='; ')}"


def message_words(message: str, *, is_bad: bool, rule: str = "") -> str:
    """Return a step's message without the machine's own words; an exit code is told of failures only."""
    line = clean_line(message, length=SAID_LENGTH)
    judged = _RULE.fullmatch(line)
    if judged is not None:
        found = f"its own rule says so: {rule}" if judged["found"] == rule else judged["found"]
        return f"{_exit_words(judged['before'], is_bad=is_bad)}; {found}" if judged["before"] else found
    return _exit_words(line, is_bad=is_bad)


def sentence(text: str) -> str:
    """Return `text` as a sentence: a capital where it begins with a plain word, and one full stop."""
    text = text.strip().rstrip(".")
    first = re.match(r"[a-z]{2,}(?=[\s,;]|$)", text)
    if first is not None:
        text = text[:1].upper() + text[1:]
    return f"{text}{'' if not text or text.endswith(('!', '?', '…')) else '.'}"


def listed(words: Sequence[str], *, total: int, apart: str = ", ") -> str:
    """Return words in a row, and how many of `total` are not among them: `web1, web2 and 3 more`."""
    more = f" and {count_words(total - len(words))} more" if total > len(words) else ""
    return f"{apart.join(words)}{more}"


def shortened(title: str) -> str:
    """Return a title in the few words that a subject has room for: its first clause, else its first words."""
    line = clean_line(title)
    clause = _CLAUSE.split(line, maxsplit=1)[0].rstrip()
    short = clause if " " in clause else line
    if len(short) <= SHORT_LENGTH:
        return short
    return f"{short[:SHORT_LENGTH].rpartition(' ')[0] or short[: SHORT_LENGTH - 1]}…"


def _part_words(part: Part, rule: str) -> str:
    said = message_words(part.message, is_bad=part.status.is_bad, rule=rule)
    return f"{clean_line(part.key, length=60)}: {said}" if said and said != rule else clean_line(part.key, length=60)


def _exit_words(line: str, *, is_bad: bool) -> str:
    ended = _EXIT.fullmatch(line)
    if ended is None:
        return line
    code = f"exit code {ended['code']}{', ' + ended['meaning'] if ended['meaning'] else ''}"
    if not ended["said"]:
        return f"it ended with {code}"
    return f"{ended['said'].rstrip('.')} ({code})" if is_bad else ended["said"]
