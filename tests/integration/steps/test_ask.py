"""Real hosts are asked one thing, and the odd one is found."""

from __future__ import annotations

import dataclasses
import shlex
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from opsrunner.errors import StepFailed
from opsrunner.fleet.fleet import Fleet
from opsrunner.model.finding import Acceptance, Audited, KnownFinding
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.model.site import Host
from opsrunner.secrets import MASK, SecretRef
from opsrunner.steps.ask import KIND, Options, run
from opsrunner.steps.base import Means, StepCall

from ...host_commands import CUT_THE_LINK

LOCAL = Host(name="local", address="127.0.0.1")
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
needs_sshd = pytest.mark.needs("sshd", "ssh-keygen")
pytestmark = needs_sshd

Work = Callable[..., Outcome]


@pytest.fixture
def inventory(pinned_host: Callable[[int], Host]) -> dict[str, Host]:
    """This machine and three hosts."""
    return {"local": LOCAL, **{f"web{number}": pinned_host(number) for number in (2, 3, 4)}}


@pytest.fixture
def work(
    means: Means,
    make_call: Callable[..., StepCall],
    make_fleet: Callable[..., Fleet],
    inventory: dict[str, Host],
    told: list[Audited],
    known: list[KnownFinding],
) -> Work:
    """Ask: `work(run="echo $WEBHOST")`; what is no option goes to the call."""

    def do(*, fleet: Fleet | None = None, stopping: threading.Event | None = None, **given_: Any) -> Outcome:
        options = {name: given_.pop(name) for name in list(given_) if name in Options.model_fields}
        own = dataclasses.replace(
            means,
            hosts=inventory,
            fleet=fleet or make_fleet(),
            stopping=stopping or threading.Event(),
            found=told.append,
            findings=lambda _routine, _step: known,
        )
        return run(make_call(Options(**{"hosts": "all", **options}), **given_), own)

    return do


def odd(outcome: Outcome) -> list[str]:
    return [row["host"] for row in outcome.rows if row["is_odd"]]


def test_the_one_that_differs_is_odd_and_told_first(work: Work, told: list[Audited], tmp_path: Path) -> None:
    outcome = work(run='echo "PHP 8.2"; [ $WEBHOST != web3 ] || echo "with a patch"')

    assert outcome.status is StepStatus.WARNING
    assert outcome.message == "3 hosts asked: 2 say the same, 1 differs; web3: PHP 8.2"
    assert odd(outcome) == ["web3"]
    assert [dict(row) for row in outcome.rows] == [
        {"host": "web2", "group": 2, "exit_code": 0, "line": "PHP 8.2", "lines": 1, "is_odd": False},
        {"host": "web3", "group": 1, "exit_code": 0, "line": "PHP 8.2", "lines": 2, "is_odd": True},
        {"host": "web4", "group": 2, "exit_code": 0, "line": "PHP 8.2", "lines": 1, "is_odd": False},
    ]
    facts = {name: value for name, value in outcome.facts.items() if name != "answers"}
    assert facts == {"hosts": 3, "answered": 3, "groups": 2, "odd": 1, "is_decided": True}
    assert [(one["is_odd"], one["hosts"], one["text"]) for one in outcome.facts["answers"]] == [
        (True, 1, "PHP 8.2\nwith a patch"),
        (False, 2, "PHP 8.2"),
    ]
    written = (tmp_path / "output.log").read_text()
    assert written == (
        "back from: web2 web3 web4\n"
        "3 hosts asked: 2 say the same, 1 differs\n"
        "=== 1. 1 host, differs, exit code 0: web3\nPHP 8.2\nwith a patch\n"
        "=== 2. 2 hosts, as it should be, exit code 0: web2, web4\nPHP 8.2\n"
    )
    (audited,) = told
    assert not audited.has_baseline
    assert [(report.host, [one.name for one in report.findings]) for report in audited.reports] == [
        ("web2", []),
        ("web3", ["differs:echo PHP 8.2 WEBHOST = web3 echo with a"]),
        ("web4", []),
    ]
    assert all(report.examined == {"differs"} for report in audited.reports)


def test_where_all_say_the_same_it_is_fine(work: Work) -> None:
    outcome = work(run="echo fine", hosts=["web2", "web3"])

    assert (outcome.status, outcome.message) == (StepStatus.SUCCEEDED, "2 hosts asked: all say the same")


