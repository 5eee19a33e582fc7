"""A real Postfix and a real Dovecot with folders of their own: SMTP in, LMTP between them, IMAP out."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

NEEDS = ("root", "postfix", "dovecot")
"""Both start as root only."""
PATIENCE_SECONDS = 30

MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/postfix.log
maillog_file_prefixes = {folder}
myhostname = mail.example.com
mydestination =
alias_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
virtual_mailbox_domains = example.com
virtual_transport = lmtp:unix:private/dovecot-lmtp
smtpd_tls_security_level = encrypt
smtpd_tls_auth_only = yes
smtpd_tls_cert_file = {chain}
smtpd_tls_key_file = {key}
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
"""
MASTER_CF = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
lmtp unix - - n - - lmtp
postlog unix-dgram n - n - 1 postlogd
"""
DOVECOT_CONF = """\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
listen = 127.0.0.1
protocols = imap lmtp
auth_failure_delay = 0
ssl = required
ssl_cert = <{chain}
ssl_key = <{key}
mail_location = maildir:{folder}/mail/%u
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {folder}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/mail/%u
}}
service imap-login {{
  inet_listener imap {{
    port = {starttls_port}
  }}
  inet_listener imaps {{
    port = {port}
    ssl = yes
  }}
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service auth {{
  unix_listener {folder}/queue/private/auth {{
    mode = 0660
    user = postfix
  }}
}}
service lmtp {{
  unix_listener {folder}/queue/private/dovecot-lmtp {{
    mode = 0660
    user = postfix
  }}
}}
"""


@dataclass(frozen=True, kw_only=True)
class MailHouse:
    """A running Postfix and Dovecot."""

    folder: Path
    smtp_port: int
    imap_port: int
    """TLS at once."""
    starttls_port: int

    def logs(self) -> str:
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))

    def put(self, raw: bytes, *, user: str, at: datetime, folder: str = "INBOX", flags: str = "") -> Path:
        """Put a mail straight into a mailbox, as no SMTP server would take it; `flags` are Maildir's (S, R, F)."""
        home = self.folder / "mail" / user / ("" if folder == "INBOX" else f".{folder}")
        owner = pwd.getpwnam("nobody")
        for name in ("cur", "new", "tmp"):
            (home / name).mkdir(parents=True, exist_ok=True)
        path = home / "cur" / f"{uuid.uuid4().hex}:2,{flags}"
        path.write_bytes(raw)
        os.utime(path, (at.timestamp(), at.timestamp()))  # what Dovecot tells as INTERNALDATE
        for made in (home.parent, home, *home.iterdir(), path):
            os.chown(made, owner.pw_uid, owner.pw_gid)
        return path

    def empty(self, user: str) -> None:
        """Take a user's mails away."""
        shutil.rmtree(self.folder / "mail" / user, ignore_errors=True)


@contextmanager
def keeping_house(certificate: Any, pick_port: Callable[[], int], *, users: Mapping[str, str]) -> Iterator[MailHouse]:
    """Keep a Postfix and a Dovecot with mailboxes for `users` (address → password). Mark tests with NEEDS."""
    folder = Path(tempfile.mkdtemp(prefix="mail-"))  # the servers' users reach it, and its path fits sockets
    folder.chmod(0o755)
    house = MailHouse(folder=folder, smtp_port=pick_port(), imap_port=pick_port(), starttls_port=pick_port())
    write_postfix(house, certificate)
    write_dovecot(house, certificate, users)
    postfix = ["/usr/sbin/postfix", "-c", f"{folder}/etc"]
    dovecot = ["/usr/sbin/dovecot", "-F", "-c", f"{folder}/dovecot.conf"]
    sockets = folder / "queue/private"
    try:
        with running(house, [*postfix, "start-fg"], [*postfix, "stop"]):
            wait_for((sockets / "lmtp").exists, house)
            with running(house, dovecot, None):
                wait_for((sockets / "dovecot-lmtp").exists, house)
                yield house
    finally:
        shutil.rmtree(folder)


def write_postfix(house: MailHouse, certificate: Any) -> None:
    owner = pwd.getpwnam("postfix")
    for name in ("etc", "queue", "data"):
        (house.folder / name).mkdir()
        (house.folder / name).chmod(0o755)
    os.chown(house.folder / "data", owner.pw_uid, owner.pw_gid)
    files = {"folder": house.folder, "chain": certificate.chain, "key": certificate.key}
    write(house.folder / "etc/main.cf", MAIN_CF.format(**files))
    write(house.folder / "etc/master.cf", MASTER_CF.format(port=house.smtp_port))


def write_dovecot(house: MailHouse, certificate: Any, users: Mapping[str, str]) -> None:
    nobody = pwd.getpwnam("nobody")
    (house.folder / "mail").mkdir()
    os.chown(house.folder / "mail", nobody.pw_uid, nobody.pw_gid)
    values = {
        "folder": house.folder,
        "chain": certificate.chain,
        "key": certificate.key,
        "uid": nobody.pw_uid,
        "gid": nobody.pw_gid,
        "port": house.imap_port,
        "starttls_port": house.starttls_port,
    }
    write(house.folder / "dovecot.conf", DOVECOT_CONF.format(**values))
    write(house.folder / "users", "".join(f"{user}:{{PLAIN}}{word}\n" for user, word in users.items()))


def write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o644)


@contextmanager
def running(house: MailHouse, command: list[str], stop: list[str] | None) -> Iterator[None]:
    """Keep a server in the foreground; end it by its own stop command, else by SIGTERM."""
    with (house.folder / "output.log").open("ab") as output:
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            yield
        finally:
            if stop is None:
                server.terminate()
            else:
                subprocess.run(stop, stdout=output, stderr=output, check=False, timeout=PATIENCE_SECONDS)
            server.wait(PATIENCE_SECONDS)


def wait_for(true: Callable[[], Any], house: MailHouse) -> Any:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if answer := true():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"it did not come about in {PATIENCE_SECONDS} s\n{house.logs()}")
