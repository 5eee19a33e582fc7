"""Every error that opsrunner raises on purpose.

    OpsrunnerError                 something a person can act on; shown as one line
    ├── UsageError                 the command line asked for something that cannot be (exit 2)
    ├── ConfigurationError         the site's files are wrong (exit 2)
    ├── StateError                 the state folder cannot be used as it is
    │   ├── StateLocked            another daemon holds it
    │   ├── LedgerConflict         the ledger refuses what contradicts it
    │   ├── LedgerDamaged          the ledger's file does not read as a ledger
    │   ├── LedgerGone             the ledger's file is not the one that was opened any more
    │   └── LedgerNewer            the ledger was written by a newer program
    ├── NotFound                   a routine, run, task, person or host of that name does not exist
    ├── Refused                    the act is understood and not allowed now
    ├── SecretUnavailable          a secret's reference cannot be resolved
    ├── ExpressionError            an expression or template cannot be evaluated
    ├── MailFailed                 a mail could not be handed over
    │   └── MailServerUnavailable  no mail can be handed over now
    ├── NoAnswer                   an HTTP request, or a TLS handshake, came to no answer
    ├── StoreFailed                a store of copies did not do what was asked
    │   ├── StoreRefused           it refuses us: no right, wrong secret, a lock on the object
    │   └── NotStored              there is no such object
    ├── ArchiveDamaged             a copy does not read as what was made
    └── StepFailed                 a step did not do its work

A class's docstring is its default message. Foreign exceptions are mapped to one of these where they
enter (the ledger, the fleet, a source, a step), always ``from exc``.
"""

from __future__ import annotations

import inspect


class OpsrunnerError(Exception):
    """Something went wrong that a person can act on."""

    exit_code = 1

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or inspect.cleandoc(type(self).__doc__ or ""))

    @property
    def message(self) -> str:
        """The one line that is shown to a person."""
        return str(self)


class UsageError(OpsrunnerError):
    """The command line asks for something that cannot be done."""

    exit_code = 2


class ConfigurationError(OpsrunnerError):
    """The site's files have mistakes; `opsrunner check` lists them."""

    exit_code = 2


class StateError(OpsrunnerError):
    """The state folder cannot be used as it is."""


class StateLocked(StateError):
    """Another opsrunner works on this state folder."""


class LedgerConflict(StateError):
    """The ledger refuses what contradicts it: a second of what there is once, a change of the audit."""


class LedgerDamaged(StateError):
    """The ledger does not read as a database; restore it from a copy, it is never made anew."""


class LedgerGone(StateError):
    """The ledger was removed or replaced while opsrunner worked with it; see what lies there, then start it again."""


class LedgerNewer(StateError):
    """The ledger was written by a newer opsrunner; upgrade the program, not the ledger."""


class NotFound(OpsrunnerError):
    """There is nothing of that name."""


class Refused(OpsrunnerError):
    """That is not allowed now."""


class SecretUnavailable(OpsrunnerError):
    """A secret cannot be read."""


class ExpressionError(OpsrunnerError):
    """An expression or template cannot be evaluated."""


class MailFailed(OpsrunnerError):
    """A mail could not be handed over.

    `permanent` tells that the same mail would be refused again (SMTP 5xx).
    """

    def __init__(self, message: str | None = None, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


class MailServerUnavailable(MailFailed):
    """The mail server cannot be used now; every mail waits."""


class NoAnswer(OpsrunnerError):
    """There was no answer in time.

    `kind` is `failed`, `timed_out`, `stopped` (we were told to) or `unsendable` (another try cannot help);
    `was_sent` tells that the server may have got the request. What the server wrote is never in the message.
    """

    def __init__(self, message: str | None = None, *, kind: str = "failed", was_sent: bool = False) -> None:
        super().__init__(message or "there was no answer in time")
        self.kind = kind
        self.was_sent = was_sent


class StoreFailed(OpsrunnerError):
    """The store of copies did not do what was asked.

    `permanent` tells that the same would fail again: no such bucket or folder, a wrong secret, no room.
    """

    def __init__(self, message: str | None = None, *, permanent: bool = False) -> None:
        super().__init__(message or "the store of copies did not do what was asked")
        self.permanent = permanent


class StoreRefused(StoreFailed):
    """The store refuses that: no right to do it, a wrong secret, or a lock on the object."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or inspect.cleandoc(type(self).__doc__ or ""), permanent=True)


class NotStored(StoreFailed):
    """There is no such object in the store."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or inspect.cleandoc(type(self).__doc__ or ""), permanent=True)


class ArchiveDamaged(OpsrunnerError):
    """The copy does not read as what was made."""


class StepFailed(OpsrunnerError):
    """The step did not do its work.

    `permanent` tells the runner that another try cannot help; `status` is the step status to record
    (`failed`, `timed_out` or `unknown`); `facts` are plain values that belong to the outcome.
    """

    def __init__(
        self,
        message: str | None = None,
        *,
        permanent: bool = False,
        status: str = "failed",
        facts: dict[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.status = status
        self.facts = facts or {}
