"""Steps of several parts: what becomes of each, and of the questions about it, beside parts that failed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from opsrunner.engine.alerts import INTERRUPTED_KEY
from opsrunner.engine.follow_ups import CUT_OFF
from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Outcome, Part, StepStatus
from opsrunner.steps.base import Means, StepCall
from opsrunner.testing import ScriptedStep, scripted_kind

from .conftest import SITE

QUEUES = """\
name: Queues
accountable: sysadmin
steps:
  - scripted: {say: hello}
    fail_if: row.line | int > 500
"""


@pytest.fixture
def scripted() -> Iterator[ScriptedStep]:
    with scripted_kind(ScriptedStep()) as step:
        yield step


def by_hand(site: Any, routine: str) -> None:
    """Ask for a run, and let it go as far as it goes."""
    site.app.books.requests.ask_for_run(routine, actor="boss", at=site.clock.now())
    site.clock.move(seconds=6)
    site.work()


def on_hosts(**lines: str | None) -> Outcome:
    """Return what a command on hosts ends with; None: the host was not reached."""
    down = [host for host, line in lines.items() if line is None]
    parts = [Part(key=host, status=StepStatus.FAILED if host in down else StepStatus.SUCCEEDED) for host in lines]
    return Outcome(
        status=StepStatus.FAILED if down else StepStatus.SUCCEEDED,
        reason="failed" if down else "",
        rows=tuple({"host": host, "line": line} for host, line in lines.items() if line is not None),
        parts=tuple(parts),
    )


def test_what_fails_a_host_is_not_mended_by_another_host_that_cannot_be_reached(
    house: Callable[..., Any], scripted: ScriptedStep
) -> None:
    scripted.answers = [on_hosts(web1="900", web2="3"), on_hosts(web1="900", web2=None), on_hosts(web1="3", web2=None)]
    site = house({"queues": QUEUES})
    open_ = []
    for _ in range(3):
        by_hand(site, "queues")
        open_.append(sorted((task.key, task.count) for task in site.app.books.tasks.opened()))
    assert open_ == [[("web1", 1)], [("web1", 2), ("web2", 1)], [("web2", 2)]]


def test_a_host_that_was_cut_off_is_asked_about_though_another_could_not_be_judged(
    house: Callable[..., Any], scripted: ScriptedStep
) -> None:
    def stopped_at_web2(call: StepCall, means: Means) -> Outcome:
        means.stopping.say("shutdown")  # type: ignore[attr-defined]  # what steps are given to look at is this word
        parts = (Part(key="web1", status=StepStatus.SUCCEEDED), Part(key="web2", status=StepStatus.INTERRUPTED))
        return Outcome(status=StepStatus.INTERRUPTED, rows=({"host": "web1"},), parts=parts)

    scripted.answers = [stopped_at_web2]
    site = house({"queues": QUEUES})
    by_hand(site, "queues")
    open_ = {task.key: task.message for task in site.app.books.tasks.opened()}
    assert open_.keys() == {"web1", INTERRUPTED_KEY}
    assert open_[INTERRUPTED_KEY] == f"web2: {CUT_OFF}"


CREDITS = """\
name: Credits
accountable: sysadmin
steps:
  - scripted: {say: hello}
    for_each: "['a', 'b', 'c']"
    key: row.value
    once: "credit-{{ row.value }}"
"""


def refused(call: StepCall, means: Means) -> Outcome:
    raise StepFailed("status 402 Payment Required, not 2xx")


def stopped(call: StepCall, means: Means) -> Outcome:
    """End as what is in flight does when the daemon stops and its grace is over."""
    means.stopping.say("shutdown")  # type: ignore[attr-defined]  # what steps are given to look at is this word
    raise StepFailed("stopped before its end", status="interrupted", permanent=True)


def test_an_act_that_was_cut_off_is_asked_about_though_another_was_refused(
    house: Callable[..., Any], scripted: ScriptedStep
) -> None:
    scripted.answers = [refused, stopped]
    site = house({"credits": CREDITS})
    by_hand(site, "credits")
    (run,) = site.runs("credits")
    (record,) = site.app.books.steps.of_run(run.id)
    assert [(part.key, part.status.value) for part in record.outcome.parts] == [
        ("a", "failed"),
        ("b", "interrupted"),
        ("c", "interrupted"),
    ]
    open_ = {task.key: task.message for task in site.app.books.tasks.opened()}
    assert open_ == {"a": "status 402 Payment Required, not 2xx", INTERRUPTED_KEY: f"b: {CUT_OFF}"}

    scripted.answers = [Outcome(status=StepStatus.SUCCEEDED)]
    by_hand(site, "credits")
    assert scripted.calls[-1].row_key == "c", "it was never begun, and is done now"
    assert INTERRUPTED_KEY in [task.key for task in site.app.books.tasks.opened()], "no success answers for another act"


ACCOUNTS = """\
name: Accounts
accountable: sysadmin
steps:
  - scripted: {say: hello}
    for_each: "[{'host': 'web1', 'account': 'a'}, {'host': 'web1', 'account': 'b'}]"
