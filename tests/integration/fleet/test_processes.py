"""Finding and ending processes by their mark, as recovery does after a crash."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable

from opsrunner.fleet.marks import LimitForChildren, try_limit
from opsrunner.fleet.processes import end_marked, find_marked


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
    assert set(find_marked(token)) == {process.pid, orphan}
    assert set(end_marked(token)) >= {process.pid, orphan}
    assert find_marked(token) == []
    assert not is_alive(orphan)
    _close(process)
    assert process.returncode == -signal.SIGTERM


def test_it_kills_what_does_not_listen_when_the_grace_is_over() -> None:
    token = uuid.uuid4().hex
    process = _start("trap '' TERM; echo $$; while :; do sleep 0.1; done", token)
    _pid_from(process)
    started = time.monotonic()
    end_marked(token, grace_seconds=0.5)
    assert 0.4 < time.monotonic() - started < 3
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
    with LimitForChildren(try_limit(token, "first")):
        assert os.getpid() not in find_marked(token)
