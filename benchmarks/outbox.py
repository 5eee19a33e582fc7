"""How fast the outbox hands over, beside a bare loop of smtplib that keeps its connection and writes nothing down.

Both make each mail (3 kB of text and HTML) for its recipient and hand it to the same server, turn by turn. Ours reads
it from the ledger, notes each hand-over before the next one, and knows after any kill what went.
"""

from __future__ import annotations

import smtplib
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.policy import SMTP
from functools import partial
from pathlib import Path

from benchmarks.measure import Figure, seconds_of
from benchmarks.turns import ROOT

from opsrunner.clock import SystemClock
from opsrunner.engine.outbox import deliver_due
from opsrunner.ledger.database import Ledger
from opsrunner.ledger.outbox import Outbox
from opsrunner.mail.smtp import SmtpTransport
from opsrunner.model.mail import NewMail
from opsrunner.model.site import SmtpSettings
from opsrunner.secrets import Vault

MAILS, TURNS = 2_000, 5
LEAST = 0.8
FROM = "ops@example.com"
TEXT = "We work on web1 on Tuesday night, from 02:00 to 04:00. Your sites may be away for some minutes.\n" * 13
HTML = (
    f"<html><body>{'<p>We work on web1 on Tuesday night: your sites may be away for a while.</p>' * 23}</body></html>"
)


def figures() -> Iterator[Figure]:
    """Hand over TURNS times MAILS mails, by us and by the loop."""
    with _server() as port, tempfile.TemporaryDirectory() as folder:
        yield from _of_the_disk(Path(folder))
        ours: list[float] = []
        bare: list[float] = []
        ready: list[float] = []
        for number in range(TURNS):
            outbox = _queue(Path(folder) / f"{number}.db")
            ours.append(MAILS / seconds_of(partial(_deliver, outbox, port)))
            assert outbox.waiting() == 0
            bare.append(MAILS / seconds_of(partial(_loop, port)))
            contents = [(_recipient(each), _message(each).as_bytes(policy=SMTP)) for each in range(MAILS)]
            ready.append(MAILS / seconds_of(partial(_loop_of_ready, port, contents)))
        peer = "smtplib, one connection"
        rate = statistics.median(ours)
        name = f"outbox: {MAILS:,} mails of 3 kB to a server here"
        yield Figure(name=name, ours=rate, unit="/s", theirs=statistics.median(bare), peer=peer, least=LEAST)
        yield Figure(
            name=f"{name}, made before",
            ours=rate,
            unit="/s",
            theirs=statistics.median(ready),
            peer=f"{peer}, only sends",
            least=LEAST,
        )


def _of_the_disk(folder: Path) -> Iterator[Figure]:
    """Yield what a commit for each mail would cost."""
    outbox = _queue(folder / "commits.db", count=200)
    ids = [mail.id for mail in outbox.due(SystemClock().now(), 200)]
    now = SystemClock().now()

    def commit_all() -> None:
        for mail_id in ids:
            outbox.sent(mail_id, now)

    seconds = seconds_of(commit_all)
    yield Figure(name="outbox: a commit of the ledger", ours=seconds / len(ids) * 1000, unit="ms")
    with outbox.journal() as journal:
        journal.take()

        def note_all() -> None:
            for mail_id in ids:
                journal.begin(f"{mail_id}.x", now)
                journal.note(f"{mail_id}.x", now)
            journal.settled()

        yield Figure(name="outbox: a record of its journal", ours=seconds_of(note_all) / len(ids) * 1000, unit="ms")


def _queue(path: Path, *, count: int = MAILS) -> Outbox:
    outbox = Outbox(Ledger(path))
    mails = [
        NewMail(to=_recipient(number), subject=f"Notice {number}", text=TEXT, html=HTML, bulk=True, series="notice")
        for number in range(count)
    ]
    outbox.put(mails, at=SystemClock().now())
    return outbox


def _recipient(number: int) -> str:
    return f"c{number}@example.com"


def _deliver(outbox: Outbox, port: int) -> None:
    settings = SmtpSettings(host="127.0.0.1", port=port, security="none")
    transport = SmtpTransport(settings, vault=Vault(Path("/")))
    deliver_due(outbox, transport, from_=FROM, clock=SystemClock())


def _message(number: int) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = FROM, _recipient(number), f"Notice {number}"
    message.set_content(TEXT)
    message.add_alternative(HTML, subtype="html")
    return message


def _loop(port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port) as client:
        for number in range(MAILS):
            client.send_message(_message(number))


def _loop_of_ready(port: int, contents: list[tuple[str, bytes]]) -> None:
    with smtplib.SMTP("127.0.0.1", port) as client:
        for recipient, content in contents:
            client.sendmail(FROM, [recipient], content)


@contextmanager
def _server() -> Iterator[int]:
    """Serve in a process of its own; give the port."""
    command = [sys.executable, "-m", "benchmarks.outbox_server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as server:
        assert server.stdout is not None
        try:
            yield int(server.stdout.readline())
        finally:
            server.terminate()
