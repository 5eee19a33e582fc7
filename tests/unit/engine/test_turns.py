"""One automated step: turns, tries and verdicts, with a script in the place of the work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from opsrunner.engine.stopping import StopWord
from opsrunner.engine.turns import Done, Tools, Turn, run_step
from opsrunner.errors import SecretUnavailable, StepFailed
from opsrunner.model.mail import NewMail
from opsrunner.model.outcome import Outcome, Part, StepStatus
from opsrunner.model.routine import Retry, StepPlan
from opsrunner.testing import FakeClock

FINE = Outcome(status=StepStatus.SUCCEEDED, message="fine")
PLAN = StepPlan(id="dump", kind="run")
ROWS = {"steps": {"unpaid": {"rows": [{"number": 1}, {"number": 2}, {"number": 3}]}}}


class Script:
    """Answers each try with the next of its answers."""

    def __init__(self, *answers: Outcome | Exception) -> None:
        self.answers = list(answers)
        self.turns: list[Turn] = []
        self.acts: set[str] = set()
        self.mailed: set[str] = set()
        self.stop = StopWord()
        self.stop.wait = lambda timeout=None: self.stop.is_set()  # type: ignore[method-assign]

    def attempt(self, turn: Turn) -> tuple[Outcome, Sequence[NewMail]]:
        self.turns.append(turn)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer, [NewMail(to="a@example.com", subject="s", text="t")]

    def begin(self, name: str) -> bool:
        fresh = name not in self.acts
        self.acts.add(name)
        return fresh

    def run(self, plan: StepPlan, context: Mapping[str, Any] | None = None) -> Done:
        clock = FakeClock(datetime(2026, 11, 21, tzinfo=UTC))
        tools = Tools(
            clock=clock,
            stopping=self.stop,
            attempt=self.attempt,
            begin_act=self.begin,
            is_mailed=self.mailed.__contains__,
        )
        return run_step(plan, context=context or {}, tools=tools)


TRIES = [
    # answers, tries after the first, tries made, status
    pytest.param([FINE], 2, 1, "succeeded", id="a success is not repeated"),
    pytest.param([StepFailed("x"), FINE], 2, 2, "succeeded", id="until it succeeds"),
    pytest.param([StepFailed("x")], 2, 3, "failed", id="no more than said"),
    pytest.param([StepFailed("x", permanent=True)], 2, 1, "failed", id="not what cannot help"),
    pytest.param([StepFailed("x", status="unknown")], 2, 1, "unknown", id="not what may still go on elsewhere"),
    pytest.param([SecretUnavailable("no secret")], 2, 1, "failed", id="not without its secret"),
    pytest.param([StepFailed("x", status="timed_out"), FINE], 1, 2, "succeeded", id="a time-out is tried again"),
]


@pytest.mark.parametrize(("answers", "times", "made", "status"), TRIES)
def test_tries(answers: list[Outcome | Exception], times: int, made: int, status: str) -> None:
    script = Script(*answers)
    done = script.run(replace(PLAN, retry=Retry(times=times, wait_seconds=1)))
    assert (len(script.turns), done.outcome.status.value) == (made, status)
    assert len(done.outcome.attempts) == (made if made > 1 else 0)


def test_what_may_run_again_is_tried_again_although_nobody_knows_how_it_ended() -> None:
    script = Script(StepFailed("x", status="unknown"), FINE)
    done = script.run(replace(PLAN, retry=Retry(times=1), after_crash="rerun"))
    assert done.outcome.status is StepStatus.SUCCEEDED


def test_a_step_that_fails_queues_no_mail() -> None:
    assert Script(FINE).run(PLAN).mails != ()
    bad = Outcome(status=StepStatus.FAILED)
    assert Script(bad).run(PLAN).mails == ()


def test_each_row_is_a_turn_and_the_worst_wins() -> None:
    script = Script(FINE, StepFailed("no funds", permanent=True), FINE)
    done = script.run(replace(PLAN, for_each="steps.unpaid.rows", key="row.number"), ROWS)
    assert done.outcome.status is StepStatus.FAILED
    assert [(part.key, part.status.value) for part in done.outcome.parts] == [
        ("1", "succeeded"),
        ("2", "failed"),
        ("3", "succeeded"),
    ]
    assert done.outcome.message == "2 of 3 fine; 2: no funds"


def test_no_rows_is_no_failure_and_says_so() -> None:
    script = Script(FINE)
    done = script.run(replace(PLAN, for_each="[]"))
    assert (done.outcome.status, done.outcome.reason) == (StepStatus.SKIPPED, "no_rows")
    assert script.turns == []


def test_for_each_over_something_else_is_a_failure_that_names_it() -> None:
    done = Script(FINE).run(replace(PLAN, for_each="7"))
    assert done.outcome.status is StepStatus.FAILED
    assert "for_each: 7 is not a list of rows" in done.outcome.message


def test_an_act_begun_before_is_left_alone_and_has_one_try_only() -> None:
    script = Script(StepFailed("x"))
    plan = replace(PLAN, once="welcome-{{ 1 + 1 }}", retry=Retry(times=5))
    assert script.run(plan).outcome.status is StepStatus.FAILED
    assert len(script.turns) == 1
    assert script.acts == {"welcome-2"}
    assert script.run(plan).outcome.reason == "once"
    assert len(script.turns) == 1


def test_a_mail_that_is_once_bears_its_name() -> None:
    done = Script(FINE).run(replace(PLAN, kind="email", once="welcome-7"))
    assert [mail.unique for mail in done.mails] == ["once welcome-7 a@example.com"]


def test_a_mail_that_went_before_is_skipped_and_not_told_as_sent() -> None:
    script = Script(FINE)
    script.mailed.add("once welcome-7 a@example.com")
    done = script.run(replace(PLAN, kind="email", once="welcome-7"))
    assert (done.outcome.status.value, done.outcome.reason, done.mails) == ("skipped", "once", ())
    assert done.outcome.message == "mailed before: welcome-7"


def test_the_word_to_stop_ends_the_tries() -> None:
    script = Script(StepFailed("x"))
    script.stop.say("shutdown")
    script.run(replace(PLAN, retry=Retry(times=5)))
    assert len(script.turns) == 1


def test_rows_after_the_word_to_stop_are_not_begun() -> None:
    script = Script(FINE)

    def stop_after_the_first(turn: Turn) -> tuple[Outcome, Sequence[NewMail]]:
        script.stop.say("shutdown")
        script.turns.append(turn)
        return FINE, []

    script.attempt = stop_after_the_first  # type: ignore[method-assign]
    done = script.run(replace(PLAN, for_each="steps.unpaid.rows"), ROWS)
    assert [part.status.value for part in done.outcome.parts] == ["succeeded", "interrupted", "interrupted"]
    assert done.outcome.status is StepStatus.INTERRUPTED
    assert len(script.turns) == 1


def test_a_row_that_matches_is_named_and_its_host_is_marked() -> None:
    rows = ({"host": "web1", "line": "3"}, {"host": "web2", "line": "900"})
    parts = tuple(Part(key=row["host"], status=StepStatus.SUCCEEDED) for row in rows)
    script = Script(Outcome(status=StepStatus.SUCCEEDED, rows=rows, parts=parts))
    done = script.run(replace(PLAN, kind="ssh", fail_if="row.line | int > 500"))
    assert done.outcome.status is StepStatus.FAILED
    assert [part.status.value for part in done.outcome.parts] == ["succeeded", "failed"]
    assert "web2 900" in done.outcome.message


def with_one_host_down(line: str) -> Outcome:
    """Say what `ssh` ends with where web1 wrote a line and web2 was not reached."""
    parts = (
        Part(key="web1", status=StepStatus.SUCCEEDED),
        Part(key="web2", status=StepStatus.FAILED, message="not reached"),
    )
    rows = ({"host": "web1", "line": line},)
    message = "1 of 2 hosts fine; web2: not reached"
    return Outcome(status=StepStatus.FAILED, reason="failed", message=message, rows=rows, parts=parts)


@pytest.mark.parametrize(
    ("judge", "line", "web1", "message"),
    [
        ("fail_if", "900", "failed", "1 of 2 hosts fine; web2: not reached; fails: web1 900"),
        ("fail_if", "3", "succeeded", "1 of 2 hosts fine; web2: not reached"),
        ("warn_if", "900", "warning", "1 of 2 hosts fine; web2: not reached; look: web1 900"),
    ],
)
def test_the_rows_of_the_hosts_that_answered_are_judged_also_where_another_failed(
    judge: str, line: str, web1: str, message: str
) -> None:
    plan = replace(PLAN, kind="ssh")
    expression = "row.line | int > 500"
    plan = replace(plan, fail_if=expression) if judge == "fail_if" else replace(plan, warn_if=expression)
    outcome = Script(with_one_host_down(line)).run(plan).outcome
    assert [part.status.value for part in outcome.parts] == [web1, "failed"]
    assert (outcome.status, outcome.reason, outcome.message) == (StepStatus.FAILED, "failed", message)


def test_an_expression_that_cannot_be_answered_of_one_host_leaves_what_is_known_of_the_others() -> None:
    known = with_one_host_down("900")
    others = tuple(Part(key=key, status=StepStatus.SUCCEEDED) for key in ("web3", "web4", "web5"))
    rows = ({"host": "web3", "line": None}, {"host": "web4", "line": "3"}, {"host": "web5"})
    known = replace(known, rows=(*known.rows, *rows), parts=(*known.parts, *others))
    script = Script(known)
    outcome = script.run(
        replace(PLAN, kind="ssh", fail_if="(row.line or 1 / 0) | int > 500", retry=Retry(times=1))
    ).outcome
    assert len(script.turns) == 2, "the host that is down may be back"
    assert [(part.key, part.status.value, part.message.partition(":")[0]) for part in outcome.parts] == [
        ("web1", "failed", "(row.line or 1 / 0) | int > 500"),
        ("web2", "failed", "not reached"),
        ("web3", "failed", "'(row.line or 1 / 0) | int > 500'"),
        ("web4", "succeeded", ""),
        ("web5", "failed", "'(row.line or 1 / 0) | int > 500'"),
    ]
    assert (outcome.status, outcome.reason, outcome.rows) == (StepStatus.FAILED, "failed", known.rows)
    assert outcome.message.startswith("1 of 2 hosts fine; web2: not reached; web3 and 1 more: '(row.line or 1 / 0)")
    assert outcome.message.endswith("; fails: web1 900")


def test_an_expression_about_the_whole_is_not_asked_of_what_is_left_of_it() -> None:
    outcome = Script(with_one_host_down("900")).run(replace(PLAN, kind="ssh", fail_if="rows | length < 2")).outcome
    assert outcome == with_one_host_down("900")


def with_one_host_cut_off() -> Outcome:
    """Say what `ssh` ends with where web1 wrote a line, and the daemon stopped while web2 was at it."""
    parts = (Part(key="web1", status=StepStatus.SUCCEEDED), Part(key="web2", status=StepStatus.INTERRUPTED))
    rows = ({"host": "web1", "line": "900"},)
    return Outcome(status=StepStatus.INTERRUPTED, message="1 of 2 hosts fine", rows=rows, parts=parts)


@pytest.mark.parametrize("judge", ["fail_if", "warn_if"])
def test_an_expression_that_cannot_be_answered_hides_no_host_that_was_cut_off(judge: str) -> None:
    plan = replace(PLAN, kind="ssh")
    plan = replace(plan, fail_if="row.free < 5") if judge == "fail_if" else replace(plan, warn_if="row.free < 5")
    outcome = Script(with_one_host_cut_off()).run(plan).outcome
    assert [(part.key, part.status.value) for part in outcome.parts] == [("web1", "failed"), ("web2", "interrupted")]
    assert (outcome.status, outcome.reason, outcome.was_cut_off) == (StepStatus.FAILED, "failed", True)
    assert outcome.message.startswith("1 of 2 hosts fine; web1: 'row.free < 5'")


def test_a_row_that_matches_beside_a_host_that_was_cut_off_is_not_all_that_is_wrong() -> None:
    plan = replace(PLAN, kind="ssh", fail_if="row.line | int > 500")
    outcome = Script(with_one_host_cut_off()).run(plan).outcome
    assert [part.status.value for part in outcome.parts] == ["failed", "interrupted"]
    assert (outcome.status, outcome.reason) == (StepStatus.FAILED, "failed"), (
        "by `fail_if` alone it would have told all"
    )


@pytest.mark.parametrize("expression", ["rows | length < 2", "rows[1].line | int > 500"])
def test_an_expression_about_the_whole_is_not_asked_of_what_was_cut_off(expression: str) -> None:
    outcome = Script(with_one_host_cut_off()).run(replace(PLAN, kind="ssh", fail_if=expression)).outcome
    assert outcome == with_one_host_cut_off()


@pytest.mark.parametrize("expression", ["result.nothing_such > 1", "rows[7].line", "1 / 0"])
def test_an_expression_that_cannot_be_evaluated_is_a_failure_and_never_green(expression: str) -> None:
    done = Script(FINE).run(replace(PLAN, warn_if=expression))
    assert done.outcome.status is StepStatus.FAILED
