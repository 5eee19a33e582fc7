"""What of a digest stands in a mail: cut to a length that every mail program shows whole."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Generic, TypeVar
from zoneinfo import ZoneInfo

from opsrunner.engine.digest_words import (
    age_words,
    count_words,
    missing_words,
    period_tag,
    period_words,
)
from opsrunner.mail.headers import clean_line
from opsrunner.model.digest import Coming, DayMark, Digest, Figure, OpenItem, Planned, Tone
from opsrunner.records import dataclass
from opsrunner.schedules.day_names import day_words

SIGNS: dict[Tone, str] = {"failed": "✕", "look": "!", "fine": "✓", "live": "●", "nothing": "○"}
"""Beside the colour of each tone, for eyes and screens that do not tell colours apart."""
URL_LENGTH = 600
COMING_DAYS = {"daily": 7, "weekly": 7, "monthly": 31}

_Shown = TypeVar("_Shown")


@dataclass(frozen=True, kw_only=True)
class Room:
    """How much may be shown: entries of a list, and characters of a text."""

    open_items: int
    planned: int
    coming: int
    notes: int
    title: int = 160
    facts: int = 540
    line: int = 200


ROOMS = (
    Room(open_items=40, planned=40, coming=40, notes=12),
    Room(open_items=25, planned=40, coming=25, notes=12),
    Room(open_items=12, planned=25, coming=15, notes=8, facts=300),
    Room(open_items=8, planned=12, coming=10, notes=5, title=120, facts=200, line=120),
    Room(open_items=5, planned=5, coming=5, notes=3, title=80, facts=120, line=80),
)
"""From roomy to tight; a digest takes the first one that keeps its mail small enough."""


@dataclass(frozen=True, kw_only=True)
class Folded(Generic[_Shown]):
    """The first entries of a list, and how many there are beside them."""

    shown: tuple[_Shown, ...]
    left_out: int
    total: int

    @property
    def more(self) -> str:
        """What to say of those left out: `and 4,960 more`."""
        return f"and {count_words(self.left_out)} more" if self.left_out else ""


@dataclass(frozen=True, kw_only=True)
class Item:
    """An open item with all that is written around it."""

    tone: Tone
    sign: str
    word: str
    title: str
    facts: str
    with_whom: str
    age: str
    url: str
    action: str
    command: str
    """What to type where there is no page to open."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a list: a lead (a name, a time) and its text, both possibly empty."""

    tone: Tone
    sign: str
    lead: str
    text: str


@dataclass(frozen=True, kw_only=True)
class DigestView:
    """A digest as its templates see it: plain cleaned lines, ready to stand where they stand."""

    site: str
    series: str
    subject: str
    preheader: str
    tone: Tone
    """Of the verdict as a whole."""
    verdict: str
    """The headline's first sentence."""
    others: tuple[str, ...]
    """The sentences after it."""
    day: str
    period: str
    days: tuple[Line, ...]
    needs_you: Folded[Item]
    in_hand: Folded[Item]
    house: tuple[Line, ...]
    counts: str
    planned: Folded[Line]
    coming: Folded[Line]
    coming_days: int
    """How far `coming` looks ahead."""
    muted: Folded[Line]
    gaps: Folded[Line]
    missing: str
    footer: str


def view_digest(digest: Digest, room: Room) -> DigestView:
    """Return what of `digest` fits into `room`; all totals stay those of the whole digest."""
    verdict, *others = _sentences(clean_line(digest.headline))
    planned = tuple(_planned(entry, room) for entry in digest.planned[: room.planned])
    planned_total = len(digest.planned) + digest.planned_left_out
    return DigestView(
        site=clean_line(digest.site, length=80),
        series=digest.series,
        subject=clean_line(digest.subject),
        preheader=clean_line(digest.preheader),
        tone=_verdict_tone(digest),
        verdict=verdict,
        others=tuple(others),
        day=_day(digest),
        period=period_words(digest.from_, digest.until, zone=digest.zone),
        days=tuple(_day_mark(mark) for mark in digest.days[-14:]),
        needs_you=_fold(digest.needs_you, room.open_items, room),
        in_hand=_fold(digest.in_hand, room.open_items, room),
        house=tuple(_figure(figure, room) for figure in digest.house[: room.planned]),
        counts=clean_line(digest.counts),
        planned=Folded(shown=planned, left_out=planned_total - len(planned), total=planned_total),
        coming=_coming_lines(digest.coming, room),
        coming_days=COMING_DAYS[digest.series],
        muted=_notes(digest.muted, "nothing", room),
        gaps=_notes(digest.gaps, "look", room),
        missing=missing_words(digest.series),
        footer=clean_line(digest.footer, length=400),
    )


