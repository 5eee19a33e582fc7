"""Programs that try to outlive their step: all of them are ended, within ten seconds of its time."""

from __future__ import annotations

import os
import shlex
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Outcome, StepStatus

from ...patience import raised, within

Runner = Callable[..., Outcome]
PYTHON = shlex.quote(sys.executable)
as_root = pytest.mark.needs("root")  # only root may run as somebody else

# Words that the rows below are written in. `stay` becomes a program that only its argument tells apart.
WORDS = """
import ctypes, os, signal, sys, threading, time
libc = ctypes.CDLL(None)
def stay(environment=None):
    os.execve("/bin/sleep", ["sleep", sys.argv[1]], os.environ if environment is None else environment)
def orphan():
    if os.fork():
        os._exit(0)
def as_child(act):
    if not os.fork():
        act()
        os._exit(0)
def deaf(number=signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
def close_all():
    os.closerange(0, 256)
def daemon(environment=None):
    orphan(); os.setsid(); orphan(); stay(environment)
def silent_daemon():
    orphan(); os.setsid(); orphan(); close_all(); stay({})
def comet():
    while not os.fork():
        open("comet", "w").close()
def wait():
    time.sleep(300)
def deaf_subreaper():
    os.setsid(); libc.prctl(36, 1); as_child(silent_daemon); deaf(); wait()
def phoenix():
    signal.signal(signal.SIGTERM, lambda *_: as_child(lambda: (os.setsid(), stay({}))))
    while True:
        wait()
"""

ESCAPES = [
    pytest.param("as_child(lambda: (os.setsid(), stay())); wait()", id="its own session"),
    pytest.param("as_child(lambda: (orphan(), os.setsid(), stay())); wait()", id="an orphan in its own session"),
    pytest.param("as_child(daemon); wait()", id="a daemon that keeps the output"),
    pytest.param("as_child(lambda: daemon({})); wait()", id="a daemon without environment"),
    pytest.param("as_child(silent_daemon); wait()", id="a daemon that closed everything"),
    pytest.param("as_child(silent_daemon); time.sleep(0.3); stay({})", id="a daemon whose starter became another"),
    pytest.param("libc.prctl(36, 1); as_child(silent_daemon); wait()", id="a subreaper above a daemon"),
    pytest.param("os.kill(os.getpid(), signal.SIGSTOP); stay()", id="it stops itself"),
    pytest.param(
        "as_child(stay); time.sleep(0.2); os.killpg(0, signal.SIGSTOP); stay()", id="it stops itself and its children"
    ),
    pytest.param(
        "as_child(deaf_subreaper); as_child(phoenix);"
        " [deaf(number) for number in range(1, 32) if number not in (9, 19)]; stay()",
        id="deaf, with a deaf subreaper in another session, and one that answers TERM with a child",
    ),
    pytest.param(
        "as_child(lambda: (libc.ptrace(0, 0, 0, 0), stay())); wait()", id="traced by a process that does not look"
    ),
    pytest.param("[as_child(lambda: None) for _ in range(200)]; stay()", id="two hundred zombies"),
    pytest.param("threading.Thread(target=wait).start(); libc.syscall(60, 0)", id="its first thread ended"),
    pytest.param(
        "as_child(lambda: (os.setsid(), threading.Thread(target=wait).start(), libc.syscall(60, 0))); wait()",
        id="another session whose first thread ended",
    ),
    pytest.param(
        "as_child(lambda: (os.setgroups([]), os.setgid(65534), os.setuid(65534), silent_daemon())); wait()",
        id="a daemon of another user",
        marks=as_root,
    ),
    pytest.param(
        "libc.unshare(0x20000000); as_child(silent_daemon); wait()", id="its own process namespace", marks=as_root
    ),
]

LIVING = Callable[[], list[str]]


@pytest.fixture
def mark() -> str:
    """A length of sleep that nobody else has, so that its sleepers are found by what they are called."""
    return f"300{uuid.uuid4().int % 10**12:012d}"


@pytest.fixture
def living(mark: str) -> LIVING:
    """List the processes that have the mark in their arguments; zombies have none any more."""

    def look() -> list[str]:
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if any(mark.encode() in word for word in words):
                found.append(f"{folder.name}: {words!r}")
        return found

    return look


def _written_in_words(act: str, mark: str) -> list[str]:
    return [sys.executable, "-c", WORDS + act, mark]


@pytest.mark.parametrize("act", ESCAPES)
def test_nothing_outlives_a_step_whose_time_is_over(run_command: Runner, living: LIVING, mark: str, act: str) -> None:
    started = time.monotonic()
    with pytest.raises(StepFailed) as caught:
        run_command(_written_in_words(act, mark), _timeout_seconds=1)
    assert (caught.value.status, str(caught.value)) == ("timed_out", "no end after 1 s; its processes were ended")
    assert time.monotonic() - started < 20
    assert living() == []


