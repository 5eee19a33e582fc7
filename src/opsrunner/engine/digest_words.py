"""The sentences of a digest: headline, subject, ages, periods. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from opsrunner.model.digest import Series
from opsrunner.records import dataclass
from opsrunner.schedules.day_names import MONTH_NAMES, day_words, moment_words

SUBJECT_LENGTH = 90
"""What a phone shows of a subject is less; what matters stands first."""

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_EVERY = {"daily": "every day", "weekly": "every week", "monthly": "every month"}


@dataclass(frozen=True, kw_only=True)
class Rest:
    """What a verdict must not pass over beside what is open and what is fine."""

    was_due: bool = False
    """Something should have run, fine or not."""
    partly: int = 0
    """Routines that were skipped since their run before still went on."""
    unseen: int = 0
    """Routines that were due in a time that no pass has looked at yet."""


NO_REST = Rest()


def compose_headline(needs: int, in_hand: int, fine: int, *, rest: Rest = NO_REST) -> str:
    """Return the verdict as a person would say it: `One thing needs you. Two are in hand. 37 are fine.`

    `fine` counts only what was checked; where nothing was, it is not mentioned.
    """
    unseen, partly = _unseen(rest.unseen), _partly(rest.partly)
    if not needs and not in_hand and not unseen:
        verdict = f"{partly} {_fine(fine)}".strip() if partly else _all_fine(fine, was_due=rest.was_due)
        return f"{verdict} Nothing needs you."
    lead = [unseen] if unseen and not needs else [needs_words(needs), unseen]
    sentences = [*lead, _in_hand(in_hand), partly, _fine(fine)]
    return " ".join(sentence for sentence in sentences if sentence)


def compose_subject(
    shorts: Sequence[str], *, in_hand: int, fine: int, day: date, series: Series, rest: Rest = NO_REST
) -> str:
    """Return the subject, verdict first: `2 need you: abuse web5, billing backup · Sat 21 Nov`.

    `shorts` are a few words for each thing that needs the reader; as many stand there as fit.
    """
    when = period_tag(day, series=series)
    if shorts:
        verdict = f"{count_words(len(shorts))} {'needs' if len(shorts) == 1 else 'need'} you: "
        named = tuple(dict.fromkeys(shorts))
        return f"{verdict}{_fitting(named, SUBJECT_LENGTH - len(verdict) - len(when) - 3)} · {when}"
    partly = f"{count_words(rest.partly)} skipped at times" if rest.partly else ""
    hand = f"{count_words(in_hand)} in hand" if in_hand else ""
    if rest.unseen:
        return f"{_joined(f'{count_words(rest.unseen)} due and not looked at', hand, partly)} · {when}"
    if in_hand:
        return f"{_joined('Nothing needs you', hand, partly)} · {when}"
    if partly:
        return f"{_joined(partly, f'{count_words(fine)} fine' if fine else '')} · {when}"
    return f"{_short_all_fine(fine, was_due=rest.was_due)} · {when}"


def compose_preheader(needs: Sequence[str], in_hand: Sequence[str], *, coming: str = "", all_ran: bool = True) -> str:
    """Return what a mail program shows beside the subject: the titles, not the verdict again.

    `all_ran` tells that something was due, and that all of it ran and was checked.
    """
    if needs or in_hand:
        hand = f"In hand: {', '.join(in_hand[:3])}." if in_hand else ""
        return " ".join(part for part in (_sentences(needs[:2]), hand) if part)
    if coming:
        return f"Next: {coming}."
    return "Every routine that was due ran and was checked." if all_ran else ""


def compose_footer(*, version: str, host: str, routines: int, broken: int, queued_mails: int) -> str:
    """Return the line that tells what sent the digest and whether it is itself in order."""
    queue = f"{plural(queued_mails, 'mail')} waiting to leave" if queued_mails else "mail queue empty"
    return (
        f"Sent by opsrunner {version} on {host}: {plural(routines, 'routine')}, "
        f"{plural(broken, 'broken file')}, {queue}."
    )


def missing_words(series: Series) -> str:
    """Return how the reader notices that the digest itself has stopped."""
    return (
        f"This digest comes {_EVERY[series]}, also when all is well. "
        "If one is missing, the house is not being watched: run opsrunner doctor."
    )


def age_words(age_days: int) -> str:
    """Return how long something repeats: nothing on its first day, then `second day`, `12th day`."""
    if age_days <= 0:
        return ""
    number = age_days + 1
    if number <= len(_ORDINALS):
        return f"{_ORDINALS[number - 1]} day"
    ending = "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending} day"


def count_words(number: int) -> str:
    """Return a figure with its thousands apart: `5,000`."""
    return f"{number:,}"


def times_words(number: int) -> str:
    """Return `once`, `twice`, `40 times`."""
    return {1: "once", 2: "twice"}.get(number, f"{count_words(number)} times")


def near_words(moment: datetime, *, now: datetime, zone: str) -> str:
    """Return a moment as people say it at `now`: `today 14:10`, `Fri 18:00`, `Fri 6 Nov` where it is further off."""
    local, today = moment.astimezone(ZoneInfo(zone)), now.astimezone(ZoneInfo(zone)).date()
    if local.date() == today:
        return f"today {local:%H:%M}"
    words = day_words(local.date())
    return words if abs((local.date() - today).days) > 6 else f"{words.split(' ', 1)[0]} {local:%H:%M}"


def period_tag(day: date, *, series: Series) -> str:
    """Return what the subject calls the period that ends on `day`."""
    if series == "monthly":
        last = date.fromordinal(day.toordinal() - 1)
        return f"{MONTH_NAMES[last.month - 1]} {last.year}"
    if series == "weekly":
        return f"week {date.fromordinal(day.toordinal() - 1).isocalendar().week}"
    return day_words(day)


def period_words(from_: datetime, until: datetime, *, zone: str) -> str:
    """Return the span in the site's zone: `Fri 20 Nov 07:00 to Sat 21 Nov 07:00`."""
    return f"{moment_words(from_, zone=ZoneInfo(zone))} to {moment_words(until, zone=ZoneInfo(zone))}"


