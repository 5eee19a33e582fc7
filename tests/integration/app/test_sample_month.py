"""A month of the sample company: what was foretold on its first day is what was handed over, mail by mail.

In the short form the company's data stand still, so that nothing may differ. In `make soak` it lives on: what differs
then must be a row that came or went, and is counted.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, NamedTuple, Self
from zoneinfo import ZoneInfo

import pytest

from opsrunner.engine.downtime_acts import By
from opsrunner.engine.downtimes import time_of_window
from opsrunner.engine.notice_forecast import foresee_notices
from opsrunner.engine.outbox import deliver_due
from opsrunner.model.notice import ToldStatus
from opsrunner.model.task import Evidence, TaskStatus
from opsrunner.sample.company import company_at
from opsrunner.sample.holdings import service_rows, services_of
from opsrunner.sample.orders import orders_of
from opsrunner.sample.writing import write_samples
from opsrunner.testing import FakeClock, MemoryMail

ROOT = Path(__file__).parents[3]
OSLO = ZoneInfo("Europe/Oslo")
START = datetime(2027, 2, 26, 9, tzinfo=UTC)
MONTH = timedelta(days=31)
"""It ends the day after the clocks change, and has both windows of the site in it."""
LOOKS = (time(2), time(4), time(7, 10))
"""On the site's wall clock, each day; WEEK has the hours of the single window, too."""
WEEK, WEEK_LOOKS = (date(2027, 3, 1), date(2027, 3, 8)), (time(1), *LOOKS[:2], time(5), *LOOKS[2:])
TELLING = ("renewals", "maintenance-eve")
"""The routines of the site with a notice, or that go by a window."""
WINDOW_HOSTS = {"maintenance.kernel": {"web1", "web2", "web3"}, "maintenance.faster-disks": {"vps1", "vps2"}}


class Mail(NamedTuple):
    """One mail of a notice."""

    notice: str
    about: str
    """The row's key, or when the window begins on the site's wall clock."""
    rung: str
    to: str
    at: datetime


class Month:
    """The sample site on a clock that is moved from look to look."""

    def __init__(self, house: Any) -> None:
        self.house, self.post = house, MemoryMail()
        self.app, self.clock = house.app, house.clock
        self.boss = self.app.site.people["boss"]

    def look(self) -> None:
        """Let routines run, end windows whose time is over, tell customers, hand over, and approve what is asked."""
        self.house.work()
        for row in self.app.books.downtimes.unclosed():
            if not row.is_over and row.ends_at is not None and row.ends_at <= self.clock.now():
                stand = time_of_window(self.app.desk, row.window, at=self.clock.now())
                self.app.downtime_acts.end(stand, by=self.by)
        self.app.announcer.work(self.clock.now())
        deliver_due(self.app.books.outbox, self.post, from_="ops@example.com", clock=self.clock)
        for task in self.app.books.tasks.opened():
            if task.approve_by:
                at = self.clock.now()
                done = {"status": TaskStatus.DONE, "evidence": Evidence(note="approved")}
                self.app.ticks.tick(task.id, actor=self.boss, at=at, **done)

    @property
    def by(self) -> Any:
        return By(actor=self.boss, at=self.clock.now())

    def live(self, *, until: datetime) -> None:
        for moment in _looks(self.clock.now(), until):
            self.clock.set(moment)
            self.look()

    def foretold(self, *, until: datetime) -> list[Mail]:
        """Return what `opsrunner notices` says will go, sorted."""
        found = foresee_notices(self.app.notices, until=until, vault=self.app.vault)
        assert [(one.label, one.problem) for one in found if one.problem] == []
        return sorted(
            Mail(each.notice, one.message.occasion.key, one.message.rung, one.message.recipient.address, one.goes_at)
            for each in found
            for one in each.coming
            if one.state in ("goes", "held", "by hand")
        )

    def sent(self, since: datetime) -> list[Mail]:
        """Return what the ledger says went, sorted."""
        told = self.app.books.notices.newest(since=since, most=1_000_000)
        return sorted(
            Mail(one.notice, self._about(one.notice, one.key), one.rung, one.recipient, one.at)
            for one in told
            if one.status is ToldStatus.SENT
        )

    def handed_over(self, since: datetime) -> Counter[tuple[str, datetime]]:
        """Return who was handed a mail, and its date; those for staff are left out."""
        staff = {one.email for one in self.app.site.people.values()}
        mails = [
            (to, parsedate_to_datetime(str(message["Date"])).astimezone(UTC)) for to, message in self.post.delivered
        ]
        return Counter((to, at) for to, at in mails if to not in staff and at >= since)

    def handed_over_by_notices(self, since: datetime) -> Counter[tuple[str, datetime]]:
        """Return the same of the mails of notices alone: routines write to customers by the step `email`, too."""
        mine = {(one.to, one.at) for one in self.sent(since)}
        return Counter({about: count for about, count in self.handed_over(since).items() if about in mine})

    def _about(self, notice: str, key: str) -> str:
        if not notice.startswith("maintenance."):
            return key
        begins = self.app.books.downtimes.get(int(key.partition(".")[0])).begins_at
        return f"{begins.astimezone(OSLO):%Y-%m-%d %H:%M}"


