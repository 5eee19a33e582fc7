"""The note that one shift leaves for the next."""

from __future__ import annotations

from datetime import datetime

from opsrunner.engine.desk import Desk
from opsrunner.engine.rights import Rights
from opsrunner.errors import Refused, UsageError
from opsrunner.mail.message import clean_text
from opsrunner.model.person import Person

LONGEST = 2_000


def leave_note(desk: Desk, text: str, *, person: Person, at: datetime) -> int:
    """Keep a note and return its id. Raises Refused, and nothing is cut off where it is too long."""
    Rights(desk).require_staff(person)
    if person.is_partner:
        raise Refused(f"{person.name} works on tasks, and leaves no notes")
    words = clean_text(text).strip()
    if not words:
        raise UsageError("a note needs a text")
    if len(words) > LONGEST:
        raise Refused(f"a note has at most {LONGEST} characters; this one has {len(words)}")
    return desk.books.notes.add(words, author=person.id, at=at)