def test_a_host_that_did_not_answer_is_never_like_the_others(
    work: Work, inventory: dict[str, Host], told: list[Audited]
) -> None:
    inventory["web3"] = dataclasses.replace(inventory["web3"], port=1)

    outcome = work(run="true")

    assert outcome.status is StepStatus.FAILED
    assert outcome.message.startswith("3 hosts asked: 2 say the same, 1 did not answer; web3: ")
    assert [row["host"] for row in outcome.rows] == ["web2", "web4"]
    assert {report.host for report in told[0].reports} == {"web2", "web4"}
    assert told[0].hosts == {"web2", "web3", "web4"}


def test_one_that_goes_away_in_the_middle_is_unknown(work: Work) -> None:
    command = f"""
        [ "$WEBHOST" != web3 ] || {{ {CUT_THE_LINK}; sleep 5; }}
        echo fine"""

    outcome = work(run=command)

    assert [(part.key, part.status) for part in outcome.parts] == [
        ("web2", StepStatus.SUCCEEDED),
        ("web3", StepStatus.UNKNOWN),
        ("web4", StepStatus.SUCCEEDED),
    ]


def test_one_that_takes_too_long_is_timed_out_and_told_by_its_last_words(work: Work) -> None:
    outcome = work(run="[ $WEBHOST != web3 ] || sleep 30; echo fine", timeout_seconds=10)

    assert [part.status for part in outcome.parts] == [
        StepStatus.SUCCEEDED,
        StepStatus.TIMED_OUT,
        StepStatus.SUCCEEDED,
    ]
    assert "@asked" not in repr(outcome)


def test_where_no_answer_has_more_than_half_nobody_is_called_odd(work: Work, told: list[Audited]) -> None:
    outcome = work(run="echo $WEBHOST")

    assert outcome.status is StepStatus.WARNING
    assert "3 different answers, none from more than half, so nobody knows which is right" in outcome.message
    assert odd(outcome) == []
    assert all(report.examined == frozenset() for report in told[0].reports), "an open task is not ticked by this"


def test_a_text_that_is_missing_makes_odd_also_the_most(work: Work) -> None:
    outcome = work(run="echo I am $WEBHOST", expect="web3")

    assert outcome.message.startswith("3 hosts asked: 1 as expected, 2 differ; web2: I am web2; web4: I am web4")


def test_an_exit_code_makes_odd_whatever_was_said(work: Work) -> None:
    outcome = work(run="echo $WEBHOST; [ $WEBHOST != web4 ] || { echo gone >&2; exit 3; }", exit=0)

    assert odd(outcome) == ["web4"]
    assert outcome.parts[2].message == "exit code 3: web4"


def test_who_says_nothing_is_told_by_its_standard_error(work: Work, tmp_path: Path) -> None:
    outcome = work(run="[ $WEBHOST != web4 ] || { echo 'no such unit' >&2; exit 4; }; echo active")

    assert outcome.parts[2].message == "exit code 4: no such unit"
    assert "exit code 4: web4\n--- standard error of web4\nno such unit\n" in (tmp_path / "output.log").read_text()


def test_what_was_accepted_is_odd_and_keeps_nobody_from_being_green(
    work: Work, told: list[Audited], known: list[KnownFinding]
) -> None:
    command = "[ $WEBHOST = web3 ] && echo old || echo new"
    work(run=command)
    (finding,) = told[0].reports[1].findings
    accepted = Acceptance(
        host="web3",
        cause="differs",
        subject=finding.subject,
        mark=finding.mark,
        until=NOW + timedelta(days=900),
        reason="x",
        by="boss",
        at=NOW,
    )
    known.append(
        KnownFinding(finding=finding, routine="r", step="s", first_seen_at=NOW, seen_at=NOW, accepted=accepted)
    )

    again, otherwise = work(run=command), work(run=command.replace("old", "older"))

    assert (again.status, odd(again)) == (StepStatus.SUCCEEDED, ["web3"])
    assert otherwise.status is StepStatus.WARNING, "another wrong answer comes up again"