def _looks(after: datetime, until: datetime) -> Iterator[datetime]:
    day = after.astimezone(OSLO).date()
    while day <= until.astimezone(OSLO).date():
        for clock in WEEK_LOOKS if WEEK[0] <= day <= WEEK[1] else LOOKS:
            moment = datetime.combine(day, clock, OSLO).astimezone(UTC)
            if after < moment <= until and moment.astimezone(OSLO).time() == clock:
                yield moment
        day += timedelta(days=1)


class Audience:
    """Whom the sample's services say at a moment."""

    def __init__(self, rows: Sequence[Mapping[str, object]]) -> None:
        active = [row for row in rows if row["status"] == "active"]
        self._hosts = {(row["email"], row["host"]) for row in active}
        self._yearly = {(row["service"], row["email"], row["renews_at"]) for row in active if row["cycle"] == "yearly"}

    @classmethod
    def at(cls, moment: datetime) -> Self:
        """Return it as the sample's generator makes it."""
        company = company_at(moment, seed=2026)
        return cls(service_rows(company, services_of(company, orders_of(company))))

    def has(self, mail: Mail) -> bool:
        """Tell whether a mail's row is there."""
        if mail.notice in WINDOW_HOSTS:
            return any((mail.to, host) in self._hosts for host in WINDOW_HOSTS[mail.notice])
        days = int(mail.rung.removesuffix("d"))
        ends = {(mail.at + timedelta(days=days + late)).date().isoformat() for late in (0, 1, 2, 3, 4, 5)}
        return any((mail.about, mail.to, end) in self._yearly for end in ends)


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory: what is asked is not how fast a disk is."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:  # noqa: PTH112
        yield Path(folder)


@pytest.fixture
def sample(memory: Path, reopened: Callable[..., Any]) -> Callable[..., Month]:
    """Open a copy of the sample site whose own letters are live; with `is_still` its data stay what they are."""

    def build(*, is_still: bool, routines: tuple[str, ...] = ()) -> Month:
        root, before = memory / "site", START - timedelta(days=1, hours=4)
        root.mkdir(mode=0o700)
        for name in ("opsrunner.yaml", "maintenance.yaml"):
            shutil.copy(ROOT / name, root)
        for folder in ("routines", "checklists", "reports"):
            shutil.copytree(ROOT / folder, root / folder)
        for path in (root / "routines").glob("*.yaml"):
            if routines and path.stem not in routines:
                path.unlink()
        renewals = root / "routines/renewals.yaml"
        renewals.write_text(renewals.read_text(encoding="utf-8").replace("live: false", "live: true"))
        if is_still:
            write_samples(memory, Path("made"), seed=2026, now=START)
            (memory / "made/sample").rename(root / "data")
            site = (root / "opsrunner.yaml").read_text(encoding="utf-8").replace("$STATE/sample/", "data/")
            lines = [line for line in site.splitlines(keepends=True) if not line.startswith("sample:")]
            (root / "opsrunner.yaml").write_text("".join(lines), encoding="utf-8")
        for path in root.rglob("*"):
            path.chmod(0o700 if path.is_dir() else 0o600)
        month = Month(reopened(root, FakeClock(before)))
        month.live(until=START)
        return month

    return build


@pytest.mark.timeout(600)
def test_what_is_foretold_of_the_sample_site_is_what_a_month_hands_over(sample: Callable[..., Month]) -> None:
    month = sample(is_still=True, routines=TELLING)
    said = month.foretold(until=START + MONTH)

    month.live(until=START + MONTH)

    assert said == month.sent(START)
    assert month.handed_over(START) == Counter((one.to, one.at) for one in said)
    assert Counter(one.notice for one in said).keys() == {"renewals.letters", *WINDOW_HOSTS}
    assert len(said) > 500


@pytest.mark.soak
@pytest.mark.timeout(2400)
def test_while_the_company_lives_on_what_differs_are_rows_that_came_or_went(sample: Callable[..., Month]) -> None:
    """Customers join, leave and order: each mail that differs is a row that was another then."""
    month = sample(is_still=False, routines=TELLING)
    known = month.foretold(until=START + MONTH)
    month.live(until=START + MONTH)
    said, sent = Counter(known), Counter(month.sent(START))
    assert month.handed_over_by_notices(START) == Counter((one.to, one.at) for one in sent)

    at_first, later = Audience.at(START), {at: Audience.at(at) for at in {one.at for one in (said - sent)}}
    came = [one for one in (sent - said) if not at_first.has(one)]
    went = [one for one in (said - sent) if not later[one.at].has(one)]
    print(f"{len(known)} mails foretold, {(said & sent).total()} of them sent")
    print(f"sent beside them: {len(came)}, whose row came later; not sent: {len(went)}, whose row was gone")
    assert sorted(sent - said) == sorted(came), "each mail that was not foretold is of a row that was not there"
    assert sorted(said - sent) == sorted(went), "each mail that did not go is of a row that is gone"
    assert (said & sent).total() > 0.9 * len(known)
