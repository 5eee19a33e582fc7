"""What takes a message out of the house."""

from __future__ import annotations

from email.message import EmailMessage
from typing import Protocol


class Transport(Protocol):
    """Hands a message over to one recipient. One object serves one thread."""

    def deliver(self, message: EmailMessage, *, to: str) -> None:
        """Hand `message` over to the address `to`, or raise.

        Raises MailFailed: `permanent` when this mail would be refused again, MailServerUnavailable
        when no mail can be handed over now.
        """

    def close(self) -> None:
        """Let go of the connection that a batch shares; the next `deliver` opens another."""
