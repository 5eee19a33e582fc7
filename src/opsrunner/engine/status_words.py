"""Statuses and reasons as people read them: a tone, a word, a short why."""

from __future__ import annotations

from collections.abc import Mapping

from opsrunner.model.digest import Tone

_TONES: Mapping[str, Tone] = {
    "succeeded": "fine",
    "done": "fine",
    "fine": "fine",
    "ended": "fine",
    "on": "live",
    "overrun": "look",
    "running": "live",
    "waiting": "live",
    "open": "live",
    "warning": "look",
    "could_not": "look",
    "look": "look",
    "failed": "failed",
    "timed_out": "failed",
    "unknown": "failed",
    "interrupted": "failed",
    "missed": "failed",
    "cancelled": "nothing",
    "skipped": "nothing",
    "not_applicable": "nothing",
    "pending": "nothing",
}
_REASONS: Mapping[str, str] = {
    "overlap": "the one before still ran",
    "paused": "paused",
    "frozen": "frozen",
    "holiday": "holiday",
    "asked": "as asked",
    "edited": "not due any more, as the files are now",
    "coalesced": "a later one stands for it",
    "window": "too late to catch up",
    "outside": "outside of its maintenance window",
    "cancelled": "its maintenance window was cancelled",
    "policy": "not caught up, as its file says",
    "shutdown": "opsrunner was stopped",
    "crash": "opsrunner ended without warning",
    "fault": "opsrunner itself could not go on",
    "not_reached": "not reached",
    "queued": "waits for its turn",
    "no_rows": "no rows",
    "once": "was done before",
    "when": "not now",
}

WORST_FIRST: Mapping[Tone, int] = {"failed": 0, "look": 1, "live": 2, "fine": 3, "nothing": 4}
"""The order in which lists show tones: what wants a look comes first."""


def tone_of(status: str) -> Tone:
    """Return the tone of a run's, a step's or a task's status."""
    return _TONES.get(status, "nothing")


def status_word(status: str) -> str:
    """Return a status as a word: `timed out`."""
    return status.replace("_", " ")


def reason_words(reason: str) -> str:
    """Return a reason in a few words; one that is a sentence already stays as it is."""
    return _REASONS.get(reason, reason)