def test_it_saw_the_sleepers_that_it_looks_for(run_command: Runner, living: LIVING, mark: str) -> None:
    outcome = run_command(_written_in_words("as_child(silent_daemon); time.sleep(0.3)", mark))
    assert outcome.message == ""
    (found,) = living()
    os.kill(int(found.partition(":")[0]), 9)


def test_nohup_in_the_background_is_ended_with_the_step(run_command: Runner, living: LIVING, mark: str) -> None:
    with pytest.raises(StepFailed) as caught:
        run_command(f"nohup sleep {mark} >/dev/null 2>&1 & sleep {mark}", _timeout_seconds=1)
    assert caught.value.status == "timed_out"
    assert living() == []


@pytest.mark.parametrize(("leader", "status"), [("wait()", "timed_out"), ("time.sleep(0.1)", "")])
def test_what_hops_from_child_to_child_is_ended_with_its_group(
    run_command: Runner, tmp_path: Path, mark: str, leader: str, status: str
) -> None:
    """No look at the processes catches it in time; a signal to all of its group does."""
    comet = "as_child(comet); " + leader
    ended_as = ""
    try:
        run_command(_written_in_words(comet, mark), _timeout_seconds=4)
    except StepFailed as exc:
        ended_as = exc.status
    assert ended_as == status
    last_seen = (tmp_path / "comet").stat().st_mtime_ns
    time.sleep(0.2)
    assert (tmp_path / "comet").stat().st_mtime_ns == last_seen


@as_root
@pytest.mark.needs("prlimit")
def test_a_fork_bomb_under_a_limit_comes_to_its_end(run_command: Runner, living: LIVING, mark: str) -> None:
    bomb = ["prlimit", "--nproc=150", "bash", "-c", f"f() {{ f {mark} | f {mark} & }}; f; sleep {mark}"]
    failed = within(1 + 10, lambda: raised(StepFailed, lambda: run_command(bomb, user="nobody", _timeout_seconds=1)))
    assert failed.status == "timed_out"
    assert living() == []


def test_a_grandchild_that_holds_the_output_is_ended_and_named(run_command: Runner, living: LIVING, mark: str) -> None:
    outcome = within(8, lambda: run_command(f"(sleep 30; echo {mark}) & echo done"))
    assert outcome.status is StepStatus.SUCCEEDED
    assert outcome.message == "it left 2 processes behind that kept its output open; ended"
    assert living() == []


# What a step does to itself: it fails at once, and says by what.
SELF_INFLICTED = [
    pytest.param("kill -9 0", "killed by signal 9 (KILL)", id="kills its own process group"),
    pytest.param("ulimit -t 1; while :; do :; done", "killed by signal", id="uses up its share of the processor"),
    pytest.param(f"ulimit -v 200000; {PYTHON} -c 'x = 10**9 * [0]'", "MemoryError", id="uses up its memory"),
    pytest.param("ulimit -f 1; dd if=/dev/zero of=big bs=1k count=9", "XFSZ", id="writes more than it may"),
]


@pytest.mark.parametrize(("command", "message"), SELF_INFLICTED)
def test_what_a_step_does_to_itself_is_told(run_command: Runner, command: str, message: str) -> None:
    with pytest.raises(StepFailed) as caught:
        run_command(command, _timeout_seconds=30)
    assert message in str(caught.value)
    assert caught.value.status == "failed"


# What asks a person: there is none, so it is told that the input has ended or that there is no terminal.
QUESTIONS = [
    pytest.param("read -r line", "exit code 1", id="standard input"),
    pytest.param("read -r line </dev/tty", "No such device or address", id="the terminal"),
    pytest.param("bash -i -c 'read -r -p password: x'", "exit code 1", id="an interactive shell"),
    pytest.param("su nobody -s /bin/sh -c 'read x </dev/tty'", "No such device or address", id="another user's shell"),
    pytest.param(f"{PYTHON} -c 'import getpass; getpass.getpass()' 2>&1", "EOF", id="getpass"),
    pytest.param("ssh-keygen -y -f locked", "incorrect passphrase", id="a passphrase of OpenSSH"),
    pytest.param("openssl rsa -in locked.pem -noout", "exit code 1", id="a passphrase of OpenSSL"),
]


@pytest.mark.needs("ssh-keygen", "openssl")
@pytest.mark.parametrize(("command", "message"), QUESTIONS)
def test_a_program_that_asks_fails_instead_of_waiting(
    run_command: Runner, tmp_path: Path, command: str, message: str
) -> None:
    run_command(["ssh-keygen", "-q", "-t", "ed25519", "-N", "long enough", "-f", str(tmp_path / "locked")])
    run_command("openssl genrsa -aes256 -passout pass:long -out locked.pem 1024 2>/dev/null")
    failed = within(5, lambda: raised(StepFailed, lambda: run_command(command, _timeout_seconds=30)))
    assert message in str(failed)
    assert failed.status == "failed"
