"""`kill -9` at the commits of the ledger while customers are told: approval, strike, move, leaving, cancellation.

The story is one that a week of a hosting company could be. A process that plays it ends, without a word, right before
or right after one commit; another goes on from that moment. Whatever commit it is, customers get the same mails as if
nothing had happened.
"""

from __future__ import annotations

import email
import email.policy
import os
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.integration.app.conftest import START, House

from opsrunner.engine.downtime_acts import By
from opsrunner.engine.downtimes import time_of_window
from opsrunner.engine.leaving import Leaver
from opsrunner.ledger.writing import Writer
from opsrunner.model.notice import Suppression
from opsrunner.model.task import Evidence, TaskStatus
from opsrunner.testing import FakeClock

KILLED = 77
NOTICE = "renewals.notice"
SITE = """\
site: Example Hosting
timezone: Europe/Oslo
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner], login: boss}
mail: {from: ops@example.com}
sources:
  services:
    csv: services.csv
    columns: {service: text, customer: text, name: text, email: text, host: text}
  domains:
    csv: domains.csv
    columns: {domain: text, name: text, email: text, expires_at: date}
"""
WINDOWS = """\
windows:
  kernel:
    name: Kernel updates
    about: Websites are away for a few minutes.
    schedule: {every: month, on: first tuesday, at: "02:00"}
    lasts: 2h
    hosts: [web1]
    accountable: owner
    audience: {source: services}
    ladder: [7d, 24h, start, end]
    approve: 8d
"""
RENEWALS = """\
name: Domain renewals
accountable: owner
schedule: {every: day, at: "08:00"}
steps:
  - notice:
      source: domains
      key: domain
      at: expires_at
      to: email
      name: name
      ladder: [30d, 14d, 7d]
      template: renewal
      moved: tell
      live: true
"""
SERVICES = """\
service,customer,name,email,host
a,C1,Kari,kari@customer.example,web1
b,C2,Ola,ola@customer.example,web1
c,C3,Per,per@customer.example,web1
"""
DOMAINS = """\
domain,name,email,expires_at
a.example,Kari,kari@customer.example,2026-12-15
b.example,Ola,ola@customer.example,2026-12-16
c.example,Per,per@customer.example,2026-12-17
d.example,Liv,liv@customer.example,2026-12-18
d.example,Liv,liv.home@customer.example,2026-12-18
e.example,Åse,aase@customer.example,2026-12-18
"""
LATER = """\
domain,name,email,expires_at
a.example,Kari,kari@customer.example,2026-12-15
b.example,Ola,ola@customer.example,2026-12-20
c.example,Per,per@customer.example,2026-12-20
e.example,Åse,aase@customer.example,2026-12-18
"""
FILES = {
    "opsrunner.yaml": SITE,
    "maintenance.yaml": WINDOWS,
    "routines/renewals.yaml": RENEWALS,
    "reports/renewal.txt.j2": "Subject: {{ row.domain }} {{ change or rung }}\n{{ name }}, {{ at.date() }}\n",
    "services.csv": SERVICES,
    "domains.csv": DOMAINS,
}


