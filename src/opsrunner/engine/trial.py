"""`opsrunner try`: every routine once, for real, and the digest that comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from opsrunner.clock import Clock
from opsrunner.engine.by_hand import ByHand
from opsrunner.engine.digest import DigestWriter
from opsrunner.engine.events import RunEvent
from opsrunner.engine.in_force import SiteInForce
from opsrunner.engine.row_choice import needs_row
from opsrunner.errors import NotFound, Refused
from opsrunner.ledger.books import Books
from opsrunner.model.run import Run
from opsrunner.model.task import Task
from opsrunner.records import dataclass


@dataclass(frozen=True, kw_only=True)
class TryResult:
    """What a try came to. `html` is the digest's file, `maildir` where its mail lies."""

    runs: tuple[Run, ...]
    refused: Mapping[str, str]
    """Routines that could not be run, and why."""
    tasks: tuple[Task, ...]
    digest_text: str
    digest_subject: str
    html: Path
    maildir: Path


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Tries a whole site in a state folder of its own."""

    books: Books
    clock: Clock
    state: Path
    in_force: SiteInForce
    by_hand: ByHand
    digests: DigestWriter
    deliver: Callable[[], int]
    announce: Callable[[], int]
    """Look after maintenance windows, whose lists count as approved here."""

    def run(self, *, actor: str, on_event: Callable[[RunEvent], None]) -> TryResult:
        """Run every routine of the site, write the daily digest as HTML and hand it over as a mail.

        Those that drill the copies of another one come last, when there are copies.
        Where a digest ends at this very moment already, it is that one.
        """
        routines = sorted(self.in_force.site.routines, key=self._drills_another)
        self.books.routines.see(
            {name: self.in_force.site.routines[name].name for name in routines}, at=self.clock.now()
        )
        runs: list[Run] = []
        refused: dict[str, str] = {}
        for name in routines:
            try:
                row = self._row_for(name)
                runs.append(self.by_hand.run(name, actor=actor, rerun_of=None, row=row, on_event=on_event))
            except (NotFound, Refused) as exc:
                refused[name] = str(exc)
        self.announce()
        self.digests.write("daily", self.clock.now())
        self.deliver()
        sent = self.books.digests.last("daily")
        if sent is None:
            raise NotFound("no digest was written")
        html = self.state / "digests" / f"daily-{sent.id}.html"
        html.write_text(sent.html, encoding="utf-8")
        return TryResult(
            runs=tuple(runs),
            refused=refused,
            tasks=tuple(self.books.tasks.opened()),
            digest_text=sent.text,
            digest_subject=sent.subject,
            html=html,
            maildir=self.state / "maildir",
        )

    def _row_for(self, name: str) -> str | None:
        """Return the key of a row for a routine that runs for rows alone. Raises Refused where there is none."""
        routine = self.in_force.site.routines[name]
        return self.by_hand.row_choice.first(routine).key if needs_row(routine) else None

    def _drills_another(self, name: str) -> bool:
        steps = self.in_force.site.routines[name].steps
        return any(step.kind == "restore_drill" and "/" in str(step.options["of"]) for step in steps)
