"""A pass of renewal reminders: domains out of SQL, judged, rendered and queued; then one with nothing due.

The domains lie in a file of SQLite, in MariaDB and in PostgreSQL, each a real server on loopback that shares the
processors with the pass.

Every domain has a rung due in the first pass: as many mails are rendered (text and HTML) and committed, batch by batch,
each with its row of the ledger. The second pass looks at all of them again and finds nothing to do. Each size has a
site, and each pass a process, of its own; the bounds are those of a machine with two cores.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from benchmarks.measure import Figure
from tests.databases import PASSWORD, USER, DatabaseServer, mariadb, postgres

SMALL, LARGE = 10_000, 100_000
MOST_SECONDS, MOST_MEGABYTES, MOST_SECONDS_AGAIN = 60, 200, 5
MOST_GROWTH = 1.3
"""A hundred thousand take at most so much more than ten times what ten thousand take."""
COLUMNS = ("domain", "customer", "name", "email", "expires_at", "status")
PASS = Path(__file__).with_name("renewals_pass.py")
SITE = """\
site: Many Domains
timezone: Europe/Oslo
people: {boss: {name: Boss, email: boss@example.com, roles: [owner]}}
mail: {from: ops@example.com}
sources:
  domains:
    $ORIGIN
    table: domains
    columns: {domain: text, customer: text, name: text, email: text, expires_at: date, status: text}
"""
ROUTINE = """\
name: Domain renewals
accountable: owner
schedule: {every: day, at: "08:00"}
steps:
  - notice:
      source: domains
      where: {status: active}
      key: domain
      at: expires_at
      to: email
      name: name
      ladder: [30d, 14d, 7d, 1d]
      template: renewal
      live: true
"""
TEXT = """\
Subject: {{ row.domain }} runs out in {{ days }} days
Dear {{ name }},

your domain {{ row.domain }} runs out on {{ at.strftime("%d.%m.%Y") }}. Renew it in good time,
and it stays yours.

{{ site.name }}
"""
HTML = """\
<html><body><p>Dear {{ name }},</p>
<p>your domain <b>{{ row.domain }}</b> runs out on {{ at.strftime("%d.%m.%Y") }}.
Renew it in good time, and it stays yours.</p>
<p>{{ site.name }}{% if unsubscribe_url %} · <a href="{{ unsubscribe_url }}">no more of these</a>{% endif %}</p>
</body></html>
"""


def figures() -> Iterator[Figure]:
    """Yield the time and memory of a first and a second pass, and how they grow."""
    small, large = _measure(SMALL), _measure(LARGE)
    yield from _passes(large, "SQLite")
    first = large["first"]
    yield Figure(
        name="… beside ten times 10,000",
        ours=first["seconds"],
        unit="s",
        peer="ten times 10,000",
        theirs=10 * small["first"]["seconds"],
        most=MOST_GROWTH,
    )
    with tempfile.TemporaryDirectory() as folder:
        servers: dict[str, Callable[[], AbstractContextManager[DatabaseServer]]] = {
            "MariaDB": lambda: mariadb(Path(folder)),
            "PostgreSQL": postgres,
        }
        for name, start in servers.items():
            with start() as server:
                yield from _passes(_measure(LARGE, server=server), name)


def _passes(found: dict[str, dict[str, float]], database: str) -> Iterator[Figure]:
    first, again = found["first"], found["again"]
    name = f"100,000 domains from {database} to queued mails"
    yield Figure(name=name, ours=first["seconds"], unit="s", most=MOST_SECONDS)
    yield Figure(name="… its memory", ours=first["megabytes"], unit="MB", most=MOST_MEGABYTES)
    yield Figure(name="… again, nothing due", ours=again["seconds"], unit="s", most=MOST_SECONDS_AGAIN)
    yield Figure(name="… its memory", ours=again["megabytes"], unit="MB", most=MOST_MEGABYTES)


def _measure(count: int, *, server: DatabaseServer | None = None) -> dict[str, dict[str, float]]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "site"
        write_site(root, count=count, server=server)
        found = {name: _pass(root) for name in ("first", "again")}
    assert (found["first"]["sent"], found["again"]["sent"]) == (count, 0), found
    return found


def _pass(root: Path) -> dict[str, float]:
    command = [sys.executable, str(PASS), str(root)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def write_site(root: Path, *, count: int, server: DatabaseServer | None = None) -> None:
    """Write a site whose domains run out in 2 to 29 days, so that each has a rung due; fill its database."""
    for folder in (root, root / "routines", root / "reports"):
        folder.mkdir(mode=0o700, parents=True)
    files = {
        "opsrunner.yaml": SITE.replace("$ORIGIN", "sqlite: domains.db" if server is None else _origin(server)),
        "routines/renewals.yaml": ROUTINE,
        "reports/renewal.txt.j2": TEXT,
        "reports/renewal.html.j2": HTML,
    }
    for name, text in files.items():
        (root / name).write_text(text, encoding="utf-8")
        (root / name).chmod(0o600)
    today = datetime.now(UTC).date()
    rows = (_row(number, today) for number in range(count))
    if server is not None:
        (root / "password").write_text(PASSWORD, encoding="utf-8")
        (root / "password").chmod(0o600)
        shutil.copy(server.certificate, root / "server.crt")
        kinds = zip(COLUMNS, ("varchar(80)", "varchar(20)", "text", "text", "date", "text"), strict=True)
        declared = ", ".join(f"{name} {kind}" for name, kind in kinds)
        server.fresh("bench", f"create table domains ({declared}, primary key (domain))")
        server.fill("bench", "domains", COLUMNS, rows)
        return
    connection = sqlite3.connect(root / "domains.db")
    connection.execute(f"CREATE TABLE domains ({', '.join(COLUMNS)})")
    connection.executemany("INSERT INTO domains VALUES (?,?,?,?,?,?)", rows)
    connection.commit()
    connection.close()


def _origin(server: DatabaseServer) -> str:
    driver = "mariadb" if server.engine == "mysql" else "postgresql"
    login = f"user: {USER}, password: {{file: password}}, ca: server.crt"
    return f"sql: {{driver: {driver}, host: 127.0.0.1, port: {server.port}, database: bench, {login}}}"


def _row(number: int, today: date) -> tuple[str, ...]:
    runs_out = today + timedelta(days=2 + number % 28)
    customer = f"C{number // 3}"
    name, address = f"Customer {number // 3}", f"customer{number // 3}@example.com"
    return f"domain-{number}.example", customer, name, address, runs_out.isoformat(), "active"
