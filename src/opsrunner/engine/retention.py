"""Forgets runs that are older than the site keeps, with their files, and the texts of mails that went."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from opsrunner.engine.digest import SERIES
from opsrunner.ledger.books import Books
from opsrunner.model.site import Site

KEEP_MAIL_TEXTS = timedelta(days=30)


@dataclass(frozen=True, kw_only=True)
class Retention:
    """Prunes the ledger and `runs/` together."""

    books: Books
    state: Path
    site: Callable[[], Site]

    def prune(self, now: datetime) -> None:
        """Forget what ended longer ago than `limits.keep_runs` and was told of in every digest that is sent."""
        site = self.site()
        before = now - timedelta(seconds=site.limits.keep_runs_seconds)
        told_in = [series for series in SERIES if getattr(site.digest, series) is not None]
        for run_id in self.books.runs.prune(before=before, told_in=told_in):
            shutil.rmtree(self.state / "runs" / str(run_id), ignore_errors=True)
        self.books.outbox.forget_texts(before=now - KEEP_MAIL_TEXTS)