"""
QUIET = SITE.replace("login: ops1}", "login: ops1, quiet: '11:00-13:00'}")


@pytest.mark.parametrize("settings", [SITE, QUIET], ids=["by day", "in quiet hours"])
def test_what_fails_for_one_row_is_not_mended_by_another_row_of_the_same_host(
    house: Callable[..., Any], scripted: ScriptedStep, settings: str
) -> None:
    scripted.answers = [refused, Outcome(status=StepStatus.SUCCEEDED)] * 2
    site = house({"accounts": ACCOUNTS}, site=settings)
    told = []
    for _ in range(2):
        by_hand(site, "accounts")
        (task,) = site.app.books.tasks.opened()
        told.append((task.id, task.key, task.count, len(site.app.books.outbox.queued())))
    assert told == [(1, "web1", 1, 1), (1, "web1", 2, 1)]

    scripted.answers = [Outcome(status=StepStatus.SUCCEEDED)] * 2
    by_hand(site, "accounts")
    assert site.app.books.tasks.opened() == []


def test_the_follow_up_of_a_host_says_what_failed_for_each_of_its_rows(
    house: Callable[..., Any], scripted: ScriptedStep
) -> None:
    def full(call: StepCall, means: Means) -> Outcome:
        raise StepFailed("no space left on device")

    scripted.answers = [refused, full, refused, refused]
    site = house({"accounts": ACCOUNTS})
    said = []
    for _ in range(2):
        by_hand(site, "accounts")
        (task,) = site.app.books.tasks.opened()
        said.append((task.count, task.message))
    payment = "status 402 Payment Required, not 2xx"
    assert said == [(1, f"{payment}; no space left on device"), (2, payment)]


def test_a_row_that_was_never_begun_leaves_the_question_about_its_host(
    house: Callable[..., Any], scripted: ScriptedStep
) -> None:
    def succeeded_as_it_stops(call: StepCall, means: Means) -> Outcome:
        means.stopping.say("shutdown")  # type: ignore[attr-defined]  # as above
        return Outcome(status=StepStatus.SUCCEEDED)

    other = ", {'host': 'web2', 'account': 'c'}, {'host': 'web2', 'account': 'd'}]"
    scripted.answers = [refused, refused, refused, refused, refused, refused, succeeded_as_it_stops]
    site = house({"accounts": ACCOUNTS.replace("]", other)})
    for _ in range(2):
        by_hand(site, "accounts")
    assert [task.key for task in site.app.books.tasks.opened()] == ["web1", "web2"]


def test_rows_that_were_never_begun_are_no_question(house: Callable[..., Any], scripted: ScriptedStep) -> None:
    def refused_as_it_stops(call: StepCall, means: Means) -> Outcome:
        means.stopping.say("shutdown")  # type: ignore[attr-defined]  # as above
        return refused(call, means)

    scripted.answers = [refused_as_it_stops]
    site = house({"credits": CREDITS})
    by_hand(site, "credits")
    assert [task.key for task in site.app.books.tasks.opened()] == ["a"]


def test_the_follow_up_of_a_run_for_one_row_names_what_failed_and_what_was_cut_off(
    house: Callable[..., Any], scripted: ScriptedStep
) -> None:
    scripted.answers = [refused, stopped]
    source = "sources:\n  orders: {csv: orders.csv, columns: {number: text}}\n"
    on_rows = "on_rows: {source: orders, key: number, every: 5m}\nsteps:\n"
    site = house({"credits": CREDITS.replace("steps:\n", on_rows)}, site=SITE + source)
    for listed in ("number\n1\n", "number\n1\n7\n"):
        site.write("orders.csv", listed)
        site.clock.move(minutes=6)
        for _ in range(3):
            site.work()
            site.clock.move(seconds=1)
    (task,) = site.app.books.tasks.opened()
    assert task.key == "7"
    asked = "a: status 402 Payment Required, not 2xx; b: stopped before its end"
    assert task.message == asked

    first = site.runs("credits")[-1]
    scripted.answers = [refused]
    site.app.routine_acts.ask_for_run("credits", actor="boss", at=site.clock.now(), rerun_of=first.id)
    site.work()
    (task,) = site.app.books.tasks.opened()
    said = f"c: status 402 Payment Required, not 2xx; before, in run {first.id}: {asked}"
    assert (task.key, task.count, task.message) == ("7", 2, said), "no later run answers what was asked"


def test_a_run_for_no_row_asks_once_about_what_was_cut_off_also_where_its_routine_runs_for_rows(
    house: Callable[..., Any], scripted: ScriptedStep
) -> None:
    scripted.answers = [refused, stopped]
    source = "sources:\n  orders: {csv: orders.csv, columns: {number: text}}\n"
    both = "on_rows: {source: orders, key: number, every: 5m}\nschedule: {every: 1h}\nsteps:\n"
    site = house({"credits": CREDITS.replace("steps:\n", both)}, site=SITE + source)
    site.write("orders.csv", "number\n1\n")
    site.work()
    site.clock.move(minutes=60)
    for _ in range(3):
        site.work()
        site.clock.move(seconds=1)
    assert [run.trigger.value for run in site.runs("credits")] == ["schedule"]
    open_ = {task.key: task.message for task in site.app.books.tasks.opened()}
    assert open_ == {"a": "status 402 Payment Required, not 2xx", INTERRUPTED_KEY: f"b: {CUT_OFF}"}
