"""`kill -9` in the middle of a pass: afterwards every recipient has exactly one row and exactly one mail."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from opsrunner.ledger.books import Books

PASS = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo
from opsrunner.ledger.books import Books
from opsrunner.model.mail import NewMail
from opsrunner.model.notice import Occasion, Recipient
from opsrunner.notices.desk import PassDesk
from opsrunner.notices.due import Rules
from opsrunner.notices.messages import NoticeSettings
from opsrunner.notices.passing import NoticePass
from opsrunner.notices.words import parse_ladder

count, now = int(sys.argv[2]), datetime(2026, 12, 2, 8, tzinfo=UTC)
books = Books.open(Path(sys.argv[1]))
rules = Rules(ladder=parse_ladder(["30d", "7d"], has_until=False), zone=ZoneInfo("Europe/Oslo"))
compose = lambda message: NewMail(to=message.recipient.address, subject=message.occasion.key, text="t", bulk=True)
desk = PassDesk(NoticeSettings(notice="n.n", rules=rules), notices=books.notices, suppressions=books.suppressions,
                compose=compose, now=now)
passing = NoticePass(desk)
at = datetime(2026, 12, 31, 12, tzinfo=UTC)
rows = [Occasion(notice="n.n", key=f"d{number}", at=at, recipients=(Recipient(address=f"c{number}@example.com"),))
        for number in range(count)]
print("begun", flush=True)
for start in range(0, count, 100):
    passing.take(rows[start:start + 100])
print("done", flush=True)
"""


def one_pass(ledger: Path, count: int) -> subprocess.Popen[str]:
    """Start a pass, and return when it begins to write."""
    running = subprocess.Popen([sys.executable, "-c", PASS, str(ledger), str(count)], stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    assert running.stdout.readline() == "begun\n"
    return running


def torture(ledger: Path, *, kills: int, count: int) -> None:
    dice, cut = random.Random(7), 0
    for _ in range(kills):
        with one_pass(ledger, count) as running:
            try:
                running.wait(timeout=dice.uniform(0.0, 0.25))
            except subprocess.TimeoutExpired:
                running.kill()
                cut += 1
    with one_pass(ledger, count) as running:
        assert running.wait(timeout=100) == 0
    books = Books.open(ledger)
    mails = [mail.to for mail in books.outbox.queued()]
    told = books.notices.told("n.n", [f"d{number}" for number in range(count)])
    books.ledger.close()
    assert cut > 0, "nothing was cut off"
    assert sorted(mails) == sorted(f"c{number}@example.com" for number in range(count))
    assert {len(rungs) for rungs in told.values()} == {1}
    assert len({rungs[0].outbox for rungs in told.values()}) == len(told) == count


def test_a_pass_that_is_killed_again_and_again_tells_everybody_once(tmp_path: Path) -> None:
    torture(tmp_path / "ledger.db", kills=4, count=3_000)


@pytest.mark.soak
def test_fifty_kills_of_ten_thousand_mails(tmp_path: Path) -> None:
    torture(tmp_path / "ledger.db", kills=50, count=10_000)
