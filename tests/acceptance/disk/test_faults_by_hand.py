"""The disk fails under a verb: one line says so, nothing is half, and nothing is said to be saved that is not."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

WRITES = "pwrite64,write,ftruncate,unlink,rename"
SYNCS = "fsync,fdatasync"
MOST_CALLS = 100
FEW_CALLS = ((WRITES, (1, 2, 5, 12, 26, 45, 80)), (SYNCS, (1, 3, 4, 5, 14)))
"""Every phase of a transaction, early and late, without each page of each."""
WORK = """\
name: Work
accountable: owner
steps:
  - id: count
    run: echo once >> counter && seq 1 2000
  - id: letter
    email: {to: owner, subject: Done, body: All done}
  - task: Look at it
"""
Rows = Callable[..., list[Any]]


@dataclass(frozen=True)
class Verb:
    """A verb, what stands in the ledger before it, and what its exit code 0 promises."""

    arguments: tuple[str, ...]
    before: tuple[tuple[str, ...], ...]
    is_kept: Callable[[Path, Rows], bool]


def run_is_kept(site: Path, rows: Rows) -> bool:
    steps = rows(site, "SELECT id, status FROM steps ORDER BY position")
    mails = rows(site, "SELECT subject FROM outbox")
    tasks = rows(site, "SELECT title FROM tasks WHERE status = 'open' AND kind = 'routine'")
    return (
        [status for _, status in steps] in (["succeeded"] * 3, ["warning", "succeeded", "succeeded"])
        and mails == [("Done",)]
        and tasks == [("Look at it",)]
        and rows(site, "SELECT status FROM runs") == [("waiting",)]
    )


def task_is_kept(site: Path, rows: Rows) -> bool:
    audited = rows(site, "SELECT subject FROM audit WHERE action = 'add'")
    return rows(site, "SELECT title FROM tasks") == [("Order disks",)] and audited == [("task 1",)]


def tick_is_kept(site: Path, rows: Rows) -> bool:
    audited = rows(site, "SELECT subject FROM audit WHERE action = 'tick'")
    return rows(site, "SELECT status, closed_by FROM tasks") == [("done", "boss")] and audited == [("task 1",)]


def digest_is_kept(site: Path, rows: Rows) -> bool:
    digests, mails = rows(site, "SELECT id FROM digests"), rows(site, "SELECT sent_at FROM outbox")
    return len(digests) == 1 and len(mails) == 1


def ledger_is_made(site: Path, rows: Rows) -> bool:
    return len(rows(site, "SELECT value FROM meta WHERE name = 'ledger'")) == 1


NOTHING: tuple[tuple[str, ...], ...] = ()
EMPTY = (("tasks",),)
WITH_A_TASK = (("task", "add", "Order disks", "--as", "boss"),)
VERBS = {
    "run": Verb(("run", "work", "--as", "boss"), EMPTY, run_is_kept),
    "task add": Verb(("task", "add", "Order disks", "--as", "boss"), EMPTY, task_is_kept),
    "tick": Verb(("tick", "1", "--as", "boss", "--note", "they are here"), WITH_A_TASK, tick_is_kept),
    "digest": Verb(("digest", "--send"), EMPTY, digest_is_kept),
    "a new state": Verb(("tasks",), NOTHING, ledger_is_made),
}


@pytest.fixture
def sites(make_site: Callable[[Mapping[str, str]], Path], door: Any) -> Callable[[Verb], Callable[[], Path]]:
    """Make a site as a verb finds it, and return what makes a fresh copy of it."""

    def prepare(verb: Verb) -> Callable[[], Path]:
        first = make_site({"routines/work.yaml": WORK})
        for arguments in verb.before:
            assert door.call(first, *arguments).code == 0
        copy = first.with_name("copy")

        def fresh() -> Path:
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(first, copy)
            return copy

        return fresh

    return prepare


def check_one(door: Any, site: Path, rows: Rows, verb: Verb, fault: Any) -> bool:
    """Hold what must be so whatever call failed; tell whether one did."""
    answer = door.call(site, *verb.arguments, fault=fault)
    told = f"{fault} on {answer.faults}: exit {answer.code}\n{answer.stdout}\n{answer.stderr}"
    assert "Traceback" not in answer.stdout + answer.stderr, told
    assert not (site / "var" / "crash.log").exists(), told
    if answer.code == 0:
        assert verb.is_kept(site, rows), told
    else:
        assert answer.faults, told
        assert answer.code == 1, told
        if verb.arguments[0] == "run" and rows(site, "SELECT 1 FROM runs WHERE status = 'failed'"):
            assert rows(site, "SELECT 1 FROM tasks WHERE kind = 'follow_up'"), told  # the step itself met the fault
            return True
        is_mute = any(" write(2," in line for line in answer.faults)
        assert is_mute or re.fullmatch(r"(20[^\n]* WARNING [^\n]+\n)*opsrunner: [^\n]+: [^\n]+\n", answer.stderr), told
    check_afterwards(door, site, rows, verb, told)
    return bool(answer.faults)


def check_afterwards(door: Any, site: Path, rows: Rows, verb: Verb, told: str) -> None:
    """Hold that the program works on when the fault is gone, and that nothing was done twice or made up."""
    ran = (site / "counter").read_text().count("once") if (site / "counter").exists() else 0
    was_made = rows(site, "SELECT 1 FROM sqlite_master WHERE name = 'steps'")  # else the fault met the first commit
    begun = rows(site, "SELECT status FROM steps WHERE id = 'count'") if was_made else []
    assert ran <= len(begun) <= 1, told
    if begun in ([("succeeded",)], [("warning",)]):
        assert ran == 1, told
    again = door.call(site, "run", "work", "--as", "boss")
    assert again.code == 0, f"{told}\nand afterwards: {again.stdout}{again.stderr}"
    assert rows(site, "SELECT id FROM runs WHERE status = 'running'") == [], told
    if begun == [("running",)] and ran:
        asked = rows(site, "SELECT title FROM tasks WHERE kind = 'follow_up'")
        assert len(asked) <= 1, told
    assert len(rows(site, "SELECT id FROM tasks WHERE title = 'Order disks'")) <= 1, told


@pytest.mark.needs("strace")
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_holds_what_it_says_whichever_call_fails(
    sites: Callable[[Verb], Callable[[], Path]], door: Any, fault_of: Any, rows: Rows, verb: str
) -> None:
    fresh = sites(VERBS[verb])
    errors = cycle(("ENOSPC", "EIO"))
    for calls, numbers in FEW_CALLS:
        hit = [check_one(door, fresh(), rows, VERBS[verb], fault_of(calls, next(errors), number)) for number in numbers]
        assert sum(hit) >= 2, "the faults reached it"


@pytest.mark.soak
@pytest.mark.needs("strace")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_holds_what_it_says_whichever_of_a_hundred_calls_fails(
    sites: Callable[[Verb], Callable[[], Path]], door: Any, fault_of: Any, rows: Rows, verb: str
) -> None:
    fresh = sites(VERBS[verb])
    for calls in (WRITES, SYNCS):
        for error in ("ENOSPC", "EIO"):
            hit = 0
            for number in range(1, MOST_CALLS + 1):
                if not check_one(door, fresh(), rows, VERBS[verb], fault_of(calls, error, number)):
                    break
                hit += 1
            print(f"{verb}: {error} on each of the first {hit} calls of {calls}")
            assert hit > 0
