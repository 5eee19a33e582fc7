"""What takes a message out of the house."""

from __future__ import annotations

from collections.abc import Callable
from email.message import EmailMessage
from typing import Protocol


def nothing() -> None:
    """There is nothing to do meanwhile."""


class Transport(Protocol):
    """Hands a message over to one recipient. One object serves one thread."""

    def deliver(self, message: EmailMessage, *, to: str, meanwhile: Callable[[], None] = nothing) -> None:
        """Hand `message` over to the address `to`, or raise.

        Where the other side takes its time, `meanwhile` is called once; it raises nothing, and may stay uncalled.
        Raises MailFailed: `permanent` when this mail would be refused again, MailServerUnavailable
        when no mail can be handed over now.
        """

    def close(self) -> None:
        """Let go of the connection that a batch shares; the next `deliver` opens another."""
