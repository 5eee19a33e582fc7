"""A daemon that works for months must not grow: what it keeps in memory does not follow what it has done."""

import gc
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

SITE = """\
site: Example Hosting
timezone: Europe/Oslo
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner], login: boss}
  ops1: {name: First technician, email: ops1@example.com, roles: [sysadmin, support], login: ops1}
mail: {from: ops@example.com, maildir: var/maildir}
sources:
  orders: {csv: orders.csv, columns: {number: text, amount: number}}
limits: {keep_runs: 400d}
"""
ORDERS = "number,amount\n" + "".join(f"A{number},{number * 10}\n" for number in range(1, 8))
LOOKS = """\
accountable: sysadmin
schedule: {every: 5m}
steps:
  - query: {source: orders, where: {amount: 30}}
    id: paid
  - task: "Look at order {{ row.number }}"
    for_each: steps.paid.rows
    key: row.number
    closes_when_gone: true
"""
RUNS = """\
accountable: sysadmin
schedule: {every: 5m}
steps:
  - run: echo "line $OPS_RUN_ID"; exit 0
    rows: lines
"""
FAILS = """\
accountable: ops1
schedule: {every: 5m}
steps:
  - query: {source: orders}
    fail_if: rows | length > 3
"""
WAITS = """\
accountable: support
schedule: {every: 5m}
steps:
  - task: Sign it off
    wait: true
    expires: next
"""
PASSES_A_TIME = 19
"""Runs that one pass starts: one a routine."""


@pytest.fixture
def busy(house: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> Any:
    """A house of nineteen routines, each due every five minutes: looks, programs, failures and sign-offs."""
    caplog.set_level("CRITICAL", "opsrunner")  # the test runner keeps every line that it is given
    routines = {f"look-{number}": LOOKS for number in range(13)}
    routines |= {f"run-{number}": RUNS for number in range(2)}
    routines |= {f"fail-{number}": FAILS for number in range(2)}
    routines |= {f"wait-{number}": WAITS for number in range(2)}
    made = house({name: f"name: {name}\n{text}" for name, text in routines.items()}, site=SITE)
    made.write("orders.csv", ORDERS)
    return made


def megabytes() -> float:
    gc.collect()
    return int(Path("/proc/self/status").read_text().partition("VmRSS:")[2].split()[0]) / 1024


def work(busy: Any, *, runs: int) -> None:
    """Let five minutes pass again and again until so many more runs were started."""
    for _ in range(runs // PASSES_A_TIME):
        busy.clock.set(busy.clock.now() + timedelta(minutes=5))
        busy.work()


def count(busy: Any) -> int:
    return int(busy.app.books.ledger.one("SELECT count(*) FROM runs")[0])


def test_what_is_kept_in_memory_does_not_follow_the_number_of_runs(busy: Any) -> None:
    work(busy, runs=250)
    tracemalloc.start()
    try:
        work(busy, runs=100)  # what is counted from here on fills its caches first
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        work(busy, runs=500)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        top = tracemalloc.take_snapshot().statistics("lineno")[:10]
    finally:
        tracemalloc.stop()
    assert count(busy) > 800
    assert after - before < 500 * 1_000, "\n".join(map(str, top))  # 20 MB in 20,000 runs


@pytest.mark.soak
@pytest.mark.timeout(1_800)
def test_a_day_of_twenty_thousand_runs_adds_less_than_twenty_megabytes(busy: Any) -> None:
    work(busy, runs=1_000)
    before, at_first = megabytes(), count(busy)
    work(busy, runs=20_000)
    after, at_last = megabytes(), count(busy)
    print(f"{at_last - at_first:,} runs: {before:.1f} MB, then {after:.1f} MB")
    assert at_last - at_first > 19_000
    assert after - before < 20
