"""Steps of several parts: what becomes of each, and of the questions about it, beside parts that failed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from opsrunner.model.outcome import Outcome, Part, StepStatus
from opsrunner.testing import ScriptedStep, scripted_kind

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
