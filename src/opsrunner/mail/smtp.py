"""Hands mails to an SMTP server."""

from __future__ import annotations

import ipaddress
import smtplib
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from email.message import EmailMessage
from email.policy import SMTP

from opsrunner.clock import Clock, SystemClock
from opsrunner.errors import MailFailed, MailServerUnavailable, SecretUnavailable
from opsrunner.mail.conversation import Conversation, HungUp
from opsrunner.mail.headers import clean_line, parse_address
from opsrunner.mail.transport import nothing
from opsrunner.model.site import SmtpSettings
from opsrunner.secrets import Vault
from opsrunner.tls import client_context, refusal

TRY_SECONDS = 90.0
"""For one mail, from connecting to the last answer."""
GOODBYE_SECONDS = 5.0

_SHUTTING_DOWN = 421
_FIRST_REFUSAL, _FIRST_PERMANENT, _LAST_REFUSAL = 400, 500, 599
_TOO_LARGE = 552
_OUR_SETTINGS = frozenset({530, 534, 535, 538})
"""Replies about how we sign in (RFC 4954), not about the mail: the mail waits until that is put right."""
_REPLY_LENGTH = 300
_NOTHING_SENT = "nothing was sent, no password either"


class SmtpTransport:
    """Delivers through one server and keeps the connection until `close`.

    Encryption is what the settings say or nothing at all: no password and no mail goes out when
    STARTTLS is missing or the certificate is not good. Without encryption the server must be on
    this machine. A mail takes at most `try_seconds`, however the server draws it out.
    """

    def __init__(
        self, settings: SmtpSettings, *, vault: Vault, clock: Clock | None = None, try_seconds: float = TRY_SECONDS
    ) -> None:
        self._settings = settings
        self._vault = vault
        self._clock = clock or SystemClock()
        self._try_seconds = try_seconds
        self._client: Conversation | None = None

    def deliver(self, message: EmailMessage, *, to: str, meanwhile: Callable[[], None] = nothing) -> None:
        """Hand `message` over to `to`; a 5xx reply is permanent, a 4xx or a lost connection is not."""
        sender = parse_address(str(message["From"])).address
        recipient = parse_address(to).address
        content = message.as_bytes(policy=SMTP)
        try:
            self._opened(sender, recipient, size_bytes=len(content)).hand_over(content, meanwhile=meanwhile)
        except smtplib.SMTPRecipientsRefused as exc:
            raise self._refused(*exc.recipients[recipient]) from exc
        except smtplib.SMTPSenderRefused as exc:
            raise self._refused_sender(exc) from exc
        except smtplib.SMTPResponseException as exc:
            raise self._refused(exc.smtp_code, exc.smtp_error) from exc
        except (smtplib.SMTPException, OSError) as exc:
            self._drop()
            raise MailServerUnavailable(f"{self._name}: {self._reason(exc)}") from exc

    def reach(self) -> None:
        """Connect and sign in, and send nothing. Raises MailFailed or MailServerUnavailable."""
        self._connected()

    def close(self) -> None:
        """Say goodbye to the server, if there is a connection."""
        client, self._client = self._client, None
        if client is not None:
            client.allow(GOODBYE_SECONDS)
            with suppress(smtplib.SMTPException, OSError):
                client.quit()
            client.close()

    @property
    def _name(self) -> str:
        return f"{self._settings.host}:{self._settings.port}"

    def _opened(self, sender: str, recipient: str, *, size_bytes: int) -> Conversation:
        """Return the connection with a mail open on it.

        One that was kept from the mail before may be over: servers take so many mails on one and no more. Nothing
        has been handed over by then, so that another one is opened at once.
        """
        was_kept = self._client is not None
        client = self._connected()
        try:
            client.open_mail(sender, recipient, size_bytes=size_bytes)
        except (HungUp, smtplib.SMTPSenderRefused) as exc:
            if not (was_kept and _is_over(exc)):
                raise
            self._drop()
            client = self._connected()
            client.open_mail(sender, recipient, size_bytes=size_bytes)
        return client

    def _connected(self) -> Conversation:
        if self._client is not None:
            self._client.allow(self._try_seconds)
            return self._client
        self._client = Conversation(clock=self._clock, timeout_seconds=self._settings.timeout_seconds)
        self._client.allow(self._try_seconds)
        try:
            self._open(self._client)
            self._secure(self._client)
            self._sign_in(self._client)
        except MailFailed:
            self._drop()
            raise
        except (smtplib.SMTPException, OSError, ValueError) as exc:
            self._drop()
            raise MailServerUnavailable(f"{self._name}: {self._reason(exc)}") from exc
        return self._client

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _open(self, client: Conversation) -> None:
        settings = self._settings
        if settings.security != "none":
            at_once = client_context(verify=settings.verify) if settings.security == "tls" else None
            client.begin(settings.host, settings.port, tls=at_once)
            return
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
        self._insist_on_loopback(*(str(entry[4][0]) for entry in found))
        client.begin(settings.host, settings.port)
        self._insist_on_loopback(client.peer)  # a name may say something else the second time

    def _secure(self, client: Conversation) -> None:
        client.ehlo_or_helo_if_needed()
        if self._settings.security != "starttls":
            return
        if not client.has_extn("starttls"):
            raise MailServerUnavailable(f"{self._name} offers no STARTTLS: {_NOTHING_SENT}")
        client.encrypt(client_context(verify=self._settings.verify))
        client.ehlo_or_helo_if_needed()

    def _insist_on_loopback(self, *addresses: str) -> None:
        if not all(ipaddress.ip_address(address.partition("%")[0]).is_loopback for address in addresses):
            raise MailServerUnavailable(
                f"{self._name} is not on this machine: security 'none' is for loopback only, nothing was sent"
            )

    def _sign_in(self, client: smtplib.SMTP) -> None:
        settings = self._settings
        if settings.username is None:
            return
        try:
            password = self._vault.resolve(settings.password) if settings.password else ""
        except SecretUnavailable as exc:
            raise MailServerUnavailable(f"{self._name}: {exc.message}") from exc
        client.login(settings.username, password)

    def _refused(self, code: int, reply: bytes | str) -> MailFailed:
        if code == _SHUTTING_DOWN:
            self._drop()
        message = f"{self._name}: {code} {self._reply(reply)}"
        if code in _OUR_SETTINGS or code == _SHUTTING_DOWN:
            return MailServerUnavailable(message)
        if not _FIRST_REFUSAL <= code <= _LAST_REFUSAL:  # the answer to something else
            self._drop()
            return MailServerUnavailable(message)
        return MailFailed(message, permanent=code >= _FIRST_PERMANENT)

    def _refused_sender(self, exc: smtplib.SMTPSenderRefused) -> MailFailed:
        """Return why no mail of ours is taken: `mail.from` is not about this one mail, its size is (RFC 1870)."""
        refused = self._refused(exc.smtp_code, exc.smtp_error)
        if exc.smtp_code == _TOO_LARGE or not refused.permanent:
            return refused
        return MailServerUnavailable(f"{refused.message} (said to the sender {exc.sender})")

    def _reason(self, exc: Exception) -> str:
        if isinstance(exc, smtplib.SMTPResponseException):
            refused = "the sign-in was refused: " if isinstance(exc, smtplib.SMTPAuthenticationError) else ""
            return f"{refused}{exc.smtp_code} {self._reply(exc.smtp_error)}"
        if isinstance(exc, ssl.SSLError):
            return f"{refusal(exc)}: {_NOTHING_SENT}"
        if isinstance(exc, TimeoutError):
            return f"no answer within {self._settings.timeout_seconds:g} s"
        if isinstance(exc, UnicodeError):
            return "the user name or password has letters that SMTP sign-in cannot carry"
        if isinstance(exc, ValueError):
            return "what it answers to the sign-in is no SMTP"
        return self._reply(getattr(exc, "strerror", None) or str(exc) or type(exc).__name__)

    def _reply(self, reply: bytes | str) -> str:
        text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
        return clean_line(self._vault.mask(text), length=_REPLY_LENGTH)


def _is_over(failure: HungUp | smtplib.SMTPSenderRefused) -> bool:
    """Tell whether a server has ended a connection, and not just fallen silent."""
    if isinstance(failure, smtplib.SMTPSenderRefused):
        return failure.smtp_code == _SHUTTING_DOWN
    return not isinstance(failure.__cause__, TimeoutError)
