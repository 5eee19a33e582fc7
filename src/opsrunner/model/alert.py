"""What a mail that goes at once says, before it is words on a page."""

from __future__ import annotations

from typing import Literal, TypeAlias

from opsrunner.model.digest import Tone
from opsrunner.records import dataclass

AlertKind: TypeAlias = Literal["follow_up", "urgent", "reminder", "escalation"]


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One thing that its recipient has to know before the next digest."""

    kind: AlertKind
    site: str
    tone: Tone = "failed"
    word: str
    """The verdict, first in the subject: `Failed`, `Due in 1 h`, `2 h overdue`."""
    title: str
    """`Nightly backups: the billing dump`; a task's title."""
    facts: str
    """What happened, in one or two plain sentences."""
    why_you: str
    """`You are on call until Mon 09:00.`"""
    since: str = ""
    """`Third time since Fri 02:31; the last good one was Thu 02:30.`"""
    last_lines: str = ""
    """The end of the output, as it came."""
    how: str = ""
    """How a task is done, as its checklist says."""
    run: int | None = None
    step: str = ""
    task: int | None = None
    others: int = 0
    """How many more tasks than `task` it stands for: then it is still news when that one is closed."""
    url: str = ""
