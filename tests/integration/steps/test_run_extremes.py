"""`run` at the limits of the system: long arguments, a full disk, folders taken away, processes of others."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Outcome, StepStatus

from ...patience import within

Runner = Callable[..., Outcome]
as_root = pytest.mark.needs("root")  # only root may mount and run as somebody else
LONG = "x" * 200_000
TAKEN = [
    pytest.param(["echo", *["x" * 99] * 2_000], {}, id="200 kB in many arguments"),
    pytest.param("true " + "# a comment\n" * 10_000, {}, id="a shell string of 120 kB"),
    pytest.param("true", {f"PART_{n}": "x" * 100_000 for n in range(10)}, id="1 MB in ten variables"),
]
REFUSED = [
    pytest.param(["echo", LONG], {}, id="one argument of 200 kB"),
    pytest.param(f"echo {LONG}", {}, id="a shell string of 200 kB"),
    pytest.param("true", {"LONG": LONG * 5}, id="one variable of 1 MB"),
    pytest.param("true", {f"PART_{n}": "x" * 100_000 for n in range(100)}, id="10 MB in a hundred variables"),
]


@pytest.mark.parametrize(("command", "env"), TAKEN)
def test_it_hands_over_what_the_system_takes(run_command: Runner, command: Any, env: dict[str, str]) -> None:
    assert run_command(command, _env=env).status is StepStatus.SUCCEEDED


@pytest.mark.parametrize(("command", "env"), REFUSED)
def test_it_says_what_to_do_with_what_is_too_long(run_command: Runner, command: Any, env: dict[str, str]) -> None:
    with pytest.raises(StepFailed) as caught:
        run_command(command, _env=env)
    assert "Argument list too long: Linux takes 128 kB of one argument or variable" in str(caught.value)
    assert "hand it over in a file or as stdin" in str(caught.value)
    assert caught.value.permanent


@pytest.mark.parametrize(
    "deed", ['rm -rf "$OPS_WORKDIR"', 'chmod 000 "$OPS_WORKDIR"', 'rmdir "$OPS_WORKDIR"; ln -s / "$OPS_WORKDIR"']
)
def test_a_step_may_lose_its_folder_and_keeps_its_outcome(run_command: Runner, tmp_path: Path, deed: str) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    outcome = run_command(f"cd $OPS_WORKDIR; {deed}; echo done", _workdir=folder)
    assert (outcome.status, (tmp_path / "output.log").read_text()) == (StepStatus.SUCCEEDED, "done\n")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of half a megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@as_root
def test_a_step_that_fills_its_disk_says_so(run_command: Runner, small_disk: Path) -> None:
    with pytest.raises(StepFailed, match="No space left on device"):
        run_command("cat /dev/zero >big", cwd=str(small_disk))


@as_root
def test_output_that_has_no_room_stops_nothing_and_is_told(run_command: Runner, small_disk: Path) -> None:
    outcome = run_command(
        "head -c 900000 /dev/zero; echo end", _output=small_disk / "output.log", _output_limit_bytes=1_000_000
    )
    assert outcome.status is StepStatus.WARNING, "it did its work, and somebody should look"
    assert outcome.message == "its output could not be kept: No space left on device"
    assert outcome.facts["output_bytes"] == 900_004


UNPRIVILEGED = """
import os, sys, threading, time
from pathlib import Path
from opsrunner.clock import SystemClock
from opsrunner.errors import StepFailed
from opsrunner.secrets import Vault
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.run import Options
from opsrunner.steps.run_command import run
root, options = Path(sys.argv[1]), Options(run=sys.argv[2])
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
call = StepCall(run_id=1, run_token=sys.argv[3], routine="r", step="s", options=options,
    timeout_seconds=3, site_root=root, workdir=root, output=root / "output.log", output_limit_bytes=1_000_000)
means = Means(clock=SystemClock(), vault=Vault(root), stopping=threading.Event(), hosts={}, fleet=None, sources={},
    read_source=None, send=None, copies=None, note=None)
started = time.monotonic()
try:
    print(run(call, means).message)
except StepFailed as exc:
    print(exc.status, exc.permanent, exc, "in time" if time.monotonic() - started < 3 + 10 else "late")
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that another user may work in, on a file system that honours the set-user-id bit."""
    folder = Path(tempfile.mkdtemp(dir="/var/tmp"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


@as_root
@pytest.mark.needs("setpriv")
def test_what_may_not_be_ended_is_named_and_the_step_is_unknown(
    open_folder: Path, is_alive: Callable[[int], bool]
) -> None:
    """Nobody but root may signal what became root's: it lives on, and no success or end is claimed."""
    shell = open_folder / "rootly"
    shutil.copy("/bin/bash", shell)
    shell.chmod(0o4755)
    (open_folder / "become").write_text(
        'exec setpriv --reuid 0 --regid 0 --clear-groups sh -c \'echo $$ >"$0"; exec sleep 300\' "$1"'
    )
    rows = {"itself": f"exec {shell} -p become itself", "child": f"{shell} -p become child >/dev/null 2>&1 & sleep 300"}
    asked = [
        subprocess.Popen(
            [sys.executable, "-c", UNPRIVILEGED, str(open_folder), command, f"{open_folder.name}-{name}"],
            stdout=subprocess.PIPE,
            text=True,
        )
        for name, command in rows.items()
    ]
    answers = [process.communicate(timeout=30)[0] for process in asked]
    for name, answer in zip(rows, answers, strict=True):
        pid = int((open_folder / name).read_text())
        assert is_alive(pid)
        os.kill(pid, 9)
        assert answer.endswith(f"could not be ended: {pid} (sleep, as root) in time\n"), name
        assert answer.startswith("unknown True "), name


def test_an_exit_code_that_the_system_threw_away_is_no_success(tmp_path: Path) -> None:
    """Where SIGCHLD is ignored, nobody can ask how a program ended."""
    script = "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n" + UNPRIVILEGED.replace(
        "os.set", "1 or os.set"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), "exit 3", tmp_path.name],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert answer.stdout == "unknown True it ended, and the system did not keep its exit code in time\n"


def _zombies() -> list[str]:
    """List our own children that nobody has collected."""
    children = [path for task in Path("/proc/self/task").iterdir() for path in (task / "children").read_text().split()]
    return [pid for pid in children if ") Z " in Path(f"/proc/{pid}/stat").read_text()]


def test_two_hundred_steps_leave_no_descriptor_and_no_zombie(run_command: Runner) -> None:
    run_command("true")
    before = sorted(Path("/proc/self/fd").iterdir())
    for number in range(200):
        run_command(["true"], **({"_rows_as": "lines"} if number % 2 else {}))
    assert sorted(Path("/proc/self/fd").iterdir()) == before
    assert _zombies() == []


def test_a_clean_end_is_not_waited_for(run_command: Runner) -> None:
    """What is measured is the shortest of many: a busy machine makes single ones long."""
    within(0.05, lambda: run_command(["true"]), tries=100)