def _sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.!?]) ", text)


def _verdict_tone(digest: Digest) -> Tone:
    if any(item.tone == "failed" for item in digest.needs_you):
        return "failed"
    if digest.needs_you:
        return "look"
    if digest.gaps or any(line.tone == "look" for line in digest.planned):
        return "look"
    if digest.in_hand:
        return "live"
    return "fine" if any(line.tone == "fine" for line in digest.planned) else "nothing"


def _day(digest: Digest) -> str:
    day = digest.until.astimezone(ZoneInfo(digest.zone)).date()
    if digest.series == "daily":
        return day_words(day, style="long")
    tag = period_tag(day, series=digest.series)
    return tag[:1].upper() + tag[1:]


def _fold(items: Sequence[OpenItem], most: int, room: Room) -> Folded[Item]:
    shown = tuple(_item(item, room) for item in items[:most])
    return Folded(shown=shown, left_out=len(items) - len(shown), total=len(items))


def _item(item: OpenItem, room: Room) -> Item:
    return Item(
        tone=item.tone,
        sign=SIGNS[item.tone],
        word=clean_line(item.word, length=24),
        title=clean_line(item.title, length=room.title),
        facts=clean_line(item.facts, length=room.facts),
        with_whom=clean_line(item.with_whom, length=room.line),
        age=age_words(item.age_days),
        url=item.url if is_link(item.url) else "",
        action=clean_line(item.action, length=40) or "Open",
        command=_command(item),
    )


def is_link(url: str) -> bool:
    """Tell whether `url` may be a link: a web address of a sane length, never a script."""
    return url.startswith(("https://", "http://")) and clean_line(url, length=URL_LENGTH) == url


def _command(item: OpenItem) -> str:
    if item.command:
        return clean_line(item.command, length=100)
    if item.task is not None:
        return f"opsrunner tick {item.task}"
    return "" if item.run is None else f"opsrunner show {item.run}"


def _line(tone: Tone, *, lead: str, text: str) -> Line:
    return Line(tone=tone, sign=SIGNS[tone], lead=lead, text=text)


def _figure(figure: Figure, room: Room) -> Line:
    return _line(figure.tone, lead=clean_line(figure.name, length=40), text=clean_line(figure.text, length=room.line))


def _planned(entry: Planned, room: Room) -> Line:
    name, text = clean_line(entry.name, length=room.line), clean_line(entry.text, length=room.line)
    return _line(entry.tone, lead=name, text=text)


def _coming_lines(entries: Sequence[Coming], room: Room) -> Folded[Line]:
    shown = tuple(
        _line("nothing", lead=clean_line(entry.when, length=20), text=clean_line(entry.text, length=room.line))
        for entry in entries[: room.coming]
    )
    return Folded(shown=shown, left_out=len(entries) - len(shown), total=len(entries))


def _day_mark(mark: DayMark) -> Line:
    return _line(mark.tone, lead=day_words(mark.day), text=clean_line(mark.text, length=80))


def _notes(texts: Sequence[str], tone: Tone, room: Room) -> Folded[Line]:
    shown = tuple(_line(tone, lead="", text=clean_line(text, length=room.line)) for text in texts[: room.notes])
    return Folded(shown=shown, left_out=len(texts) - len(shown), total=len(texts))
