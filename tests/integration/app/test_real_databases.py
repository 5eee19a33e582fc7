"""The promise of the shipped routines: on a real site only data sources are edited, and they find the same.

The sample company lies in CSV files, in a real MariaDB in the shape of WHMCS, and in plain tables of a real PostgreSQL.
The routines are those that ship, byte for byte.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from opsrunner.config.yaml12 import read_yaml
from opsrunner.model.run import RunStatus
from opsrunner.model.task import Evidence, Task, TaskStatus
from opsrunner.sample.writing import write_samples
from opsrunner.sources.ready_queries import ready_query
from opsrunner.testing import FakeClock

from ...databases import PASSWORD, USER
from ...whmcs import Filling
from ...whmcs_company import Tables, as_whmcs_keeps_it, wall_text

if TYPE_CHECKING:
    from ...databases import DatabaseServer
    from .conftest import House


ROOT = Path(__file__).parents[3]
MOMENT = datetime(2026, 12, 2, 9, 15, tzinfo=UTC)  # the second business day of December, 10:15 in Oslo
READY = (
    *("customers", "domains", "services", "orders", "accounts", "invoices", "payments", "credits", "tickets"),
    *("mail_log", "feedback"),
)
ROUTINES = (
    *("renewals", "order-intake", "overnight-orders", "letters", "feedback", "support-queue", "support-quality"),
    *("support-shift", "repeat-tickets", "rewards", "books", "retention", "disputes", "abuse"),
)
"""Those that a billing system's data feed."""
FEW = ("letters", "support-queue", "books")
"""Those that PostgreSQL is tried with: other words, other types, other zones, the same code."""
Found = dict[tuple[str, str, str | None], dict[str, Any]]


def read_tables(folder: Path) -> Tables:
    """Return every table of a folder of CSV files."""
    tables = {}
    for path in folder.glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as sheet:
            tables[path.stem] = list(csv.DictReader(sheet))
    return tables


