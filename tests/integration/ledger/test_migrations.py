"""B44: ledgers of earlier releases are brought up to date and keep every row, wherever that is cut off."""

from __future__ import annotations

import gzip
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from opsrunner.errors import LedgerDamaged, LedgerNewer
from opsrunner.ledger.books import Books
from opsrunner.ledger.database import Ledger
from opsrunner.ledger.migrations import MIGRATIONS

LEDGERS = Path(__file__).parents[2] / "data" / "ledgers"
RELEASES = sorted(path.name.removesuffix(".db.gz") for path in LEDGERS.glob("*.db.gz"))
NEW = "new"
"""No ledger yet: the first one is made by migrations too."""
OWN_WORDS = "meta"
"""The program's own words; a migration may put them in another way."""
CHANGING_CALLS = "pwrite64,fsync,fdatasync,ftruncate"
CHILDREN = """
import os, sys
from pathlib import Path
from sqlite_utils import Database  # what a migration needs, read once for all children
from opsrunner.ledger.database import Ledger
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        while "TracerPid:\\t0\\n" in Path("/proc/self/status").read_text():
            pass
        Ledger(Path(line.strip())).close()
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture
def make_ledger(tmp_path: Path) -> Callable[[str], Path]:
    """Lay a ledger of an earlier release into a folder of its own, or nothing for `new`."""
    made: list[Path] = []

    def make(release: str) -> Path:
        path = tmp_path / f"state{len(made)}" / "ledger.db"
        path.parent.mkdir()
        made.append(path)
        if release != NEW:
            path.write_bytes(gzip.decompress((LEDGERS / f"{release}.db.gz").read_bytes()))
        return path

    return make


def rows(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Return every row of every table."""
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    found = {
        name: [dict(row) for row in connection.execute(f'SELECT * FROM "{name}"')] for (name,) in tables.fetchall()
    }
    connection.close()
    return found


