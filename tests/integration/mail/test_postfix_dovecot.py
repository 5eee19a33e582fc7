"""The whole way once: Postfix takes the digest over STARTTLS and AUTH, Dovecot stores it, IMAP reads it."""

from __future__ import annotations

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

from ...mail_house import NEEDS, MailHouse, wait_for
from .conftest import PASSWORD

pytestmark = pytest.mark.needs(*NEEDS)

REPORTS = (Path(__file__).parents[3] / "reports",)
USER = "boss@example.com"
UNTIL = datetime(2026, 11, 21, 6, tzinfo=UTC)


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
        house=(Figure(name="hosts", text="40 of 40 hosts reachable", tone="fine"),),
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
    (waiting,) = outbox.queued() or outbox.given_up(since=UNTIL.replace(year=2020), until=UNTIL.replace(year=9999))
    ledger.close()
    assert "the sign-in was refused: 535" in waiting.error
    assert "not this one" not in waiting.error
    assert [mail.subject for mail in fetch(mail_house, trusted) if mail.subject == "Hello"] == []
