"""Which rungs of a downtime's ladder go by the clock, and which by what staff say."""

from __future__ import annotations

from dataclasses import replace

from opsrunner.model.notice import MAIL, Ladder


def sends_posts(ladder: Ladder) -> bool:
    """Tell whether what is posted goes by mail."""
    return any(rung.every_seconds and rung.via == MAIL for rung in ladder.rungs)


def rungs_ahead(ladder: Ladder) -> Ladder:
    """Return the mails that go by the clock: before and at the beginning."""
    return Ladder(
        rungs=tuple(
            rung for rung in ladder.rungs if rung.via == MAIL and rung.anchor == "at" and not rung.every_seconds
        )
    )


def rungs_afterwards(ladder: Ladder) -> Ladder:
    """Return the mails that go when it has really ended, counted from then."""
    return Ladder(
        rungs=tuple(
            replace(rung, anchor="at")
            for rung in ladder.rungs
            if rung.via == MAIL and rung.anchor == "until" and not rung.is_before
        )
    )
