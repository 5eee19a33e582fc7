"""The script that goes to a host, run by the plain `sh` of this machine."""

import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from opsrunner.errors import StepFailed
from opsrunner.fleet.beginning import MARK
from opsrunner.fleet.environment import READ_SCRIPT, remote_script

PATH = "/usr/bin:/bin"


def hand_over(
    script: bytes, *, sent: bytes | None = None, path: str = PATH, leads: bool = True
) -> tuple[int, bytes, bytes]:
    """Do what sshd does: let a login shell begin and write the script to its standard input.

    OpenSSH's lets it lead a group of processes, others do not.
    """
    done = subprocess.run(
        ["/bin/sh", "-c", READ_SCRIPT],
        input=script if sent is None else sent,
        env={"PATH": path},
        capture_output=True,
        check=False,
        start_new_session=leads,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("leads", [True, False], ids=["leads its group", "is one of a group"])
class TestWhoeverEndsItInTime:
    def test_a_whole_script_runs_its_command(self, leads: bool) -> None:
        script = remote_script('echo "$NAME"; exit 5', environment={"NAME": "it's"}, timeout_seconds=9)

        assert hand_over(script, leads=leads) == (5, MARK + b"it's\n", MARK)

    def test_the_command_finds_no_trace_of_what_guards_it(self, leads: bool) -> None:
        command = (
            'echo "[$!]" "$(jobs)" $LINENO $#; env | grep -c ^ops_; [ -e /proc/$$/fd/3 ]; echo $?; wait; false | true'
        )
        script = remote_script(command, environment={}, timeout_seconds=9)

        assert hand_over(script, leads=leads) == (1, MARK + b"[]  1 0\n0\n1\n", MARK)

    def test_a_signal_that_ends_the_command_is_told(self, leads: bool) -> None:
        script = remote_script("kill -9 $$", environment={}, timeout_seconds=9)

        assert hand_over(script, leads=leads)[0] == 137

    def test_with_no_link_left_it_ends_the_command_and_its_children_at_the_limit(self, leads: bool) -> None:
        script = remote_script("sleep 30 & echo $!; sleep 30", environment={}, timeout_seconds=1)

        code, said, _ = hand_over(script, leads=leads)

        assert code == 124
        assert await_that(lambda: not is_running(said), seconds=5)

    def test_what_a_command_leaves_behind_lives_on(self, leads: bool) -> None:
        script = remote_script("sleep 2 >/dev/null 2>&1 & echo $!", environment={}, timeout_seconds=1)

        code, said, _ = hand_over(script, leads=leads)

        assert code == 0
        assert not await_that(lambda: not is_running(said), seconds=1.3)


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

    assert hand_over(script, path=f"{tmp_path}:{PATH}")[0] == 124


def test_a_program_that_waits_for_all_its_children_does_not_wait_for_the_guard() -> None:
    program = "import os, contextlib\nwith contextlib.suppress(ChildProcessError): print(os.wait())\nprint('alone')"
    script = remote_script(f"exec {sys.executable} -c {shlex.quote(program)}", environment={}, timeout_seconds=9)

    assert hand_over(script) == (0, MARK + b"alone\n", MARK)


@pytest.mark.soak
def test_a_command_that_ignores_the_end_is_killed_soon_after_its_limit() -> None:
    script = remote_script("trap '' TERM; while :; do sleep 30; done", environment={}, timeout_seconds=1)
    began = time.monotonic()

    assert hand_over(script)[0] == -9
    assert 5 < time.monotonic() - began < 20


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_a_script_that_arrives_cut_short_runs_nothing(share: float, tmp_path: Path) -> None:
    command = f"touch {tmp_path}/planted; touch {tmp_path}/planted-too"
    script = remote_script(command, environment={"A": "1", "B": "two\nlines"}, timeout_seconds=9)

    code, _, _ = hand_over(script, sent=script[: int(len(script) * share)])

    assert code != 0
    assert list(tmp_path.iterdir()) == []


def test_every_cut_at_the_end_of_a_line_runs_nothing(tmp_path: Path) -> None:
    script = remote_script(f"touch {tmp_path}/planted", environment={"A": "1"}, timeout_seconds=9)
    lines = script.splitlines(keepends=True)

    for count in range(len(lines) - 1):
        hand_over(script, sent=b"".join(lines[:count]))

    assert list(tmp_path.iterdir()) == []


def test_a_host_without_bash_and_timeout_still_runs_it(tmp_path: Path) -> None:
    found = shutil.which("sh")
    assert found is not None
    (tmp_path / "sh").symlink_to(found)
    script = remote_script('echo "$NAME" "${BASH_VERSION-plain}"', environment={"NAME": "x"}, timeout_seconds=9)

    assert hand_over(script, path=str(tmp_path)) == (0, MARK + b"x plain\n", MARK)


@pytest.mark.parametrize(
    ("value", "message"),
    [("a\0b", "the value of NAME holds a NUL character"), ("a\ud800b", "the value of NAME holds half a character")],
    ids=["NUL", "half a surrogate pair"],
)
def test_a_value_that_no_process_can_be_handed_is_refused(value: str, message: str) -> None:
    with pytest.raises(StepFailed, match=message) as failed:
        remote_script("true", environment={"NAME": value}, timeout_seconds=9)
    assert failed.value.permanent