class Story:
    """One week, act by act. Whoever is killed in an act leaves it to the next one, which plays it again."""

    def __init__(self, root: Path) -> None:
        self.root, self.place = root, root / "act"

    def play(self) -> None:
        first = int(self.place.read_text()) if self.place.exists() else 0
        acts = self.acts()
        house: House | None = None
        for number, (when, act) in enumerate(acts[first:], start=first):
            self.place.write_text(str(number))
            moment = datetime.fromisoformat(when).replace(tzinfo=UTC)
            if house is None:
                clock = FakeClock(START)
                clock.set(moment - timedelta(seconds=1))
                house = House(self.root, clock)
            house.at(when)
            act(house)
            house.app.announcer.work(house.clock.now())
            house.app.deliver()
        assert house is not None
        house.close()

    def acts(self) -> list[tuple[str, Callable[[House], None]]]:
        return [
            ("2026-11-23 02:00", self.nothing),
            ("2026-11-23 08:00", self.approve),
            ("2026-11-24 02:00", self.nothing),
            ("2026-11-24 08:00", self.move),
            ("2026-11-24 09:00", self.leave),
            ("2026-11-25 06:00", self.edit),
            ("2026-11-25 08:00", self.cancel),
            ("2026-12-06 08:00", self.nothing),
        ]

    def nothing(self, house: House) -> None:
        """Only time passes."""

    def approve(self, house: House) -> None:
        """The owner approves both lists, without Per."""
        boss = house.app.people.named("boss")
        for task in [one for one in house.app.books.tasks.opened() if one.approve_by]:
            struck = tuple(number for number, row in enumerate(task.rows) if row["to"].startswith("per@"))
            house.app.ticks.tick(
                task.id, status=TaskStatus.DONE, evidence=Evidence(), actor=boss, at=house.clock.now(), struck=struck
            )
        house.clock.move(seconds=31)
        house.work()

    def move(self, house: House) -> None:
        found = self.window(house)
        if found.row.moved_at is None:
            begins_at = datetime(2026, 12, 3, 1, tzinfo=UTC)
            house.app.downtime_acts.move(found, begins_at=begins_at, ends_at=None, reason="A storm.", by=self.by(house))

    def leave(self, house: House) -> None:
        """Kari leaves by her link, and staff suppress Åse, as the verb does."""
        now, books = house.clock.now(), house.app.books
        house.app.leave.leave(Leaver(notice=NOTICE, address="kari@customer.example"), at=now, address="192.0.2.1")
        with books.transaction():
            gone = Suppression(address="aase@customer.example", why="bounces", by="boss", at=now)
            if books.suppressions.add([gone]):
                books.notices.take_back(gone, contractual=True)

    def edit(self, house: House) -> None:
        """Dates of b and c move, and d is gone."""
        house.write("domains.csv", LATER)

    def cancel(self, house: House) -> None:
        found = self.window(house)
        if found.row is not None and found.row.cancelled_at is None:  # once it is called off, the next one is found
            house.app.downtime_acts.cancel(found, reason="The vendor withdrew it.", by=self.by(house))

    def window(self, house: House) -> Any:
        return time_of_window(house.app.desk, "kernel", at=house.clock.now())

    def by(self, house: House) -> By:
        return By(actor=house.app.people.named("boss"), at=house.clock.now())

    def mails(self) -> Counter[str]:
        """Return whom customers' mails went to, and what they were about."""
        found: Counter[str] = Counter()
        for path in (self.root / "var" / "maildir" / "new").iterdir():
            mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            if str(mail["To"]).endswith("customer.example"):
                found[f"{str(mail['To']).partition('@')[0]}: {mail['Subject']}"] += 1
        return found


def played(root: Path, *, end_at: int = 0, is_after: bool = False) -> tuple[bool, int]:
    """Play on in a process of its own, that ends at a commit; return whether it came to the end, and its commits."""
    counted, (reads, writes) = 0, os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover
        plain = Writer._commit

        def commit(self: Writer, group: Any) -> None:
            nonlocal counted
            counted += 1
            if counted == end_at and not is_after:
                os._exit(KILLED)
            plain(self, group)
            if counted == end_at:
                os._exit(KILLED)

        Writer._commit = commit  # type: ignore[method-assign]
        try:
            Story(root).play()
            os.write(writes, str(counted).encode())
            os._exit(0)
        except BaseException:  # noqa: BLE001
            traceback.print_exc()
        os._exit(1)
    os.close(writes)
    with os.fdopen(reads) as pipe:
        said = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, KILLED), "the story went wrong"
    return code == 0, int(said or 0)


@pytest.fixture
def site(make_site: Callable[[Mapping[str, str]], Path]) -> Path:
    return make_site(FILES)


def torture(make_site: Callable[..., Path], tmp_path: Path, *, kills: int | None) -> None:
    """Play the story undisturbed, then with a kill before and after `kills` of its commits (None: all of them)."""
    calm = make_site(FILES)
    is_whole, commits = played(calm)
    assert is_whole
    expected = Story(calm).mails()
    assert set(expected.values()) == {1}
    step = 1 if kills is None else max(1, commits // kills)
    for number, end_at in enumerate(range(1 + step // 2, commits + 1, step)):
        for is_after in (False, True) if kills is None else (bool(number % 2),):
            root = make_site(FILES)
            played(root, end_at=end_at, is_after=is_after)
            assert played(root)[0]
            told = Story(root).mails()
            assert told == expected, f"commit {end_at} of {commits}, after it: {is_after}"


def test_a_week_of_notices_ends_the_same_wherever_it_is_killed(
    make_site: Callable[[Mapping[str, str]], Path], tmp_path: Path
) -> None:
    torture(make_site, tmp_path, kills=4)


@pytest.mark.soak
def test_a_week_of_notices_killed_at_every_commit(
    make_site: Callable[[Mapping[str, str]], Path], tmp_path: Path
) -> None:
    torture(make_site, tmp_path, kills=None)
