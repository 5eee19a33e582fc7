"""As many names as a large company has: read one by one, and only what somebody has to look at is passed on."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from opsrunner.clock import SystemClock
from opsrunner.ledger.books import Books
from opsrunner.model.expiry import DateAnswer, RdapSettings
from opsrunner.model.outcome import Outcome, Row
from opsrunner.model.site import Column, Source
from opsrunner.secrets import Vault
from opsrunner.sources.reading import stream_source
from opsrunner.steps import expiries
from opsrunner.steps.base import Catalogue, HostRunner, Means, StepCall
from opsrunner.testing import FakeClock

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
PLACES = [{"source": "domains", "name": "domain"}, {"rdap": "known"}]
DOMAINS = Source(
    name="domains",
    kind="sqlite",
    where={"path": "billing.db", "table": "domains"},
    columns=(Column(name="domain", type="text"), Column(name="expires_at", type="date", optional=True)),
)


class Company:
    """A billing system with many domains, each of which its registry was asked for before."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder, self.count = folder, count
        today = NOW.date()
        rows = [
            (f"domain-{n}.no", f"C{n % 900}", f"Customer {n % 900}", f"post@domain-{n}.no",
             (today + timedelta(days=1 + n % 3650)).isoformat())
            for n in range(count)
        ]  # fmt: skip
        with closing(sqlite3.connect(folder / "billing.db")) as database, database:
            database.execute("CREATE TABLE domains(domain, customer, name, email, expires_at)")
            database.executemany("INSERT INTO domains VALUES (?,?,?,?,?)", rows)
        books = Books.open(folder / "ledger.db")
        answers = [
            DateAnswer(
                place="rdap",
                name=row[0],
                answered_at=NOW - timedelta(minutes=5),
                ends_at=datetime.fromisoformat(row[4]).replace(tzinfo=UTC),
                by="rdap.norid.no",
                tried_at=NOW - timedelta(minutes=5),
            )
            for row in rows
        ]
        books.dates.keep(answers)
        books.ledger.close()

    def collect(self) -> Outcome:
        books = Books.open(self.folder / "ledger.db")
        try:
            return expiries.run(self._call(), self._means(books))
        finally:
            books.ledger.close()

    def _means(self, books: Books) -> Means:
        clock, vault = FakeClock(NOW), Vault(self.folder)

        def stream(source: Source, wanted: Mapping[str, Any]) -> Generator[Row]:
            return stream_source(source, wanted, vault=vault, site_root=self.folder, now=NOW)

        return Means(
            clock=clock,
            vault=vault,
            stopping=threading.Event(),
            hosts={},
            fleet=cast("HostRunner", None),
            sources={"domains": DOMAINS},
            read_source=lambda _source, _options: (),
            stream_source=stream,
            send=lambda _mails: None,
            copies=cast("Catalogue", None),
            note=lambda _note: None,
            dates=books.dates,
            rdap=RdapSettings(bases={"no": "http://127.0.0.1:1/"}, bootstrap=""),
        )

    def _call(self) -> StepCall:
        return StepCall(
            run_id=7,
            run_token="site-7",
            routine="renewals",
            step="ends",
            options=expiries.Options.model_validate({"from": PLACES}),
            timeout_seconds=600,
            site_root=self.folder,
            workdir=self.folder,
            output=self.folder / "output.log",
            output_limit_bytes=1_000_000,
        )


def check(outcome: Outcome, count: int) -> None:
    facts = outcome.facts
    assert facts["count"] == count
    near = sum(1 + n % 3650 <= 60 for n in range(count))
    assert abs(facts["ending"] - near) <= near / 50
    assert (facts["unknown"], facts["differs"], facts["asked"]) == (0, 0, 0)
    assert len(outcome.rows) == facts["ending"]
    assert outcome.rows[0]["days_left"] == 1
    assert outcome.rows[0]["sources"].startswith("domains 2026-11-21, rdap.norid.no 2026-11-21")


def test_the_work_grows_no_faster_than_the_names(tmp_path: Path) -> None:
    seconds = []
    for count in (4_000, 20_000):
        folder = tmp_path / str(count)
        folder.mkdir()
        company = Company(folder, count)
        began = time.process_time()
        check(company.collect(), count)
        seconds.append(time.process_time() - began)
    assert seconds[1] < 12 * max(seconds[0], 0.1)


@pytest.mark.soak
def test_a_hundred_thousand_names_take_seconds_and_little_memory(
    tmp_path: Path, most_bytes_of: Callable[[Callable[[], object]], int]
) -> None:
    company = Company(tmp_path, 100_000)
    clock = SystemClock()
    began = clock.monotonic()
    check(company.collect(), 100_000)
    seconds = clock.monotonic() - began
    most = most_bytes_of(company.collect)
    print(f"100,000 names: {seconds:.1f} s, {most / 1e6:.0f} MB at the most")
    assert seconds < 30
    assert most < 150_000_000
