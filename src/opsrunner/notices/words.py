"""Ladders as people write them: `30d`, `24h`, `start`, `every 30m via: status_page`, `end`, `3d after`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from opsrunner.model.notice import CANCELLED, MAIL, MOVED, VIAS, Anchor, Ladder, Rung
from opsrunner.schedules.parsing import as_written, in_units, parse_duration, shown

MOST_RUNGS = 20
SHORTEST_EVERY_SECONDS = 60
FORMS = "write it like 30d, 24h, start, every 30m, end or 3d after"
_VIA = re.compile(r"(.*?)(?:\s+via:?\s*(\S+))?", re.DOTALL)
_DAYS = re.compile(r"(\d+)([wd])", re.ASCII)
_OFFSET = re.compile(r"(.+?)(?:\s+(before|after)(?:\s+(?:the\s+)?(start|end))?)?")
_DAY_SECONDS = 86400


def parse_ladder(words: Sequence[object], *, has_until: bool) -> Ladder:
    """Return the ladder of a list of rungs. `has_until` tells whether its occasions say when they end.

    A rung may be a text or what YAML makes of `every 30m via: status_page`, a mapping of one. Raises ValueError that
    says what is wrong and how to write it.
    """
    if not words:
        raise ValueError(f"a ladder needs a rung\n{FORMS}")
    if len(words) > MOST_RUNGS:
        raise ValueError(f"a ladder has at most {MOST_RUNGS} rungs; this one has {len(words)}")
    rungs: list[Rung] = []
    for word in words:
        rung = parse_rung(word, has_until=has_until)
        if any(other.name == rung.name for other in rungs):
            raise ValueError(f"the rung {shown(rung.name)} stands there twice")
        rungs.append(rung)
    return Ladder(rungs=tuple(rungs))


def parse_rung(word: object, *, has_until: bool) -> Rung:
    """Return one rung. Raises ValueError."""
    text, via = _parts(word)
    if text in ("start", "end"):
        return Rung(name=text, anchor=_anchor(text, text, has_until=has_until), via=via)
    if text.startswith("every ") or text == "every":
        return _every(text, via, has_until=has_until)
    return _offset(text, via, has_until=has_until)


def _parts(word: object) -> tuple[str, str]:
    """Return the words of a rung without and the way that it goes."""
    if isinstance(word, Mapping) and len(word) == 1:
        (front, behind), *_ = word.items()
        word = f"{front}: {behind}" if str(front).endswith("via") else word
    if not isinstance(word, str):
        raise ValueError(f"{as_written(word)} is no rung of a ladder\n{FORMS}")  # noqa: TRY004 (pydantic reports ValueError only)
    text = " ".join(word.split())
    match = _VIA.fullmatch(text)
    assert match is not None  # noqa: S101  whatever the text, the first part takes it
    via = match[2] or MAIL
    if via not in VIAS:
        near = get_close_matches(via, VIAS, n=1)
        hint = f", did you mean '{near[0]}'?" if near else f"; there are: {', '.join(VIAS)}"
        raise ValueError(f"{shown(word)} goes no way that is known{hint}")
    if text in (MOVED, CANCELLED):
        raise ValueError(f"'{text}' is told by itself where the notice says moved: tell\nleave it out of the ladder")
    return match[1], via


def _every(text: str, via: str, *, has_until: bool) -> Rung:
    span = text.removeprefix("every").strip()
    seconds = _duration(span, text)
    if seconds < SHORTEST_EVERY_SECONDS:
        raise ValueError(f"{shown(text)} is more often than once a minute")
    if not has_until:
        raise ValueError(f"{shown(text)} has no end: the notice has no until")
    return Rung(name=text, every_seconds=seconds, via=via)


def _offset(text: str, via: str, *, has_until: bool) -> Rung:
    match = _OFFSET.fullmatch(text)
    if match is None:
        raise ValueError(f"{shown(text)} is no rung of a ladder\n{FORMS}")
    span, side, of = match[1], match[2] or "before", match[3]
    seconds = _duration(span, text)
    if seconds == 0:
        raise ValueError(f"{shown(text)} is the moment itself\nwrite {of or 'start'}")
    sign = 1 if side == "after" else -1
    default = "end" if sign > 0 and has_until else "start"
    days = sum(int(number) * (7 if unit == "w" else 1) for number, unit in _DAYS.findall(span))
    return Rung(
        name=text,
        anchor=_anchor(of or default, text, has_until=has_until),
        offset_days=sign * days,
        offset_seconds=sign * (seconds - days * _DAY_SECONDS),
        via=via,
    )


def _duration(span: str, text: str) -> int:
    try:
        return parse_duration(span)
    except ValueError as exc:
        short = in_units(span)
        advice = f"write {text.replace(span, short)}" if short else FORMS
        raise ValueError(f"{shown(text)} is no rung of a ladder\n{advice}") from exc


def _anchor(of: str, text: str, *, has_until: bool) -> Anchor:
    if of == "end" and not has_until:
        raise ValueError(f"{shown(text)} counts from the end, and the notice has no until\nsay until, or write start")
    return "until" if of == "end" else "at"
