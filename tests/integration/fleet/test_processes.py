"""Finding and ending processes by their mark, as recovery does after a crash."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from opsrunner.children import STARTING
from opsrunner.errors import StepFailed
from opsrunner.fleet.account import own_account
from opsrunner.fleet.marks import LimitForChildren, limit_of, try_limit
from opsrunner.fleet.owners import owner_of
from opsrunner.fleet.processes import end_marked, find_family, find_marked
from opsrunner.fleet.starting import Command, start
from opsrunner.secrets import SecretRef, Vault

from ...patience import until


def _start(command: str, token: str) -> subprocess.Popen[bytes]:
    environment = {"PATH": os.environ["PATH"], "OPS_RUN_TOKEN": token}
    return subprocess.Popen(["bash", "-c", command], env=environment, start_new_session=True, stdout=subprocess.PIPE)


def _pid_from(process: subprocess.Popen[bytes]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def _close(process: subprocess.Popen[bytes]) -> None:
    process.wait(timeout=5)
    assert process.stdout is not None
    process.stdout.close()


def test_it_finds_and_ends_a_run_and_what_the_run_put_into_the_background(is_alive: Callable[[int], bool]) -> None:
    token = uuid.uuid4().hex
    process = _start("setsid -f sh -c 'echo $$; exec sleep 300'; exec sleep 300", token)
    orphan = _pid_from(process)
    until(lambda: set(find_marked(token)) == {process.pid, orphan})
    assert set(end_marked(token)) >= {process.pid, orphan}
    assert find_marked(token) == []
    until(lambda: not is_alive(orphan))
    _close(process)
    assert process.returncode == -signal.SIGTERM


def test_it_kills_what_does_not_listen_when_the_grace_is_over() -> None:
    token = uuid.uuid4().hex
    process = _start("trap '' TERM; echo $$; while :; do sleep 0.1; done", token)
    _pid_from(process)
    started = time.monotonic()
    end_marked(token, grace_seconds=0.5)
    assert 0.4 < time.monotonic() - started < 4
    _close(process)
    assert process.returncode == -signal.SIGKILL


def test_it_leaves_the_processes_of_another_run_alone() -> None:
    token = uuid.uuid4().hex
    process = _start("echo $$; exec sleep 300", token + "1")
    _pid_from(process)
    assert end_marked(token) == []
    assert process.poll() is None
    process.kill()
    _close(process)


def test_it_never_finds_the_process_that_asks() -> None:
    token = uuid.uuid4().hex
    with STARTING, LimitForChildren(try_limit(token, "first")):
        assert os.getpid() not in find_marked(token)


NOBODY, DAEMON, ROOT = 65534, 1, 0
NO_PROCESS = 2**30


@pytest.mark.needs("root")
@pytest.mark.parametrize(
    ("uid", "account_uid", "is_found"),
    [
        pytest.param(NOBODY, NOBODY, True, id="the account of the step"),
        pytest.param(ROOT, NOBODY, True, id="root"),
        pytest.param(NOBODY, DAEMON, False, id="a stranger who copied the mark of a step"),
        pytest.param(NOBODY, ROOT, True, id="whom a program of root became"),
    ],
)
def test_the_limit_alone_is_trusted_only_for_who_can_have_it_from_us(
    uid: int, account_uid: int, is_found: bool
) -> None:
    token = uuid.uuid4().hex
    with STARTING, LimitForChildren(try_limit(token, "first")):
        process = subprocess.Popen(["sleep", "300"], env={}, user=uid, start_new_session=True)
    try:
        assert limit_of(process.pid) == try_limit(token, "first")
        owner = owner_of(process.pid)
        assert owner is not None
        assert owner.uid == uid
        found = find_family(NO_PROCESS, run_token=token, try_mark="first", account_uid=account_uid, known=set())
        assert found == ([process.pid] if is_found else [])
    finally:
        process.kill()
        process.wait(5)


def test_a_secrets_command_does_not_get_the_mark_of_a_step_that_starts_meanwhile(tmp_path: Path) -> None:
    mark = try_limit(uuid.uuid4().hex, "first")
    answers: list[str] = []
    reference = SecretRef(command=("bash", "-c", "ulimit -x"))
    asking = threading.Thread(target=lambda: answers.append(Vault(tmp_path).resolve(reference)))
    with STARTING, LimitForChildren(mark):
        asking.start()
        asking.join(0.3)
    asking.join(5)
    assert len(answers) == 1
    assert answers != [str(mark)]


def test_of_many_that_are_started_together_each_gets_its_own_program_or_its_own_refusal(tmp_path: Path) -> None:
    """One thread starts for all: the marks, the output and the refusals are those of who asked."""
    account, gate = own_account(os.geteuid()), threading.Barrier(24)
    told: dict[int, tuple[str, int]] = {}
    refused: dict[int, str] = {}

    def ask(number: int) -> None:
        word = "/nowhere/program" if number % 4 == 0 else "/bin/sh"
        command = Command(
            argv=(word, "-c", f"echo {number}; read _"),
            environment={"PATH": os.environ["PATH"]},
            cwd=tmp_path,
            stdin="go\n" if number % 2 else "",
            account=account,
            run_token=f"run {number}",
            try_mark=f"try {number}",
            timeout_seconds=10,
        )
        gate.wait()
        try:
            process = start(command, apart=False)
        except StepFailed as exc:
            refused[number] = str(exc)
            return
        assert process.stdout is not None
        mark = limit_of(process.pid)
        told[number] = (process.stdout.read().decode(), mark)
        _close(process)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert refused == dict.fromkeys(range(0, 24, 4), "command not found: /nowhere/program")
    started = sorted(set(range(24)) - refused.keys())
    assert {number: said for number, (said, _) in told.items()} == {number: f"{number}\n" for number in started}
    marks = {number: mark for number, (_, mark) in told.items() if mark}
    assert marks == {number: try_limit(f"run {number}", f"try {number}") for number in marks}
    assert marks, "some were seen while they lived"