def assert_kept(before: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Every row is there, with all that the new form still has columns for."""
    after = rows(path)
    for table in before.keys() - {OWN_WORDS}:
        assert len(after[table]) == len(before[table]), table
        columns = before[table][0].keys() & after[table][0].keys()
        kept = [{name: row[name] for name in columns} for row in after[table]]
        for row in before[table]:
            assert {name: row[name] for name in columns} in kept, table
    words = {row["name"]: row["value"] for row in after[OWN_WORDS]}
    for row in before.get(OWN_WORDS, ()):
        assert words.get(row["name"], row["value"]) == row["value"]


def form(path: Path) -> list[tuple[Any, ...]]:
    """Return all tables, indices and triggers, and the form's number; and that every page is in order."""
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    parts = connection.execute("SELECT type, name, tbl_name FROM sqlite_master ORDER BY 1, 2").fetchall()
    version = connection.execute("PRAGMA user_version").fetchone()
    connection.close()
    return [*parts, version]


def test_there_is_a_ledger_of_the_first_release_with_rows_in_every_table(make_ledger: Callable[[str], Path]) -> None:
    assert RELEASES[0] == "0.1.0"
    assert [table for table, found in rows(make_ledger("0.1.0")).items() if not found] == []


@pytest.mark.parametrize("release", RELEASES)
def test_a_ledger_of_an_earlier_release_gets_today_s_form_and_keeps_every_row(
    make_ledger: Callable[[str], Path], release: str
) -> None:
    new, path = make_ledger(NEW), make_ledger(release)
    before = rows(path)
    for one in (new, path):
        Ledger(one).close()
    assert form(path) == form(new)
    assert_kept(before, path)


@pytest.mark.parametrize("release", RELEASES)
def test_opening_it_again_changes_nothing(make_ledger: Callable[[str], Path], release: str) -> None:
    path = make_ledger(release)
    Ledger(path).close()
    once = rows(path)
    Ledger(path).close()
    assert rows(path) == once


def test_a_newer_one_is_refused_in_one_line_and_left_as_it_is(make_ledger: Callable[[str], Path]) -> None:
    path = make_ledger("0.1.0")
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    content = path.read_bytes()
    with pytest.raises(LedgerNewer) as refused:
        Ledger(path)
    assert "upgrade the program" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert path.read_bytes() == content


@pytest.mark.parametrize("part", ["INDEX runs_nominal", "TRIGGER audit_is_append_only_delete", "TABLE rungs"])
def test_one_that_has_lost_a_part_is_damaged_and_the_part_is_named(tmp_path: Path, part: str) -> None:
    """Without the unique index an occurrence would run twice, and nothing would say so."""
    path = tmp_path / "ledger.db"
    Ledger(path).close()
    connection = sqlite3.connect(path)
    connection.execute(f"DROP {part}")
    connection.close()
    with pytest.raises(LedgerDamaged, match=f"has lost {part.lower().split()[0]} {part.split()[1]}"):
        Ledger(path)


def test_whatever_is_dropped_it_is_refused(tmp_path: Path) -> None:
    """A table that is not there any more is never taken for one that is not there yet."""
    names = [row for row in form_of_today(tmp_path / "whole") if not row[1].startswith("sqlite_")]
    for number, (kind, name, _) in enumerate(names):
        path = tmp_path / f"{number}.db"
        shutil.copyfile(tmp_path / "whole", path)
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute(f'DROP {kind} "{name}"')
        connection.close()
        with pytest.raises(LedgerDamaged):
            Ledger(path)


def form_of_today(path: Path) -> list[tuple[Any, ...]]:
    Ledger(path).close()
    return form(path)[:-1]


def is_older(path: Path) -> bool:
    connection = sqlite3.connect(path)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    connection.close()
    return bool(version < len(MIGRATIONS))


class Migrator:
    """Opens ledgers in processes that strace kills at their n-th change of a file."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", CHILDREN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def open(self, path: Path, *, killed_at: int) -> int:
        """Open a ledger and return the exit code: 0 where it ended before it was killed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()
        child = self._process.stdout.readline().strip()
        inject = f"inject={CHANGING_CALLS}:signal=SIGKILL:when={killed_at}"
        words = ["strace", "-qq", "-o", os.devnull, "-e", f"trace={CHANGING_CALLS}", "-e", inject, "-p", child]
        with subprocess.Popen(words, stderr=subprocess.DEVNULL):
            return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture
def migrator() -> Iterator[Migrator]:
    one = Migrator()
    yield one
    one.close()


def kill_at_each(release: str, make_ledger: Callable[[str], Path], migrator: Migrator, *, every: int) -> int:
    """Kill a migration at its first change of a file, then each `every`-th; return how many kills that were."""
    before = rows(make_ledger(release))
    whole = make_ledger(release)
    Ledger(whole).close()
    expected = form(whole)
    for kills, killed_at in enumerate(range(1, 10_000, every)):
        path = make_ledger(release)
        if migrator.open(path, killed_at=killed_at) == 0:
            return kills
        Ledger(path).close()
        assert form(path) == expected, f"killed at {killed_at}"
        assert_kept(before, path)
        shutil.rmtree(path.parent)
    raise AssertionError("it never ends")


@pytest.mark.needs("strace")
@pytest.mark.parametrize("release", [NEW, *RELEASES])
def test_a_migration_that_is_killed_is_done_by_the_next_start(
    make_ledger: Callable[[str], Path], migrator: Migrator, release: str
) -> None:
    kills = kill_at_each(release, make_ledger, migrator, every=9)
    assert (kills > 0) == is_older(make_ledger(release))


@pytest.mark.soak
@pytest.mark.needs("strace")
@pytest.mark.parametrize("release", [NEW, *RELEASES])
def test_a_migration_may_be_killed_at_every_change_of_a_file(
    make_ledger: Callable[[str], Path], migrator: Migrator, release: str
) -> None:
    kills = kill_at_each(release, make_ledger, migrator, every=1)
    print(f"{release}: killed {kills} times, at each write and sync; every start after it went well")


@pytest.mark.parametrize("release", RELEASES)
def test_its_texts_are_read_as_they_were_meant(make_ledger: Callable[[str], Path], release: str) -> None:
    """Every row goes through today's reading of it: outcomes, tasks, mails, digests, holds, people."""
    books = Books.open(make_ledger(release))
    runs = books.runs.listed(limit=1000)
    assert len(runs) > 10
    for run in runs:
        books.steps.of_run(run.id)
        books.tasks.of_run(run.id)
        books.audit.about(f"run {run.id}")
    assert books.tasks.opened()
    assert books.outbox.queued()
    assert books.requests.waiting()
    assert books.routines.all()
    books.ledger.close()
