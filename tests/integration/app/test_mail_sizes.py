"""However much there is to tell, and in whatever letters, a mail stays one that servers and phones take (B82)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from opsrunner.ledger.runs import NewRun
from opsrunner.mail.message import build
from opsrunner.model.run import RunStatus, Trigger

MOST_BYTES = 200_000
STEPS = "".join(f"  - {{id: s{number}, run: echo}}\n" for number in range(12))
LETTERS = [
    pytest.param("&", id="each five letters in HTML"),
    pytest.param("<b>\"'", id="marks"),
    pytest.param("👍", id="four bytes each"),
    pytest.param("a\u0300\u0301", id="marks on letters"),
    pytest.param("\x1b[31mred\x1b[0m\r\n", id="colours and lines"),
]


@pytest.mark.parametrize("letters", LETTERS)
def test_every_mail_stays_small(house: Callable[..., Any], letters: str) -> None:
    long = letters * (100_000 // len(letters))
    name = "Noisy " + "&👍" * 40
    site = house({"noisy": f"name: '{name}'\naccountable: sysadmin\nsteps:\n{STEPS}"})
    site.work()
    books, routine, at = site.app.books, site.app.site.routines["noisy"], site.clock.now()
    boss = site.app.site.people["boss"]
    with books.transaction():
        run = books.runs.claim(NewRun(routine="noisy", trigger=Trigger.MANUAL, status=RunStatus.RUNNING), at=at)
        for plan in routine.steps:
            bad = [(f"{letters * 50}{number}", long) for number in range(5)]
            site.app.follow_ups.failed_for(run, routine, plan, bad=bad, at=at)
        site.app.alerts.urgent_failure(run, routine, routine.steps[0], long, at)
        books.runs.finish(run.id, status=RunStatus.FAILED, reason="step s0", at=at)
    for number in range(60):
        site.app.ticks.add(f"{number} {letters * 200}", how=long[:5000], actor=boss, at=at, role="owner")
    site.clock.move(minutes=1)
    site.app.digests.send_now("daily", site.clock.now())

    mails = books.outbox.queued()
    sizes = {
        mail.about: len(build(mail, from_="ops@example.com", message_id="1.x", date=at + timedelta()).as_bytes())
        for mail in mails
    }
    assert {"digest daily"} < set(sizes)
    assert {about: size for about, size in sizes.items() if size >= MOST_BYTES} == {}
    (digest,) = (mail for mail in mails if mail.about == "digest daily")
    assert "60" in digest.subject
    assert len(digest.subject) < 250
