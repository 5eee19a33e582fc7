"""The script that goes to a host, run by the plain `sh` of this machine."""

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from opsrunner.errors import StepFailed
from opsrunner.fleet.beginning import MARK
from opsrunner.fleet.environment import filler, remote_script, start_request
from opsrunner.fleet.session import ENDED_BY_HOST

PATH = "/usr/bin:/bin"


BASH = "/bin/bash"
LOGINS = {
    "bash leads its group": (BASH, True),
    "bash is one of a group": (BASH, False),
    "sh leads its group": ("/bin/sh", True),
    "sh is one of a group": ("/bin/sh", False),
}


def hand_over(
    script: bytes,
    *,
    sent: bytes | None = None,
    path: str = PATH,
    login: tuple[str, bool] = LOGINS["bash leads its group"],
    startup_file: str = "",
    home: Path = Path("/"),
    variables: Mapping[str, str] | None = None,
    stop_after_seconds: float = 0,
) -> tuple[int, bytes, bytes]:
    """Do what sshd does: let a login shell begin and write the script to its standard input.

    OpenSSH's lets it lead a group of processes, others do not. What a signal ended has the exit code of shells.
    """
    shell, leads = login
    if startup_file:
        (home / ".bashrc").write_text(startup_file)
    ours, its = socket.socketpair()  # as sshd does, and so bash reads its startup file
    with (
        ours,
        subprocess.Popen(
            [shell, "-c", start_request(script)],
            stdin=its.fileno(),
            env={"PATH": path, "SHELL": shell, "HOME": str(home), "SSH_CLIENT": "192.0.2.1 1 22", **(variables or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=leads,
        ) as running,
    ):
        its.close()
        ours.sendall(script if sent is None else sent)
        if stop_after_seconds:
            time.sleep(stop_after_seconds)
            ours.sendall(b"stop\n")
        ours.shutdown(socket.SHUT_WR)
        said, complained = running.communicate()
    return running.returncode if running.returncode >= 0 else 128 - running.returncode, said, complained


@pytest.mark.parametrize("login", LOGINS.values(), ids=LOGINS)
class TestWhoeverEndsItInTime:
    def test_a_whole_script_runs_its_command(self, login: tuple[str, bool]) -> None:
        script = remote_script('echo "$NAME"; exit 5', environment={"NAME": "it's é\udcff"}, timeout_seconds=9)

        assert hand_over(script, login=login) == (5, MARK + b"it's \xc3\xa9\xff\n", MARK)

    def test_the_command_finds_no_trace_of_what_guards_it(self, login: tuple[str, bool]) -> None:
        command = (
            'echo "[$!]" "$(jobs)" $LINENO $#; set | grep ^ops_; [ -e /proc/$$/fd/3 ]; echo $?; wait; false | true'
        )
        script = remote_script(command, environment={}, timeout_seconds=9)

        assert hand_over(script, login=login) == (1, MARK + b"[]  1 0\n1\n", MARK)

    def test_a_signal_that_ends_the_command_is_told(self, login: tuple[str, bool]) -> None:
        script = remote_script("kill -9 $$", environment={}, timeout_seconds=9)

        assert hand_over(script, login=login)[0] == 137

    def test_with_no_link_left_it_ends_the_command_and_its_children_at_the_limit(self, login: tuple[str, bool]) -> None:
        script = remote_script("sleep 30 & echo $!; sleep 30", environment={}, timeout_seconds=3)
        began = time.monotonic()

        code, said, _ = hand_over(script, login=login)

        assert code in ENDED_BY_HOST
        assert time.monotonic() - began >= 3
        assert await_that(lambda: not is_running(said), seconds=15)

    def test_no_child_misses_the_stop_before_it_is_a_program(self, login: tuple[str, bool]) -> None:
        script = remote_script("grep SigCgt /proc/$$/status", environment={}, timeout_seconds=9)

        _, said, _ = hand_over(script, login=login)

        caught = int(said.removeprefix(MARK).split()[1], 16)
        assert not caught >> (signal.SIGTERM - 1) & 1, "the shell catches SIGTERM, and so do its children until exec"

    def test_what_a_command_leaves_behind_lives_on(self, login: tuple[str, bool]) -> None:
        script = remote_script("sleep 60 >/dev/null 2>&1 & echo $!", environment={}, timeout_seconds=3)

        code, said, _ = hand_over(script, login=login)

        assert code == 0
        assert not await_that(lambda: not is_running(said), seconds=4.5)
        os.kill(int(said.removeprefix(MARK)), signal.SIGKILL)

    def test_lines_are_counted_from_the_commands_own_first(self, login: tuple[str, bool]) -> None:
        script = remote_script("true\nnowhere", environment={"A": "two\nlines"}, timeout_seconds=9)

        code, _, complained = hand_over(script, login=login)

        assert (code, b"line 2: nowhere: command not found" in complained) == (127, True)


@pytest.mark.parametrize(
    "shell", [pytest.param(name, marks=pytest.mark.needs(name)) for name in ("tcsh", "fish", "dash")]
)
def test_a_login_shell_of_another_kind_runs_it_too(shell: str, program: Callable[[str], str]) -> None:
    script = remote_script('echo "$NAME"; false | true; exit $((5 + $?))', environment={"NAME": "é"}, timeout_seconds=9)

    assert hand_over(script, login=(program(shell), True)) == (6, MARK + "é\n".encode(), MARK)


@pytest.mark.parametrize(("version", "starts_sh"), [("4.2.46(2)-release", True), ("4.3.30(1)-release", False)])
def test_a_bash_that_cannot_read_so_many_bytes_starts_sh(version: str, starts_sh: bool, tmp_path: Path) -> None:
    script = remote_script("cat /proc/$PPID/comm", environment={"A": "é"}, timeout_seconds=9)

    code, said, _ = hand_over(script, startup_file=f"BASH_VERSION='{version}'", home=tmp_path)

    assert (code, said.removeprefix(MARK) == b"timeout\n") == (0, starts_sh)


@pytest.mark.parametrize("reader", ["", "BASH_VERSION=; "], ids=["bash", "sh"])
def test_what_a_startup_file_has_read_away_lets_no_value_be_run(reader: str, tmp_path: Path) -> None:
    planted = f"touch {tmp_path}/planted; exit 0\n}}\n"
    script = remote_script("true", environment={"A": f"x\n# opsrunner\n{planted}"}, timeout_seconds=9)
    lines = script.splitlines(keepends=True)
    begin = next(number for number, line in enumerate(lines) if line == b"# opsrunner\n")

    for count in (begin, begin + 1):
        eats = f"{reader}for n in {' '.join('x' * count)}; do read -r line; done"
        assert hand_over(script, sent=script + filler(script), startup_file=eats, home=tmp_path)[0] == 97

    assert not (tmp_path / "planted").exists()


def test_a_script_with_a_hole_is_not_run(tmp_path: Path) -> None:
    script = remote_script(f"touch {tmp_path}/keep-0123456789-this", environment={}, timeout_seconds=9)

    for lost in (b"0123456789-", b"\n}\n", b"}", b"#"):
        holed = script.replace(lost, b"", 1) if lost != b"}" else script[:-2] + b"\n"
        assert hand_over(script, sent=holed + filler(script))[0] == 97
        assert hand_over(script, sent=holed + b"stop\n")[0] == 97

    assert list(tmp_path.iterdir()) == []


def test_the_limit_counts_from_the_command_on_whatever_a_startup_file_has_counted(tmp_path: Path) -> None:
    script = remote_script("sleep 30", environment={}, timeout_seconds=2)
    began = time.monotonic()

    assert hand_over(script, startup_file="SECONDS=100", home=tmp_path)[0] in ENDED_BY_HOST
    assert time.monotonic() - began >= 2


def test_a_stop_is_heard_by_an_sh_that_has_a_time_limit_for_reading(tmp_path: Path) -> None:
    (tmp_path / "sh").symlink_to("/bin/bash")
    script = remote_script("sleep 30", environment={}, timeout_seconds=20)
    login, limited = ("/bin/sh", True), {"TMOUT": "1"}

    code, _, _ = hand_over(script, path=f"{tmp_path}:{PATH}", login=login, variables=limited, stop_after_seconds=2)

    assert code == 143


@pytest.mark.parametrize("startup_file", ["TMOUT=900", "export TMOUT=900", "readonly TMOUT=900", "unset SECONDS"])
def test_a_startup_file_that_limits_the_time_of_reading_costs_no_stop(startup_file: str, tmp_path: Path) -> None:
    script = remote_script('grep SigCgt /proc/$$/status; echo "${SECONDS:+counts}"', environment={}, timeout_seconds=9)

    _, said, _ = hand_over(script, startup_file=startup_file, home=tmp_path)

    _, caught, seconds = said.removeprefix(MARK).split()
    assert (int(caught, 16) >> (signal.SIGTERM - 1) & 1, seconds) == (0, b"counts")


@pytest.mark.parametrize(
    "startup_file",
    [
        "set -eu",
        "set -f",
        "shopt -s nullglob expand_aliases; alias printf=false",
        "IFS=,; CDPATH=/; set -- a b",
        "trap 'echo traced' DEBUG EXIT",
        "ls() { echo mine; }; export -f ls",
        "true() { false; }",
        "ops_clean=; unset OPTIND",
    ],
)
def test_what_a_startup_file_leaves_in_the_shell_is_not_for_the_command(startup_file: str, tmp_path: Path) -> None:
    command = "true && echo $- $# /no/where*; x='a b'; cd /usr; set -- $x; echo $#; false | true || echo pipefail"
    script = remote_script(command, environment={}, timeout_seconds=9)

    code, said, complained = hand_over(script, startup_file=startup_file, home=tmp_path)

    assert (code, said.partition(MARK)[2], complained) == (0, b"hBc 0 /no/where*\n2\npipefail\n", MARK)


def is_running(said: bytes) -> bool:
    """Tell whether the process runs whose number a command has said."""
    try:
        stat = Path(f"/proc/{int(said.removeprefix(MARK))}/stat").read_text()
    except FileNotFoundError:
        return False
    return " Z " not in stat


def await_that(holds: Callable[[], bool], *, seconds: float) -> bool:
    """Tell whether it holds before the time is up."""
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def test_it_ends_in_time_where_sh_is_bash(tmp_path: Path) -> None:
    (tmp_path / "sh").symlink_to("/bin/bash")
    script = remote_script("trap 'exit 0' TERM; while :; do sleep 0.1; done", environment={}, timeout_seconds=1)

    assert hand_over(script, path=f"{tmp_path}:{PATH}", login=LOGINS["sh leads its group"])[0] == 124


def test_a_program_that_waits_for_all_its_children_does_not_wait_for_the_guard() -> None:
    program = "import os, contextlib\nwith contextlib.suppress(ChildProcessError): print(os.wait())\nprint('alone')"
    script = remote_script(f"exec {sys.executable} -c {shlex.quote(program)}", environment={}, timeout_seconds=9)

    assert hand_over(script) == (0, MARK + b"alone\n", MARK)


@pytest.mark.soak
def test_a_command_that_ignores_the_end_is_killed_soon_after_its_limit() -> None:
    script = remote_script("trap '' TERM; while :; do sleep 30; done", environment={}, timeout_seconds=1)
    began = time.monotonic()

    assert hand_over(script)[0] == 137
    assert 5 < time.monotonic() - began < 20


@pytest.mark.parametrize("login", ["bash leads its group", "sh leads its group"])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_a_script_that_arrives_cut_short_runs_nothing(share: float, login: str, tmp_path: Path) -> None:
    command = f"touch {tmp_path}/planted; touch {tmp_path}/planted-too"
    script = remote_script(command, environment={"A": "1", "B": "two\nlines"}, timeout_seconds=9)

    code, _, _ = hand_over(script, sent=script[: int(len(script) * share)], login=LOGINS[login])

    assert code != 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("login", ["bash leads its group", "sh leads its group"])
def test_every_cut_at_the_end_of_a_line_runs_nothing(login: str, tmp_path: Path) -> None:
    script = remote_script(f"touch {tmp_path}/planted", environment={"A": "1"}, timeout_seconds=9)
    lines = script.splitlines(keepends=True)

    for count in range(len(lines) - 1):
        hand_over(script, sent=b"".join(lines[:count]), login=LOGINS[login])

    assert list(tmp_path.iterdir()) == []


def test_a_host_without_bash_and_timeout_still_runs_it(tmp_path: Path) -> None:
    found = shutil.which("sh")
    assert found is not None
    (tmp_path / "sh").symlink_to(found)
    script = remote_script('echo "$NAME" "${BASH_VERSION-plain}"', environment={"NAME": "x"}, timeout_seconds=9)

    assert hand_over(script, path=str(tmp_path), login=LOGINS["sh leads its group"]) == (0, MARK + b"x plain\n", MARK)


@pytest.mark.parametrize(
    ("value", "message"),
    [("a\0b", "the value of NAME holds a NUL character"), ("a\ud800b", "the value of NAME holds half a character")],
    ids=["NUL", "half a surrogate pair"],
)
def test_a_value_that_no_process_can_be_handed_is_refused(value: str, message: str) -> None:
    with pytest.raises(StepFailed, match=message) as failed:
        remote_script("true", environment={"NAME": value}, timeout_seconds=9)
    assert failed.value.permanent
