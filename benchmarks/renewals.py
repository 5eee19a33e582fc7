"""A pass of renewal reminders: domains out of SQL, judged, rendered and queued; then one with nothing due.

Every domain has a rung due in the first pass: as many mails are rendered (text and HTML) and committed, batch by batch,
each with its row of the ledger. The second pass looks at all of them again and finds nothing to do. Each size has a
site, and each pass a process, of its own; the bounds are those of a machine with two cores.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from benchmarks.measure import Figure

SMALL, LARGE = 10_000, 100_000
MOST_SECONDS, MOST_MEGABYTES, MOST_SECONDS_AGAIN = 60, 200, 5
MOST_GROWTH = 1.3
"""A hundred thousand take at most so much more than ten times what ten thousand take."""
PASS = Path(__file__).with_name("renewals_pass.py")
SITE = """\
site: Many Domains
timezone: Europe/Oslo
people: {boss: {name: Boss, email: boss@example.com, roles: [owner]}}
mail: {from: ops@example.com}
sources:
  domains:
    sqlite: domains.db
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
    first, again = large["first"], large["again"]
    yield Figure(name="100,000 domains from SQL to queued mails", ours=first["seconds"], unit="s", most=MOST_SECONDS)
    yield Figure(name="… its memory", ours=first["megabytes"], unit="MB", most=MOST_MEGABYTES)
    yield Figure(name="… again, nothing due", ours=again["seconds"], unit="s", most=MOST_SECONDS_AGAIN)
    yield Figure(name="… its memory", ours=again["megabytes"], unit="MB", most=MOST_MEGABYTES)
    yield Figure(
        name="… beside ten times 10,000",
        ours=first["seconds"],
        unit="s",
        peer="ten times 10,000",
        theirs=10 * small["first"]["seconds"],
        most=MOST_GROWTH,
    )


def _measure(count: int) -> dict[str, dict[str, float]]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "site"
        write_site(root, count=count)
        found = {name: _pass(root) for name in ("first", "again")}
    assert (found["first"]["sent"], found["again"]["sent"]) == (count, 0), found
    return found


def _pass(root: Path) -> dict[str, float]:
    command = [sys.executable, str(PASS), str(root)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def write_site(root: Path, *, count: int) -> None:
    """Write a site whose domains run out in 2 to 29 days, so that each has a rung due."""
    for folder in (root, root / "routines", root / "reports"):
        folder.mkdir(mode=0o700, parents=True)
    files = {
        "opsrunner.yaml": SITE,
        "routines/renewals.yaml": ROUTINE,
        "reports/renewal.txt.j2": TEXT,
        "reports/renewal.html.j2": HTML,
    }
    for name, text in files.items():
        (root / name).write_text(text, encoding="utf-8")
        (root / name).chmod(0o600)
    today = datetime.now(UTC).date()
    connection = sqlite3.connect(root / "domains.db")
    connection.execute("CREATE TABLE domains (domain, customer, name, email, expires_at, status)")
    connection.executemany("INSERT INTO domains VALUES (?,?,?,?,?,?)", (_row(number, today) for number in range(count)))
    connection.commit()
    connection.close()


def _row(number: int, today: date) -> tuple[str, ...]:
    runs_out = today + timedelta(days=2 + number % 28)
    customer = f"C{number // 3}"
    name, address = f"Customer {number // 3}", f"customer{number // 3}@example.com"
    return f"domain-{number}.example", customer, name, address, runs_out.isoformat(), "active"
