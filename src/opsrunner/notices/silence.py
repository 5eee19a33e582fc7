"""Who gets no mails of a notice, and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from opsrunner.ledger.suppressions import Suppressions
from opsrunner.model.notice import EVERYWHERE, RECIPIENT, Suppression


def silenced(
    suppressions: Suppressions, addresses: Collection[str], *, notice: str, contractual: bool
) -> Mapping[str, Sequence[Suppression]]:
    """Return what holds back mails of a notice, by address. Nobody leaves what is contractual by a link."""
    found: dict[str, list[Suppression]] = defaultdict(list)
    for one in suppressions.of(addresses):
        if one.notice in (EVERYWHERE, notice) and not (contractual and one.by == RECIPIENT):
            found[one.address].append(one)
    return found


def why_silent(suppressions: Sequence[Suppression], key: str, *, at: datetime) -> str | None:
    """Return why one address gets no mail about an occasion at a moment; None where it does."""
    return next((one.why for one in suppressions if one.key in (EVERYWHERE, key) and one.counts(at)), None)
