"""Hands mails to an SMTP server."""

from __future__ import annotations

import ipaddress
import smtplib
import socket
import ssl
from contextlib import suppress
from email.message import EmailMessage
from email.policy import SMTP

from opsrunner.errors import MailFailed, MailServerUnavailable, SecretUnavailable
from opsrunner.mail.headers import clean_line, parse_address
from opsrunner.model.site import SmtpSettings
from opsrunner.secrets import Vault

_OK = 250
_SHUTTING_DOWN = 421
_FIRST_PERMANENT = 500
_OUR_SETTINGS = frozenset({530, 534, 535, 538})
"""Replies about how we sign in (RFC 4954), not about the mail: the mail waits until that is put right."""
_REPLY_LENGTH = 300


class SmtpTransport:
    """Delivers through one server and keeps the connection until `close`.

    Encryption is what the settings say or nothing at all: no password and no mail goes out when
    STARTTLS is missing or the certificate is not good. Without encryption the server must be on
    this machine. `trust` replaces the system's certificate authorities (a house with its own).
    """

    def __init__(self, settings: SmtpSettings, *, vault: Vault, trust: ssl.SSLContext | None = None) -> None:
        self._settings = settings
        self._vault = vault
        self._trust = trust
        self._client: smtplib.SMTP | None = None

    def deliver(self, message: EmailMessage, *, to: str) -> None:
        """Hand `message` over to `to`; a 5xx reply is permanent, a 4xx or a lost connection is not."""
        sender = parse_address(str(message["From"])).address
        recipient = parse_address(to).address
        client = self._connected()
        try:
            client.sendmail(sender, [recipient], message.as_bytes(policy=SMTP))
        except smtplib.SMTPRecipientsRefused as exc:
            raise self._refused(*exc.recipients[recipient]) from exc
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
            with suppress(smtplib.SMTPException, OSError):
                client.quit()
            client.close()

    @property
    def _name(self) -> str:
        return f"{self._settings.host}:{self._settings.port}"

    def _connected(self) -> smtplib.SMTP:
        if self._client is not None and self._is_alive(self._client):
            return self._client
        self._drop()
        try:
            self._client = self._open()
            self._secure(self._client)
            self._sign_in(self._client)
        except MailFailed:
            self._drop()
            raise
        except (smtplib.SMTPException, OSError, UnicodeError) as exc:
            self._drop()
            raise MailServerUnavailable(f"{self._name}: {self._reason(exc)}") from exc
        return self._client

    @staticmethod
    def _is_alive(client: smtplib.SMTP) -> bool:
        try:
            return client.noop()[0] == _OK
        except (smtplib.SMTPException, OSError):
            return False

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _open(self) -> smtplib.SMTP:
        settings = self._settings
        if settings.security == "none":
            self._insist_on_loopback()
        if settings.security == "tls":
            return smtplib.SMTP_SSL(
                settings.host, settings.port, timeout=settings.timeout_seconds, context=self._context()
            )
        return smtplib.SMTP(settings.host, settings.port, timeout=settings.timeout_seconds)

    def _secure(self, client: smtplib.SMTP) -> None:
        client.ehlo_or_helo_if_needed()
        if self._settings.security != "starttls":
            return
        if not client.has_extn("starttls"):
            raise MailServerUnavailable(f"{self._name} offers no STARTTLS: nothing was sent, no password either")
        client.starttls(context=self._context())
        client.ehlo_or_helo_if_needed()

    def _insist_on_loopback(self) -> None:
        found = socket.getaddrinfo(self._settings.host, self._settings.port, type=socket.SOCK_STREAM)
        addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
        if not all(address.is_loopback for address in addresses):
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

    def _context(self) -> ssl.SSLContext:
        if self._settings.verify:
            return self._trust or ssl.create_default_context()
        unverified = ssl.create_default_context()
        unverified.check_hostname = False
        unverified.verify_mode = ssl.CERT_NONE
        return unverified

    def _refused(self, code: int, reply: bytes | str) -> MailFailed:
        if code == _SHUTTING_DOWN:
            self._drop()
        message = f"{self._name}: {code} {self._reply(reply)}"
        if code in _OUR_SETTINGS or code == _SHUTTING_DOWN:
            return MailServerUnavailable(message)
        return MailFailed(message, permanent=code >= _FIRST_PERMANENT)

    def _reason(self, exc: Exception) -> str:
        if isinstance(exc, smtplib.SMTPAuthenticationError):
            return f"the sign-in was refused: {exc.smtp_code} {self._reply(exc.smtp_error)}"
        if isinstance(exc, smtplib.SMTPResponseException):
            return f"{exc.smtp_code} {self._reply(exc.smtp_error)}"
        if isinstance(exc, ssl.SSLCertVerificationError):
            return f"its certificate is not good ({exc.verify_message}): nothing was sent, no password either"
        if isinstance(exc, TimeoutError) or isinstance(exc.__context__, TimeoutError):
            return f"no answer within {self._settings.timeout_seconds:g} s"
        if isinstance(exc, UnicodeError):
            return "the user name or password has letters that SMTP sign-in cannot carry"
        return self._reply(getattr(exc, "strerror", None) or str(exc) or type(exc).__name__)

    def _reply(self, reply: bytes | str) -> str:
        text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
        return clean_line(self._vault.mask(text), length=_REPLY_LENGTH)
