"""Pages as they were made: whoever looks again within a second, while nothing was written, gets the same one.

Thirty people who follow one run look again at each change of it; a page is then made once for each of them, not once
for each of their windows, and the scheduler keeps its processor.
"""

from __future__ import annotations

import gzip
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import field
from datetime import datetime, timedelta
from typing import TypeAlias

from opsrunner.model.site import Site
from opsrunner.records import dataclass

KEPT_FOR = timedelta(seconds=1)
"""Texts speak of time, to the minute; what lies in files (outputs) is as old as this at the most."""
PACKED_FROM, PACK_LEVEL = 1_000, 4
"""Below that many bytes nothing is gained by compressing."""
_RANDOM = secrets.token_hex(16)
TOKEN_HERE = f"token-{_RANDOM}"
"""Stands in a page for the token of its forms: unknown outside, so that no text of anybody can ask for it."""
SHOWN_HERE = f"shown-{_RANDOM}"
"""Stands in the tag of `main` for what names its content."""

Key: TypeAlias = tuple[str, str]
"""A person and an address with its query."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """A page without what differs from session to session. `shown` names the content of its `main`."""

    text: str
    shown: str
    _packed: dict[tuple[int, bool], tuple[bytes, bool]] = field(default_factory=dict)

    @classmethod
    def of(cls, text: str) -> Made:
        """Take a page as a template made it, and name its content."""
        _, _, rest = text.partition("<main")
        shown = hashlib.sha256(rest.partition("</main>")[0].encode()).hexdigest()[:16]
        return cls(text=text.replace(SHOWN_HERE, shown, 1), shown=shown)

    def body(self, session: int, form_token: Callable[[], str], *, packs: bool) -> tuple[bytes, bool]:
        """Return the page of a session (0: of a stranger), and whether it is packed as gzip: it is where `packs`."""
        key = (session, packs)
        if key not in self._packed:
            plain = (self.text.replace(TOKEN_HERE, form_token()) if TOKEN_HERE in self.text else self.text).encode()
            packed = packs and len(plain) >= PACKED_FROM
            self._packed[key] = (gzip.compress(plain, PACK_LEVEL, mtime=0) if packed else plain, packed)
        return self._packed[key]


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """All that a page depends on beside who asks for what."""

    version: int
    """The ledger's."""
    site: Site
    now: datetime

    def still(self, other: Circumstances) -> bool:
        """Tell whether a page that was made under `other` is true here."""
        is_near = abs(self.now - other.now) <= KEPT_FOR
        return is_near and self.version == other.version and self.site is other.site


class KeptPages:
    """Keeps what was made last, for each person and address."""

    def __init__(self) -> None:
        self._kept: dict[Key, tuple[Made, Circumstances]] = {}

    def get(self, key: Key, here: Circumstances) -> Made | None:
        """Return a page that is still true."""
        found = self._kept.get(key)
        return found[0] if found is not None and here.still(found[1]) else None

    def keep(self, key: Key, made: Made, here: Circumstances) -> None:
        """Keep a page; those that are too old are forgotten."""
        self._kept = {one: kept for one, kept in self._kept.items() if abs(here.now - kept[1].now) <= KEPT_FOR}
        self._kept[key] = (made, here)
