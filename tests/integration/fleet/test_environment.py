"""The script that goes to a host, run by the plain `sh` of this machine."""

import shutil
import subprocess
from pathlib import Path

import pytest

from opsrunner.errors import StepFailed
from opsrunner.fleet.beginning import MARK
from opsrunner.fleet.environment import READ_SCRIPT, remote_script


def hand_over(script: bytes, *, sent: bytes | None = None, path: str = "/usr/bin:/bin") -> tuple[int, bytes, bytes]:
    """Do what sshd does: let a login shell begin and write the script to its standard input."""
    login_shell = ["/bin/sh", "-c", READ_SCRIPT]
    done = subprocess.run(
        login_shell, input=script if sent is None else sent, env={"PATH": path}, capture_output=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


def test_a_whole_script_runs_its_command() -> None:
    script = remote_script('echo "$NAME"; exit 5', environment={"NAME": "it's"}, timeout_seconds=9)

    assert hand_over(script) == (5, MARK + b"it's\n", MARK)


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
