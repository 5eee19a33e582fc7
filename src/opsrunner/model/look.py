"""What a step looked at, so that the next look shows only what is new."""

from __future__ import annotations

from opsrunner.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Look:
    """The rows, and the groups of rows, that a step of a routine has looked at; each by a digest of its key."""

    routine: str
    step: str
    digests: frozenset[bytes]
