"""The time limit of `run`, the word to stop, and what a command leaves behind."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Outcome
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.run import Options, run

from ...patience import raised, until, within

Runner = Callable[..., Outcome]


def _output(tmp_path: Path) -> str:
    return (tmp_path / "output.log").read_text(encoding="utf-8", errors="replace")


def _pids(path: Path) -> list[int]:
    return [int(word) for word in path.read_text().split()]


def test_it_ends_all_processes_at_the_time_limit(
    run_command: Runner, tmp_path: Path, is_alive: Callable[[int], bool]
) -> None:
    command = "sh -c 'echo $$ >pids; sleep 300 & echo $! >>pids; sleep 300'"
    failed = within(3 + 3, lambda: raised(StepFailed, lambda: run_command(command, _timeout_seconds=3)))
    assert (failed.status, failed.permanent) == ("timed_out", False)
    assert str(failed) == "no end after 3 s; its processes were ended"
    assert not [pid for pid in _pids(tmp_path / "pids") if is_alive(pid)]


ESCAPES = [
    pytest.param("setsid sleep 300 & echo $! >pids; sleep 300", id="own session"),
    pytest.param("setsid -f sh -c 'echo $$ >pids; exec sleep 300'; sleep 300", id="orphan in own session"),
    pytest.param("env -i /bin/sh -c 'echo $$ >pids; exec sleep 300' & sleep 300", id="no environment"),
    pytest.param(
        "env -i /usr/bin/setsid -f /bin/sh -c 'echo $$ >pids; exec sleep 300'; sleep 300",
        id="orphan in own session without environment",
    ),
    pytest.param(
        "setsid -f sh -c 'echo $$ >pids; exec sleep 300' >/dev/null 2>&1; sleep 300", id="orphan without the output"
    ),
]


@pytest.mark.parametrize("command", ESCAPES)
def test_it_finds_processes_that_went_their_own_way(
    run_command: Runner, tmp_path: Path, is_alive: Callable[[int], bool], command: str
) -> None:
    with pytest.raises(StepFailed, match="no end after 3 s"):
        run_command(command, _timeout_seconds=3)
    (pid,) = _pids(tmp_path / "pids")
    assert not is_alive(pid)


def test_it_kills_what_does_not_listen(run_command: Runner, tmp_path: Path, is_alive: Callable[[int], bool]) -> None:
    command, began = "trap '' TERM; echo $$ >pids; while :; do sleep 0.2; done", time.monotonic()
    failed = within(3 + 9, lambda: raised(StepFailed, lambda: run_command(command, _timeout_seconds=3)))
    assert "no end after 3 s" in str(failed)
    assert time.monotonic() - began > 3 + 4
    assert not is_alive(_pids(tmp_path / "pids")[0])


def test_it_keeps_what_a_program_says_on_being_ended(run_command: Runner, tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="its processes were ended: tidied up"):
        run_command("trap 'echo tidied up; exit 1' TERM; sleep 300 & wait", _timeout_seconds=3)
    assert _output(tmp_path) == "tidied up\n"


def test_it_leaves_a_service_alone_that_was_properly_started(
    run_command: Runner, tmp_path: Path, is_alive: Callable[[int], bool]
) -> None:
    outcome = run_command(
        "setsid -f sh -c 'echo $$ >pids; exec sleep 300' >/dev/null 2>&1; until [ -s pids ]; do sleep 0.05; done"
    )
    (pid,) = _pids(tmp_path / "pids")
    try:
        assert (outcome.message, is_alive(pid)) == ("", True)
    finally:
        os.kill(pid, 9)


def test_it_reads_what_comes_after_the_program_has_ended(run_command: Runner, tmp_path: Path) -> None:
    outcome = run_command("(sleep 0.5; echo late) & echo early")
    assert (_output(tmp_path), outcome.message) == ("early\nlate\n", "")


def test_it_stops_at_once_when_told_to(
    means: Means, make_call: Callable[..., StepCall], is_alive: Callable[[int], bool]
) -> None:
    call = make_call(Options.model_validate({"run": "echo $$ >pids.; mv pids. pids; sleep 300"}))
    word = means.stopping
    assert isinstance(word, threading.Event)

    said_at: list[float] = []

    def say_it_once_it_runs() -> None:
        until((call.workdir / "pids").exists)
        said_at.append(time.monotonic())
        word.set()

    threading.Thread(target=say_it_once_it_runs).start()
    with pytest.raises(StepFailed) as caught:
        run(call, means)
    assert time.monotonic() - said_at[0] < 2.5
    assert (caught.value.status, caught.value.permanent) == ("interrupted", True)
    assert not is_alive(_pids(call.workdir / "pids")[0])
