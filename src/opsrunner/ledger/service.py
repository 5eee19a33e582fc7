"""What the ledger knows of the daemon: when it last planned, and when nobody did."""

from __future__ import annotations

from datetime import datetime

from opsrunner.ledger.codec import optional_moment, to_moment, to_text
from opsrunner.ledger.database import Ledger
from opsrunner.records import dataclass

CLOCK_DOUBT = "clock_doubt"
"""What the ledger calls the sentence that says why the clock is not believed, while it is not."""


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A time in which nothing was planned: the daemon was down, or the machine slept."""

    from_: datetime
    until: datetime
    reason: str


SITE_FILE = "site_file"
"""What it calls the text of the site's own file that was last in force."""

MAINTENANCE_FILE = "maintenance_file"
"""What it calls the text of the site's `maintenance.yaml` that was last in force."""

INVENTORY = "inventory"
"""What it calls the hosts of inventories that were last in force."""


class Service:
    """The daemon's own traces."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def planned_at(self) -> datetime | None:
        """Return when the daemon last planned."""
        return optional_moment(self.recall("planned_at"))

    def note_planned(self, at: datetime) -> None:
        """Record that planning happened."""
        self.remember("planned_at", to_text(at))

    def note_gap(self, gap: Gap) -> None:
        """Record a time without planning."""
        sql = "INSERT INTO gaps(from_at, until_at, reason) VALUES (?,?,?)"
        self._ledger.change(sql, (to_text(gap.from_), to_text(gap.until), gap.reason))

    def gaps(self, *, since: datetime) -> list[Gap]:
        """Return the gaps that reach past a moment."""
        rows = self._ledger.all("SELECT * FROM gaps WHERE until_at > ? ORDER BY +id", (to_text(since),))
        return [
            Gap(from_=to_moment(row["from_at"]), until=to_moment(row["until_at"]), reason=row["reason"]) for row in rows
        ]

    def remember(self, name: str, value: str) -> None:
        """Keep one word of the program's own."""
        sql = "INSERT INTO meta(name, value) VALUES (?,?) ON CONFLICT(name) DO UPDATE SET value = excluded.value"
        self._ledger.change(sql, (name, value))

    def forget(self, name: str) -> None:
        """Let go of what `remember` kept."""
        self._ledger.change("DELETE FROM meta WHERE name = ?", (name,))

    def site_file(self) -> str:
        """Return the text of the site's own file as the daemon last put it in force; '' where it never did."""
        return self.recall(SITE_FILE) or ""

    def keep_site_file(self, text: str) -> None:
        """Keep the text that is in force now."""
        if text != self.site_file():
            self.remember(SITE_FILE, text)

    def maintenance_file(self) -> str:
        """Return the text of `maintenance.yaml` as the daemon last put it in force; '' where it never did."""
        return self.recall(MAINTENANCE_FILE) or ""

    def keep_maintenance_file(self, text: str) -> None:
        """Keep the text that is in force now."""
        if text != self.maintenance_file():
            self.remember(MAINTENANCE_FILE, text)

    def inventory(self) -> str:
        """Return the hosts of inventories as the daemon last put them in force; '' where it never did."""
        return self.recall(INVENTORY) or ""

    def keep_inventory(self, text: str) -> None:
        """Keep the hosts of inventories that are in force now."""
        if text != self.inventory():
            self.remember(INVENTORY, text)

    def clock_doubt(self) -> str:
        """Return why the daemon does not believe the clock now, '' where it does."""
        return self.recall(CLOCK_DOUBT) or ""

    def has_gap_until(self, moment: datetime) -> bool:
        """Tell whether a time without planning is known that ends at `moment`."""
        return self._ledger.one("SELECT 1 FROM gaps WHERE until_at = ?", (to_text(moment),)) is not None

    def recall(self, name: str) -> str | None:
        """Return what `remember` kept."""
        row = self._ledger.one("SELECT value FROM meta WHERE name = ?", (name,))
        return None if row is None else str(row["value"])
