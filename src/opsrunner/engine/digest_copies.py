"""What a digest says of copies: the damaged, the proofs that are overdue, and how many are proven and fresh."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from opsrunner.engine.desk import Desk
from opsrunner.engine.digest_said import sentence
from opsrunner.engine.digest_words import count_words, plural
from opsrunner.engine.standing_copies import Standing, damage_left_words, standings
from opsrunner.engine.standing_foreign import ForeignStanding, foreign_standings
from opsrunner.model.backup import Copy
from opsrunner.model.digest import Figure, OpenItem, Tone
from opsrunner.model.foreign import KnownForeign
from opsrunner.model.spans import span_words
from opsrunner.schedules.day_names import moment_words


def copy_items(desk: Desk, *, until: datetime) -> list[OpenItem]:
    """Return an item for each damaged copy and for each proof that is overdue, though nothing else failed."""
    zone = ZoneInfo(desk.site().timezone)
    items: list[OpenItem] = []
    for standing in standings(desk, at=until):
        items += [_damaged(standing, copy, zone=zone) for copy in standing.damaged]
        since = standing.proof_overdue_since(until)
        if since is not None:
            items.append(_overdue(standing, since=since, until=until, zone=zone))
    for theirs in foreign_standings(desk):
        items += [_unrestorable(theirs, one) for one in theirs.unrestorable]
        since = theirs.proof_overdue_since(until)
        if since is not None:
            items.append(_overdue(theirs, since=since, until=until, zone=zone))
    return items


def copies_figure(desk: Desk, *, until: datetime) -> Figure | None:
    """Return `3 of 4 backups proven and fresh`, None where nothing is copied.

    A backup is what one step copies to one store, for each row apart, or what one check of others' backups expects.
    What is damaged in a store that is not written to any more is named beside them.
    """
    lying = list(standings(desk, at=until))
    found: list[Standing | ForeignStanding] = [one for one in lying if one.is_written_to]
    found += foreign_standings(desk)
    if not found:
        return None
    right = sum(one.verdict(until, desk.almanac())[0] == "fine" for one in found)
    is_damaged = any(one.verdict(until, desk.almanac())[0] == "failed" for one in (*lying, *found))
    tone: Tone = "failed" if is_damaged else "fine" if right == len(found) else "look"
    text = f"{count_words(right)} of {plural(len(found), 'backup')} proven and fresh{damage_left_words(lying)}"
    return Figure(name="Backups", text=text, tone=tone)


def _damaged(standing: Standing, copy: Copy, *, zone: ZoneInfo) -> OpenItem:
    good = standing.newest_good
    last = f"The newest good one is of {moment_words(good.made_at, zone=zone)}." if good else "No other one is good."
    return OpenItem(
        tone="failed",
        word="Damaged",
        title=f"A copy of {standing.routine.name}",
        facts=f"{copy.name.rpartition('/')[2]} in {copy.store}: {sentence(copy.why)} {last}",
        with_whom="",
        command=f"opsrunner backups show {copy.id}",
        short=f"damaged copy of {standing.routine.name}",
    )


def _unrestorable(standing: ForeignStanding, one: KnownForeign) -> OpenItem:
    return OpenItem(
        tone="failed",
        word="Damaged",
        title=f"A backup of {one.key}, in {standing.routine.name}",
        facts=f"The last drill could not restore it: {sentence(one.problem)}",
        with_whom="",
        command="opsrunner backups others",
        short=f"backup of {one.key} unrestorable",
    )


def _overdue(standing: Standing | ForeignStanding, *, since: datetime, until: datetime, zone: ZoneInfo) -> OpenItem:
    restored = standing.restored_at
    last = f"last on {moment_words(restored, zone=zone)}" if restored else "never yet"
    what = (
        f"{standing.key or 'them'} was restored from {standing.store}"
        if isinstance(standing, Standing)
        else "them was restored"
    )
    return OpenItem(
        tone="look",
        word="Unproven",
        title=f"The copies of {standing.routine.name}",
        facts=f"Nothing of {what} in time, {last}. A drill is overdue for {span_words(until - since)}.",
        with_whom="",
        age_days=(until - since).days,
        command=f"opsrunner backups {'list' if isinstance(standing, Standing) else 'others'}",
        short=f"{standing.routine.name} unproven",
    )
