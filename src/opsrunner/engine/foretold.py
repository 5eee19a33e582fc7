"""What is said of one notice before its mails go: what comes, what holds it, and what nobody can know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field

from opsrunner.model.mail import NewMail
from opsrunner.notices.foresight import Foreseen
from opsrunner.records import dataclass

MOST_FORESEEN = 100_000
LIVE, NOT_LIVE, WAITS = "live", "not live", "waits for approval"


@dataclass(frozen=True, kw_only=True)
class NoticeForecast:
    """One notice of the site, or one time of a window or an incident, and what it is to send."""

    notice: str
    """`ROUTINE.STEP`, `maintenance.WINDOW` or `incident`."""
    occasion: str = ""
    """Which time of a window, or which incident, where it is one: `2026-12-01 02:00`, `incident 12`."""
    known_as: str = ""
    """What the ledger calls that occasion; '' where it knows none yet."""
    routine: str = ""
    """The routine that has it, where one has."""
    name: str
    """How people call it."""
    standing: str
    """`live`, `not live`, or `waits for approval`."""
    mode: str = "send"
    coming: tuple[Foreseen, ...] = ()
    """In the order in which they go."""
    notes: tuple[str, ...] = ()
    """What is asked first and what nobody can know, each a sentence."""
    task: int | None = None
    """The task in which its list waits for approval."""
    unknown: int = 0
    """Rows of which nobody can be told."""
    first_problem: str = ""
    problem: str = ""
    """Why it cannot be foreseen."""
    compose: Callable[[Foreseen], NewMail] | None = field(default=None, compare=False, repr=False)
    """Makes a mail to look at, by which nobody leaves; None where another system sends it."""

    @property
    def label(self) -> str:
        """What lines about it begin with."""
        return (
            self.occasion if self.occasion.startswith(f"{self.notice} ") else f"{self.notice} {self.occasion}".rstrip()
        )
