"""The daemon is killed again and again, and every due occurrence is still accounted for, each step done once.

How there come to be enough occurrences: routines are due every hour, and between two lives the daemon's wall clock
is some hours ahead (libfaketime, an offset that stands still while it lives), as if the machine had been off. Each
life begins a little before a full hour, so it catches up first and plans what falls due after that. Its steady clock
is the machine's own. Steps see the true time; they do not ask for it.

How it is killed: at a moment of its life picked by chance; right after its start, while it recovers from the kill
before; by strace at one of its first syncs (opening the ledger, putting the site in force, recovery, a claim, a
digest, a mail); and by the mail server, which has the mail and has not said so yet.

What a step does is counted in a file outside of the state: one line a try, appended and synced, before a short sleep
in which most kills fall. After each kill the ledger is read from a copy: what was in flight then, and nothing else,
may be done again where it says `after_crash: rerun`, and must be asked about where it does not.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest

from opsrunner.engine.recovery import MOST_CRASHES

pytestmark = pytest.mark.needs("strace", "faketime")
EVERY_HOURS = {"again": 1, "asks": 1, "mails": 2, "people": 3, "waits": 6, "skips": 1}
RERUN = {("again", "one"), ("again", "two"), ("again", "three"), ("mails", "one"), ("people", "two"), ("waits", "one")}
ACCOUNTED_SECONDS = 30.0
"""B33: how soon after a start every run of the dead daemon is accounted for."""
KINDS = ("life", "life", "life", "recovery", "sync", "sync", "mail", "early")
HOURS = (0, 0, 0, 1, 1, 3)
"""How far the clock goes on between two lives; up to an hour more brings it to a full hour."""


@pytest.mark.timeout(600)
def test_it_accounts_for_everything_through_50_kills(killed_house: Callable[..., Any]) -> None:
    """Two sites beside each other."""
    kill_all([killed_house(random.Random(seed)) for seed in (7, 8)], kills=25)


@pytest.mark.soak
@pytest.mark.timeout(2400)
def test_it_accounts_for_everything_through_1000_kills(killed_house: Callable[..., Any]) -> None:
    """Four sites beside each other, so that the machine is busy too."""
    seed = int(os.environ.get("KILL_SEED") or time.time())
    print(f"\nKILL_SEED={seed}")
    houses = [killed_house(random.Random(seed + number)) for number in range(4)]
    kill_all(houses, kills=250)


def kill_all(houses: list[Any], *, kills: int) -> None:
    with ThreadPoolExecutor() as threads:
        list(threads.map(lambda house: loop(house, kills=kills), houses))
    for house in houses:
        check(house)


def loop(house: Any, *, kills: int) -> None:
    for _ in range(kills):
        kind = house.dice.choice(KINDS)
        house.start(hours=house.dice.choice(HOURS), killed_at_sync=house.dice.randint(3, 30) if kind == "sync" else 0)
        live(house, kind)
        house.kill(kind)
    wind_up(house)


def live(house: Any, kind: str) -> None:
    """Let the daemon live until its time has come."""
    if kind == "early":
        time.sleep(house.dice.uniform(0.2, 0.6))
    elif kind == "sync":
        wait_for_death(house, seconds=1.5)
    elif kind == "recovery":
        house.until(house.is_up, "it starts", seconds=30)
        time.sleep(house.dice.uniform(0, 0.15))
    else:
        house.until(house.is_up, "it starts", seconds=30)
        took = house.until(house.is_accounted, "all is accounted for", seconds=ACCOUNTED_SECONDS)
        house.seen.slowest_seconds = max(house.seen.slowest_seconds, took)
        if kind == "mail":
            house.postbox.on_data = house.process.kill
            wait_for_death(house, seconds=1.5)
            house.postbox.on_data = lambda: None
        else:
            time.sleep(house.dice.uniform(0, 0.9))


def wait_for_death(house: Any, *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while house.lives() and time.monotonic() < deadline:
        time.sleep(0.01)


def wind_up(house: Any) -> None:
    """Let the last daemon finish what there is, and stop it."""
    house.start(hours=0)
    house.until(house.is_up, "it starts", seconds=30)
    house.until(lambda: is_quiet(house), "everything comes to its end", seconds=200, left=lambda: what_is_left(house))
    house.process.send_signal(signal.SIGTERM)
    assert house.process.wait(timeout=30) == 0


def is_quiet(house: Any) -> bool:
    return not any(what_is_left(house))


def what_is_left(house: Any) -> tuple[object, object, bool]:
    """Return the runs that go on or wait in line, the mails that are to go out, and whether a digest is owed."""
    runs = "SELECT id, routine, status, reason FROM runs WHERE status = 'running' OR reason = 'queued'"
    columns = "id, about, attempts, next_try_at, failed_at, error"
    mails = f"SELECT {columns} FROM outbox WHERE sent_at IS NULL AND withdrawn_at IS NULL"
    return house.ask(runs), house.ask(mails), owes_digest(house)


def owes_digest(house: Any) -> bool:
    """Tell whether the daily digest of the last 07:00 is still to come."""
    ((since, planned),) = house.ask(
        "SELECT min(first_seen_at), (SELECT value FROM meta WHERE name = 'planned_at') FROM routines"
    )
    now = datetime.fromisoformat(planned)
    due = now.replace(hour=7, minute=0, second=0, microsecond=0) - timedelta(days=now.hour < 7)
    owed = f"SELECT 1 FROM digests WHERE series = 'daily' AND until_at >= '{due:%Y-%m-%dT%H:%M:%S.%fZ}'"
    return due > datetime.fromisoformat(since) and house.ask(owed) == []


def check(house: Any) -> None:
    """Hold the ledger against what was counted."""
    house.look()
    assert not house.orphans & house.processes().keys()
    assert house.ask("PRAGMA foreign_key_check") == []
    counted = counted_lines(house)
    occurrences = check_occurrences(house)
    in_doubt = check_steps(house, counted)
    check_questions(house)
    check_digests(house)
    again = check_mails(house)
    doubles = sum(times - 1 for times in counted.values())
    print(
        f"{house.seen.kills.total()} kills {dict(house.seen.kills)}: {occurrences} occurrences, {counted.total()} tries"
        f" of steps, {in_doubt} cut off and asked about, {doubles} done again as after_crash says, none twice without;"
        f" {again} mails handed over again; accounted for within {house.seen.slowest_seconds:.2f} s"
    )


def counted_lines(house: Any) -> Counter[tuple[int, str]]:
    """Return how often each step of each run was done; no try wrote two lines."""
    lines = [line.split() for line in house.counter.read_text().splitlines()]
    assert all(len(line) == 3 for line in lines)
    assert len({tries for _, _, tries in lines}) == len(lines)
    return Counter((int(run), step) for run, step, _ in lines)


def check_occurrences(house: Any) -> int:
    """Each full hour of each routine from its first sight to the last pass has one run."""
    ((planned,),) = house.ask("SELECT value FROM meta WHERE name = 'planned_at'")
    total = 0
    for routine, hours in EVERY_HOURS.items():
        ((seen,),) = house.ask(f"SELECT first_seen_at FROM routines WHERE id = '{routine}'")
        due = datetime.fromisoformat(seen).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        expected = []
        while due <= datetime.fromisoformat(planned):
            expected += [due] if due.hour % hours == 0 else []
            due += timedelta(hours=1)
        found = house.ask(f"SELECT nominal_at FROM runs WHERE routine = '{routine}' ORDER BY nominal_at")
        assert [datetime.fromisoformat(nominal) for (nominal,) in found] == expected, routine
        total += len(found)
    assert house.ask("SELECT count(*) FROM runs") == [(total,)]
    assert house.ask("SELECT count(*) FROM runs WHERE finished_at IS NULL AND status <> 'waiting'") == [(0,)]
    return total


def check_steps(house: Any, counted: Counter[tuple[int, str]]) -> int:
    """What succeeded was done, what was not reached was not, and nothing was done again but what was in flight.

    Returns how many ended in doubt: those that may not be done again, and what was cut off too often. A step of which
    a process lived when the daemon was killed had been entered.
    """
    in_doubt = 0
    known = set()
    cuts = Counter((run, step) for run, step, _ in house.seen.cut)
    sql = (
        "SELECT steps.run, runs.routine, steps.id, steps.status, runs.reason FROM steps"
        " JOIN runs ON runs.id = steps.run WHERE steps.kind = 'run'"
    )
    for run, routine, step, status, reason in house.ask(sql):
        key = (run, step)
        known.add(key)
        may_rerun = (routine, step) in RERUN
        least = 1 if status == "succeeded" else 0
        most = 0 if status == "skipped" else 1 + cuts[key] if may_rerun else 1
        assert least <= counted[key] <= most, (run, routine, step, status, counted[key], cuts[key])
        if status == "interrupted":
            in_doubt += 1
            assert not may_rerun or cuts[key] >= MOST_CRASHES, (run, routine, step, cuts[key])
            assert (cuts[key] > 0, reason) == (True, "crash"), (run, routine, step)
        elif not may_rerun:
            assert key not in house.seen.alive, "it was entered and cut off, and nobody was asked"
    assert set(counted) <= known
    return in_doubt


def check_questions(house: Any) -> None:
    """There is a follow-up for each step that was cut off, and it has counted each time."""
    cut_off = house.ask(
        "SELECT runs.routine, steps.id, count(*) FROM steps JOIN runs ON runs.id = steps.run"
        " WHERE steps.status = 'interrupted' GROUP BY 1, 2 ORDER BY 1, 2"
    )
    asked = house.ask(
        "SELECT routine, item, sum(count) FROM tasks WHERE kind = 'follow_up' AND key = '(interrupted)'"
        " GROUP BY 1, 2 ORDER BY 1, 2"
    )
    assert asked == cut_off
    assert house.ask("SELECT DISTINCT reason FROM runs WHERE status = 'interrupted'") in ([("crash",)], [])


def check_digests(house: Any) -> None:
    """Each digest begins where the one before ended, and all runs that had ended by then are told of, each once.

    A run that ends while a digest is being written is told of by the next one.
    """
    for series in ("daily", "weekly"):
        digests = house.ask(
            f"SELECT from_at, until_at, through, runs FROM digests WHERE series = '{series}' ORDER BY until_at"
        )
        assert [start for start, *_ in digests[1:]] == [end for _, end, *_ in digests[:-1]]
        told = 0
        for _, end, through, runs in digests:
            assert house.ask(f"SELECT count(*) FROM runs WHERE ended > {told} AND ended <= {through}") == [(runs,)]
            told = through
            before = (datetime.fromisoformat(end) - timedelta(seconds=10)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            assert house.ask(f"SELECT id FROM runs WHERE finished_at < '{before}' AND ended > {told}") == []
    assert house.ask("SELECT count(*) FROM runs WHERE (finished_at IS NULL) <> (ended IS NULL)") == [(0,)]
    daily = "SELECT count(*) FROM digests WHERE series = 'daily'"
    mails = "SELECT count(*) FROM outbox WHERE about = 'digest daily'"
    assert house.ask(daily) == house.ask(mails) != [(0,)]


def check_mails(house: Any) -> int:
    """Every mail was handed over, again only where a kill came between; a reader can tell by its Message-ID."""
    sent = Counter(name.strip("<>").partition("@")[0] for name, _ in house.postbox.received)
    queued = [name for (name,) in house.ask("SELECT message_id FROM outbox WHERE withdrawn_at IS NULL")]
    assert set(sent) == set(queued)
    reports = house.ask("SELECT subject, count(*) FROM outbox WHERE subject LIKE 'Report %' GROUP BY 1")
    assert {times for _, times in reports} <= {1}
    again = sum(times - 1 for times in sent.values())
    assert again <= house.seen.kills.total()
    return again
