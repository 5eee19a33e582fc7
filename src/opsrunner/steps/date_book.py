"""What a step knows of places that were asked when things end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from opsrunner.model.expiry import AskedPlace, DateAnswer, KeptText, Resting


class DateBook(Protocol):
    """What is known of places that were asked when things end. What is kept here is kept at once: it is no act."""

    def answers(self, place: AskedPlace, names: Sequence[str]) -> Mapping[str, DateAnswer]:
        """Return what a place said of names, by name; those that it was never asked for are left out."""

    def keep(self, answers: Sequence[DateAnswer]) -> None:
        """Keep answers, each instead of the one before."""

    def resting(self) -> Mapping[str, Resting]:
        """Return the servers that had to be left alone when they were asked last, by name."""

    def rest(self, resting: Sequence[Resting], *, recovered: Sequence[str]) -> None:
        """Keep which servers are to be left alone until when, and which answer again."""

    def text(self, name: str) -> KeptText | None:
        """Return a text that was fetched, None where nobody tried."""

    def keep_text(self, name: str, text: KeptText) -> None:
        """Keep a text that was fetched, or that one tried to."""


class _NothingKept:
    """A book that forgets."""

    def answers(self, place: AskedPlace, names: Sequence[str]) -> Mapping[str, DateAnswer]:  # noqa: ARG002
        return {}

    def keep(self, answers: Sequence[DateAnswer]) -> None:
        pass

    def resting(self) -> Mapping[str, Resting]:
        return {}

    def rest(self, resting: Sequence[Resting], *, recovered: Sequence[str]) -> None:
        pass

    def text(self, name: str) -> KeptText | None:  # noqa: ARG002
        return None

    def keep_text(self, name: str, text: KeptText) -> None:
        pass


NOTHING_KEPT: DateBook = _NothingKept()
