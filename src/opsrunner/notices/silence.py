"""Who gets no mails of a notice, and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from opsrunner.ledger.suppressions import Suppressions
from opsrunner.model.notice import EVERYWHERE, RECIPIENT, Occasion, Suppression


def silenced(
    suppressions: Suppressions, addresses: Collection[str], *, notice: str, contractual: bool
) -> Mapping[str, Sequence[Suppression]]:
    """Return what holds back mails of a notice, by address. Nobody leaves what is contractual by a link."""
    found: dict[str, list[Suppression]] = defaultdict(list)
    for one in suppressions.of(addresses):
        if one.notice in (EVERYWHERE, notice) and not (contractual and one.by == RECIPIENT):
            found[one.address].append(one)
    return found


def why_silent(suppressions: Sequence[Suppression], occasion: Occasion, *, at: datetime) -> str | None:
    """Return why one address gets no mail about an occasion at a moment; None where it does.

    What was struck from a list is that list's: an occasion of its key that is about a time past the end of the strike
    is another one.
    """
    return next((one.why for one in suppressions if one.counts(at) and _is_about(one, occasion)), None)


def prolonged(
    suppressions: Sequence[Suppression], occasion: Occasion, *, at: datetime, until: datetime | None
) -> list[Suppression]:
    """Return the strikes of an occasion that count at a moment and end before `until`, with that end."""
    return [
        replace(one, until=until)
        for one in suppressions
        if one.key == occasion.key and one.until is not None and at < one.until and (until is None or one.until < until)
    ]


def _is_about(suppression: Suppression, occasion: Occasion) -> bool:
    if suppression.key == EVERYWHERE:
        return True
    return suppression.key == occasion.key and (suppression.until is None or occasion.at <= suppression.until)
