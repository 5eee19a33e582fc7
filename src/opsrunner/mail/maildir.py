"""Puts mails into a Maildir, the mailbox of sites that name no mail server."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parsedate_to_datetime
from pathlib import Path

from opsrunner.durable import sync_folder
from opsrunner.errors import MailServerUnavailable
from opsrunner.mail.headers import parse_address
from opsrunner.mail.transport import nothing


class MaildirTransport:
    """Delivers into `folder` (https://cr.yp.to/proto/maildir.html), readable by its owner only.

    A mail appears whole or not at all. Its file is named after its Message-ID and recipient, so
    that the same mail handed over twice, after a crash, lies there once.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def deliver(self, message: EmailMessage, *, to: str, meanwhile: Callable[[], None] = nothing) -> None:  # noqa: ARG002 (a disk is not waited for)
        """Write `message` to the disk. Raises MailServerUnavailable when the folder cannot be written."""
        name = _file_name(message, parse_address(to).address)
        try:
            self._make_folders()
            if not self._holds(name):
                self._write(name, message.as_bytes(policy=SMTP.clone(linesep="\n")))
        except OSError as exc:
            raise MailServerUnavailable(f"cannot write the mailbox {self._folder}: {exc.strerror}") from exc

    def close(self) -> None:
        """There is no connection to close."""

    def _make_folders(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("tmp", "new", "cur"):
            (self._folder / name).mkdir(mode=0o700, exist_ok=True)

    def _holds(self, name: str) -> bool:
        return (self._folder / "new" / name).exists() or any((self._folder / "cur").glob(f"{name}:2,*"))

    def _write(self, name: str, content: bytes) -> None:
        unfinished = self._folder / "tmp" / name
        unfinished.unlink(missing_ok=True)
        try:
            with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123 (only os.open takes the mode at creation)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            unfinished.rename(self._folder / "new" / name)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        sync_folder(self._folder / "new")


def _file_name(message: EmailMessage, recipient: str) -> str:
    identity = f"{message['Message-ID']}\n{recipient}"
    moment = int(parsedate_to_datetime(str(message["Date"])).timestamp())
    return f"{moment}.{hashlib.sha256(identity.encode()).hexdigest()[:32]}.opsrunner"
