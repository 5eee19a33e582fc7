"""The whole way once: Postfix takes the digest over STARTTLS and AUTH, Dovecot stores it, IMAP reads it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from imap_tools import MailBox, MailMessage

from opsrunner.clock import SystemClock
from opsrunner.engine.digest_render import render_html, render_text
from opsrunner.engine.digest_words import compose_headline, compose_preheader, compose_subject
from opsrunner.engine.outbox import deliver_due
from opsrunner.ledger.database import Ledger
from opsrunner.ledger.outbox import Outbox
from opsrunner.mail.smtp import SmtpTransport
from opsrunner.model.digest import Digest, Figure, OpenItem
from opsrunner.model.mail import NewMail
from opsrunner.model.site import SmtpSettings
from opsrunner.secrets import SecretRef, Vault

pytestmark = pytest.mark.needs("root", "postfix", "dovecot")  # both start as root only

REPORTS = (Path(__file__).parents[3] / "reports",)
USER, PASSWORD = "boss@example.com", "correct horse battery"
UNTIL = datetime(2026, 11, 21, 6, tzinfo=UTC)
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
    port = 0
  }}
  inet_listener imaps {{
    port = {port}
    ssl = yes
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

    def logs(self) -> str:
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that the servers' own users can reach and whose paths are short enough for sockets."""
    path = Path(tempfile.mkdtemp(prefix="mail-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def mail_house(folder: Path, certificate: Any, pick_port: Callable[[], int]) -> Iterator[MailHouse]:
    house = MailHouse(folder=folder, smtp_port=pick_port(), imap_port=pick_port())
    write_postfix(house, certificate)
    write_dovecot(house, certificate)
    postfix = ["/usr/sbin/postfix", "-c", f"{folder}/etc"]
    dovecot = ["/usr/sbin/dovecot", "-F", "-c", f"{folder}/dovecot.conf"]
    sockets = folder / "queue/private"
    with running(house, [*postfix, "start-fg"], [*postfix, "stop"]):
        wait_for((sockets / "lmtp").exists, house)
        with running(house, dovecot, None):
            wait_for((sockets / "dovecot-lmtp").exists, house)
            yield house


def write_postfix(house: MailHouse, certificate: Any) -> None:
    owner = pwd.getpwnam("postfix")
    for name in ("etc", "queue", "data"):
        (house.folder / name).mkdir()
        (house.folder / name).chmod(0o755)
    os.chown(house.folder / "data", owner.pw_uid, owner.pw_gid)
    files = {"folder": house.folder, "chain": certificate.chain, "key": certificate.key}
    write(house.folder / "etc/main.cf", MAIN_CF.format(**files))
    write(house.folder / "etc/master.cf", MASTER_CF.format(port=house.smtp_port))


def write_dovecot(house: MailHouse, certificate: Any) -> None:
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
    }
    write(house.folder / "dovecot.conf", DOVECOT_CONF.format(**values))
    write(house.folder / "users", f"{USER}:{{PLAIN}}{PASSWORD}\n")


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


def digest() -> Digest:
    item = OpenItem(
        tone="failed",
        word="Overdue",
        title="Besvar misbruksmeldingen på web5 <now>",
        facts="Due Fri 18:00, 13 h late. " + "Output: ÆØÅ 你好 \udcff " * 40,
        with_whom="First technician (on-call)",
        task=12,
    )
    return Digest(
        series="daily",
        site="Blåbær Hosting",
        zone="Europe/Oslo",
        from_=datetime(2026, 11, 20, 6, tzinfo=UTC),
        until=UNTIL,
        headline=compose_headline(1, 0, 37),
        subject=compose_subject(["misbruk på web5"], in_hand=0, fine=37, day=UNTIL.date(), series="daily"),
        preheader=compose_preheader([item.title], []),
        needs_you=(item,),
        in_hand=(),
        house=(Figure(name="hosts", text="40 of 40 hosts reachable"),),
        counts="37 routines, 214 runs.",
        planned=(),
    )


def fetch(house: MailHouse, certificate: Any) -> list[MailMessage]:
    mailbox = MailBox("127.0.0.1", port=house.imap_port, ssl_context=certificate.trust())
    with mailbox.login(USER, PASSWORD) as inbox:
        return list(inbox.fetch())


def test_it_brings_the_digest_into_the_owners_inbox(mail_house: MailHouse, trusted: Any, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    settings = SmtpSettings(
        host="127.0.0.1", port=mail_house.smtp_port, username=USER, password=SecretRef(file="password")
    )
    transport = SmtpTransport(settings, vault=Vault(tmp_path))
    written = digest()
    mail = NewMail(
        to=f"The owner <{USER}>",
        subject=written.subject,
        text=render_text(written, REPORTS),
        html=render_html(written, REPORTS),
        about="digest daily",
    )
    ledger = Ledger(tmp_path / "ledger.db")
    outbox = Outbox(ledger)
    outbox.put([mail], at=UNTIL)
    (queued,) = outbox.queued()

    assert deliver_due(outbox, transport, from_="Ops <ops@example.com>", clock=SystemClock()) == 1
    assert outbox.queued() == [], mail_house.logs()
    ledger.close()

    (received,) = wait_for(lambda: fetch(mail_house, trusted), mail_house)
    assert received.subject == "1 needs you: misbruk på web5 · Sat 21 Nov"
    assert (received.from_, received.to) == ("ops@example.com", (USER,))
    assert received.date == UNTIL
    assert received.headers["message-id"] == (f"<{queued.message_id}@example.com>",)
    assert received.text.replace("\r\n", "\n").startswith(
        "One thing needs you. 37 are fine.\n\nBlåbær Hosting, daily digest\n"
    )
    assert "Besvar misbruksmeldingen på web5 <now>" in received.text
    assert "Besvar misbruksmeldingen på web5 &lt;now&gt;" in received.html
    assert received.html.replace("\r\n", "\n").strip() == render_html(written, REPORTS).strip()
    assert received.obj.defects == []


def test_it_is_refused_without_the_right_password(mail_house: MailHouse, trusted: Any, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("not this one")
    settings = SmtpSettings(
        host="127.0.0.1", port=mail_house.smtp_port, username=USER, password=SecretRef(file="password")
    )
    transport = SmtpTransport(settings, vault=Vault(tmp_path))
    ledger = Ledger(tmp_path / "ledger.db")
    outbox = Outbox(ledger)
    outbox.put([NewMail(to=USER, subject="Hello", text="Text")], at=UNTIL)
    deliver_due(outbox, transport, from_="ops@example.com", clock=SystemClock())
    (waiting,) = outbox.queued() or outbox.given_up(since=UNTIL)
    ledger.close()
    assert "the sign-in was refused: 535" in waiting.error
    assert "not this one" not in waiting.error
    assert [mail.subject for mail in fetch(mail_house, trusted) if mail.subject == "Hello"] == []
