"""One pass of a notice over its occasions: batch by batch, each written with its mails in one commit.

Cut off at any moment, the next pass goes on where this one was: what is settled in the ledger is never told again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from opsrunner.model.notice import Occasion
from opsrunner.notices.batch import Batch
from opsrunner.notices.desk import PassDesk

BATCH = 500
"""Occasions that share a commit."""


class NoticePass:
    """One pass: `take` all occasions, then `finish`. What it came to stands on its desk."""

    def __init__(self, desk: PassDesk) -> None:
        self.desk = desk

    def take(self, occasions: Sequence[Occasion]) -> None:
        """Settle what is due of some occasions, in one commit. A key may come again with other recipients."""
        fitting = [occasion for occasion in occasions if self.desk.fits(occasion)]
        batch = Batch(self.desk, list(dict.fromkeys(occasion.key for occasion in fitting)))
        batch.take(fitting)
        batch.write()

    def finish(self) -> None:
        """End the occasions whose rows came no more; those who had heard are told where the notice tells so."""
        if self.desk.settings.remembers:
            live = self.desk.notices.live_keys(self.desk.settings.notice)
            self.cancel([key for key in live if not self.desk.has_seen(key)])

    def cancel(self, keys: Collection[str]) -> None:
        """End some occasions; of one that has passed already nobody is told."""
        left = list(keys)
        for start in range(0, len(left), BATCH):
            batch = Batch(self.desk, left[start : start + BATCH])
            for known in list(batch.known.values()):
                batch.cancel(known)
            batch.write()