def test_the_same_wrong_answer_to_another_question_is_another_finding(work: Work, told: list[Audited]) -> None:
    for command in ("[ $WEBHOST = web3 ] && echo old || echo new", "[ $WEBHOST = web3 ] && echo old || echo  new"):
        work(run=command)

    first, second = (audited.reports[1].findings[0] for audited in told)
    assert first.detail == second.detail == "old"
    assert first.mark != second.mark, "what is accepted of the one is not accepted of the other"


def test_too_long_an_answer_is_held_against_no_other(work: Work, make_fleet: Callable[..., Fleet]) -> None:
    outcome = work(run="[ $WEBHOST = web3 ] && seq 9999 || echo 1", fleet=make_fleet(limit_bytes=500))

    assert outcome.parts[1].status is StepStatus.FAILED
    assert "more than limits.output" in outcome.parts[1].message


def test_a_secret_is_masked_wherever_it_goes(
    work: Work, means: Means, make_fleet: Callable[..., Fleet], tmp_path: Path, told: list[Audited]
) -> None:
    (tmp_path / "secret").write_text("canary4711")
    (tmp_path / "secret").chmod(0o600)
    command = 'echo "$TOKEN"; [ $WEBHOST != web3 ] || echo "$TOKEN" >&2; [ $WEBHOST != web3 ]'

    outcome = work(run=command, env={"TOKEN": SecretRef(file="secret")}, fleet=make_fleet(vault=means.vault))

    written = (tmp_path / "output.log").read_text()
    assert "canary" not in written + repr(outcome) + repr(told)
    assert MASK in written
    assert MASK in outcome.message


def test_what_comes_from_a_host_steers_no_terminal_and_is_no_markdown(work: Work, told: list[Audited]) -> None:
    outcome = work(run=r"[ $WEBHOST = web3 ] || printf '\033[31m```\n<b>\n'")

    assert "\x1b" not in repr(outcome.facts) + outcome.message
    how = told[0].causes["differs"].how
    assert "\x1b" not in how
    assert "````\n```\n<b>\n````" in how


def test_the_task_is_called_as_the_step_is(work: Work, told: list[Audited]) -> None:
    work(run="true\n  false", name="")
    work(run="true", name="the PHP version")

    assert told[0].causes["differs"].title == "See why the answer to 'true false' differs"
    assert told[1].causes["differs"].title == "See why the PHP version differs"


HARD = [
    """echo "it's"; echo '"'""",
    "printf '%s' \"$(echo `echo x`)\" \\\n  '$HOME' | cat",
    "cat <<'E'\n  $(x) `y` {{ z }} \\n\nE",
    "echo ü€𝄞; echo '\t'",
    "echo {{ run.id }} {% raw %} | sed 's/\\\\//'",
]


@pytest.mark.parametrize("command", HARD)
def test_a_command_arrives_sign_by_sign(work: Work, tmp_path: Path, command: str) -> None:
    """C19: the shell that runs it prints it as it has it."""
    asked = f"cat <<'THE END'\n{command}\nTHE END"

    outcome = work(run=asked, hosts=["web2"])

    assert outcome.status is StepStatus.SUCCEEDED, outcome.message
    assert f"\n{command}\n" in (tmp_path / "output.log").read_text()


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t"), min_size=1, max_size=60))
def test_any_text_in_quotes_comes_back_as_it_was(work: Work, text: str) -> None:
    """C19."""
    outcome = work(run=f"printf %s {shlex.quote(text)} | od -An -tx1 -v | tr -d ' \\n'", hosts=["web2"])

    assert outcome.facts["answers"][0]["text"] == text.encode().hex()


def test_nobody_to_ask_is_an_error(work: Work) -> None:
    with pytest.raises(StepFailed, match="there is no host or group 'web9'"):
        work(run="true", hosts="web9")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"run": " "}, "is empty"),
        ({"run": "true", "expect": ""}, "is empty"),
        ({"run": "true", "expect": "x", "exit": 0}, "expect and exit do not go together; keep one"),
        ({"run": "true", "exit": 256}, "less than or equal to 255"),
        ({"run": "true", "exit": [0, "1"]}, "valid integer"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Options(hosts="all", **options)


def test_a_run_that_may_change_something_is_not_repeated_without_asking() -> None:
    assert not KIND.only_reads({"hosts", "run"})