def write_table(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as sheet:
        writer = csv.DictWriter(sheet, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """The sample company at MOMENT, as WHMCS keeps it."""
    folder = tmp_path_factory.mktemp("sample")
    write_samples(folder, Path("made"), seed=2026, now=MOMENT)
    return as_whmcs_keeps_it(read_tables(folder / "made/sample"))


@dataclass(frozen=True, kw_only=True)
class Place:
    """A site whose `sources` alone differ from those that ship, and a house that works on it."""

    house: House

    def ask(self, routines: Iterable[str]) -> None:
        """Let the routines run, all at once, and end."""
        app = self.house.app
        for name in routines:
            app.books.requests.ask_for_run(name, actor="desk", at=self.house.clock.now())
        self.house.clock.move(seconds=6)
        self.house.work()

    def found(self) -> Found:
        """Return every open task by routine, step and key, with all that a person reads of it."""
        return {
            (task.routine or "", task.step, task.key): {
                "title": task.title,
                "how": task.how,
                "link": task.link,
                "due": task.due_at,
                "rows": [dict(row) for row in task.rows],
            }
            for task in self.tasks()
        }

    def tasks(self, step: str = "") -> list[Task]:
        return [task for task in self.house.app.books.tasks.opened() if step in ("", task.step)]

    def told(self) -> dict[str, str]:
        """Return how the newest run of each routine stands."""
        ended = {}
        for name in self.house.app.site.routines:
            runs = self.house.runs(name)
            if runs:
                ended[name] = f"{runs[-1].status.value} {runs[-1].reason or ''}"
        return ended

    def steps(self) -> dict[tuple[str, str], str]:
        """Return the sentence of each step of the newest runs."""
        said = {}
        for name in self.house.app.site.routines:
            for run in self.house.runs(name)[-1:]:
                for step in self.house.app.books.steps.of_run(run.id):
                    said[name, step.id] = step.outcome.message if step.outcome else ""
        return said

    def mails(self) -> list[tuple[str, str, str]]:
        queued = self.house.app.books.outbox.queued()
        return sorted((mail.to, mail.subject, mail.text) for mail in queued if "@example.com" not in mail.to)

    def tick(self, step: str) -> None:
        (task,) = self.tasks(step)
        app, at = self.house.app, self.house.clock.now()
        evidence = Evidence(note="looked at")
        app.ticks.tick(task.id, actor=app.people.named("boss"), status=TaskStatus.DONE, evidence=evidence, at=at)
        self.house.clock.move(seconds=36)
        self.house.work()


Settle = Callable[..., Place]


@pytest.fixture
def settle(make_site: Callable[[Mapping[str, str]], Path], reopened: Any, tables: Tables) -> Settle:
    """Open a house on the shipped site with other sources: `settle(ROUTINES, orders={…})`."""

    def build(routines: Iterable[str], **sources: Any) -> Place:
        shipped = (ROOT / "opsrunner.yaml").read_text(encoding="utf-8").replace("$STATE/sample/", "data/")
        site = read_yaml(shipped)
        del site["sample"]
        for name in READY:
            columns = ready_query(f"whmcs/{name}").columns
            declared = {column.name: f"{column.type}{'?' if column.optional else ''}" for column in columns}
            site["sources"][name] = sources.get(name) or {"csv": f"data/{name}.csv", "columns": declared}
        files = {
            f"routines/{name}.yaml": (ROOT / f"routines/{name}.yaml").read_text(encoding="utf-8") for name in routines
        }
        for path in (ROOT / "reports").rglob("*"):
            if path.is_file():
                files[str(path.relative_to(ROOT))] = path.read_text(encoding="utf-8")
        root = make_site({"opsrunner.yaml": json.dumps(site), "secrets/billing": PASSWORD, **files})
        (root / "data").mkdir()
        for name, rows in tables.items():
            write_table(root / f"data/{name}.csv", rows)
        (root / "data/forum.rss").write_text("")
        place = Place(house=reopened(root, FakeClock(MOMENT)))
        place.house.work()
        return place

    return build


@pytest.fixture
def whmcs(mariadb_server: DatabaseServer, tables: Tables) -> dict[str, Any]:
    """The sources as they are written for WHMCS."""
    Filling(server=mariadb_server, name="billing", tables=tables).fill()
    place = {"driver": "mariadb", "host": "127.0.0.1", "port": mariadb_server.port, "database": "billing"}
    database = {**place, "user": USER, "password": {"file": "secrets/billing"}}
    return {name: {"sql": database, "ready": f"whmcs/{name}"} for name in READY}


def require_same(real: Place, files: Place, routines: Iterable[str]) -> None:
    """Compare all that two houses found, the parts that tell most first."""
    assert real.steps() == files.steps()
    assert real.told() == files.told()
    found, expected = real.found(), files.found()
    assert found.keys() == expected.keys()
    assert found == expected
    assert real.mails() == files.mails()
    assert {routine for routine, _, _ in found} >= set(routines), "each has found something on the sample"


@pytest.mark.needs("mariadbd", "openssl")
def test_whmcs_in_mariadb_tells_every_routine_what_the_files_tell(
    settle: Settle, whmcs: dict[str, Any], mariadb_server: DatabaseServer
) -> None:
    files, real = settle((*ROUTINES, "new-orders")), settle((*ROUTINES, "new-orders"), **whmcs)
    for place in (files, real):
        place.ask(ROUTINES)
    require_same(real, files, ROUTINES)
    assert not [line for line in real.told().values() if line.startswith(RunStatus.FAILED.value)]

    for place in (files, real):
        place.tick("ok")
        place.tick("credit")
    assert len(real.mails()) == 5, "the letters of the reward"
    require_same(real, files, ROUTINES)

    changes = ("order-intake", "letters", "feedback")
    done = {step: min(str(task.key) for task in files.tasks(step)) for step in ("paid", "welcome")}
    done["answer"] = min(str(task.key) for task in files.tasks("answer") if task.routine == "feedback")
    change_files(files, done)
    change_whmcs(mariadb_server, done)
    for place in (files, real):
        place.house.clock.move(minutes=10)
        place.house.work()
        place.ask(changes)
    require_same(real, files, ROUTINES)
    assert not set(done.items()) & {(step, key) for routine, step, key in real.found() if routine in changes}
    assert ("new-orders", "call", "900001") in real.found(), "a first order of some size, seen from a row that is new"


def change_files(place: Place, done: Mapping[str, str]) -> None:
    """Let the company live on for ten minutes: an account, a letter, an answer, and an order."""
    folder = place.house.root / "data"
    tables = read_tables(folder)
    orders = {row["number"]: row for row in tables["orders"]}
    orders[done["paid"]]["activated_at"] = orders[done["paid"]]["paid_at"]
    late = orders[done["welcome"]]
    mail = {"mail": "900001", "customer": "1", "to": late["email"], "subject": f"Welcome: {late['domain']} is ready"}
    tables["mail_log"].append({**mail, "sent_at": "2026-12-02T09:18:00Z"})
    next(row for row in tables["feedback"] if row["feedback"] == done["answer"])["handled_at"] = "2026-12-02T09:18:00Z"
    new = dict.fromkeys(orders[done["paid"]], "") | {
        "number": "900001",
        "customer": "Blåbær & Søn",
        "email": "post@new.example",
        "domain": "new.example",
        "product": "Server M",
        "amount": "8900",
        "method": "card",
        "channel": "self-serve",
        "placed_at": "2026-12-02T09:17:00Z",
        "paid_at": "2026-12-02T09:18:00Z",
    }
    tables["orders"].append(new)
    for name in ("orders", "mail_log", "feedback"):
        write_table(folder / f"{name}.csv", tables[name])


def change_whmcs(server: DatabaseServer, done: Mapping[str, str]) -> None:
    """Do the same as WHMCS does it."""
    at = "'2026-12-02 10:18:00'"
    server.say(
        f"update tblorders set status = 'Active' where id = {done['paid']}",
        "insert into tblemails (userid, subject, message, date, `to`) select h.userid, 'New Account Information',"
        f" concat('<p>Username: ', h.username, '<br /></p>'), {at}, c.email from tblhosting h"
        f" join tblclients c on c.id = h.userid where h.orderid = {done['welcome']}",
        "insert into tblticketreplies (tid, userid, date, admin)"
        f" select ticketid, 0, {at}, 'desk' from tblticketfeedback where id = {done['answer']}",
        "insert into tblclients (id, companyname, email, status, datecreated)"
        " values (900001, 'Blåbær &amp; Søn', 'post@new.example', 'Active', '2026-12-02')",
        "insert into tblinvoices (id, userid, date, duedate, datepaid, total, status, paymentmethod)"
        f" values (900001, 900001, '2026-12-02', '2026-12-16', {at}, 8900, 'Paid', 'card')",
        "insert into tblorders (id, ordernum, userid, date, amount, paymentmethod, invoiceid, status)"
        " values (900001, 1, 900001, '2026-12-02 10:17:00', 8900, 'card', 900001, 'Pending')",
        "insert into tblhosting (userid, orderid, packageid, domain, billingcycle)"
        " select 900001, 900001, id, 'new.example', 'Annually' from tblproducts where name = 'Server M'",
        name="billing",
    )


@pytest.fixture
def plain(postgres_server: DatabaseServer, tables: Tables) -> dict[str, Any]:
    """Sources that are plain tables of PostgreSQL: tickets with the hour on the wall, all else with its moment."""
    types = {"text": "text", "number": "numeric(12, 2)", "date": "date", "moment": "timestamptz", "flag": "boolean"}
    place = {"driver": "postgresql", "host": "127.0.0.1", "port": postgres_server.port, "database": "billing"}
    database = {**place, "user": USER, "password": {"file": "secrets/billing"}}
    sources, statements = {}, []
    for name in READY:
        columns = ready_query(f"whmcs/{name}").columns
        stamp = "timestamp" if name == "tickets" else "timestamptz"
        written = ", ".join(f'"{one.name}" {stamp if one.type == "moment" else types[one.type]}' for one in columns)
        statements.append(f'create table "{name}" ({written})')
        declared = {one.name: f"{one.type}{'?' if one.optional else ''}" for one in columns}
        sources[name] = {"sql": database, "table": name, "columns": declared}
    postgres_server.fresh("billing", *statements)
    for name in READY:
        columns = ready_query(f"whmcs/{name}").columns
        walls = {one.name for one in columns if one.type == "moment"} if name == "tickets" else set()
        names = [one.name for one in columns]
        records = (
            [wall_text(row[it]) if it in walls and row[it] else row[it] or None for it in names] for row in tables[name]
        )
        postgres_server.fill("billing", name, names, records)
    return sources


@pytest.mark.needs("postgres", "openssl")
def test_plain_tables_in_postgresql_tell_what_the_files_tell(settle: Settle, plain: dict[str, Any]) -> None:
    files, real = settle(FEW), settle(FEW, **plain)
    for place in (files, real):
        place.ask(FEW)
    require_same(real, files, FEW)
    assert not [line for line in real.told().values() if line.startswith(RunStatus.FAILED.value)]