def needs_words(number: int) -> str:
    """Return the verdict over what needs its reader: `Three things need you.`"""
    if number == 0:
        return "Nothing needs you."
    return "One thing needs you." if number == 1 else f"{_say(number)} things need you."


def _unseen(number: int) -> str:
    if number == 0:
        return ""
    if number == 1:
        return "One routine was due, and nothing has looked at it yet."
    return f"{_say(number)} routines were due, and nothing has looked at them yet."


def _partly(number: int) -> str:
    if number == 0:
        return ""
    return f"{_say(number)} did not run every time {'it was' if number == 1 else 'they were'} due."


def _in_hand(number: int) -> str:
    if number == 0:
        return ""
    return "One is in hand." if number == 1 else f"{_say(number)} are in hand."


def _fine(number: int) -> str:
    if number == 0:
        return ""
    return "One is fine." if number == 1 else f"{_say(number)} are fine."


def _all_fine(number: int, *, was_due: bool) -> str:
    if number == 0:
        return "Nothing has run to its end." if was_due else "Nothing was due."
    if number == 1:
        return "The one routine that ran is fine."
    return "Both are fine." if number == 2 else f"All {_say(number).lower()} are fine."


def _short_all_fine(number: int, *, was_due: bool) -> str:
    if number == 1:
        return "Nothing needs you, 1 fine"
    nothing = "Nothing has run to its end" if was_due else "Nothing was due"
    return f"All {count_words(number)} fine" if number else nothing


def _joined(*words: str) -> str:
    return ", ".join(word for word in words if word)


def _say(number: int) -> str:
    return _NUMBERS[number].capitalize() if number < len(_NUMBERS) else count_words(number)


def plural(number: int, noun: str) -> str:
    """Return a count with its noun: `1 host`, `5,000 hosts`."""
    return f"{count_words(number)} {noun}" + ("" if number == 1 else "s")


def _sentences(titles: Sequence[str]) -> str:
    return " ".join(title if title.endswith((".", "?", "!")) else f"{title}." for title in titles)


def _fitting(words: Sequence[str], room: int) -> str:
    """Join as many words as fit into `room`, at least the first, and count the others."""
    for shown in range(len(words), 0, -1):
        more = f" and {count_words(len(words) - shown)} more" if shown < len(words) else ""
        text = ", ".join(words[:shown]) + more
        if len(text) <= room or shown == 1:
            return text
    return ""
