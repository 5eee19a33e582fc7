"""What most tests here call is what a person calls: the installed program, though it was imported beforehand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from ..front_door import FrontDoor

SCRIPT = Path(sys.executable).with_name("opsrunner")
TOLD = """\
name: Told
accountable: owner
steps:
  - run: [sh, -c, 'umask; ulimit -n; echo "$0 $LANG $HOME"; readlink /proc/self/fd/0; ls /proc/self/fd; trap']
  - run: 'echo lost >&2; exit 3'
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8", "COLUMNS": "90", "CANARY": "ü"}


@pytest.mark.parametrize(
    "arguments",
    [(), ("--help",), ("nonsense",), ("check",), ("runs", "--json"), ("next", "--cron", "@daily", "--count", "3")],
    ids=" ".join,
)
def test_an_imported_program_answers_as_one_that_was_started(
    front_door: FrontDoor,
    make_site: Callable[[Mapping[str, str]], Path],
    environment: dict[str, str],
    arguments: tuple[str, ...],
) -> None:
    site = make_site({"routines/told.yaml": TOLD})
    started = subprocess.run(
        [SCRIPT, *arguments],
        cwd=site,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    called = front_door.call(*arguments, folder=site, environment=environment)

    assert (called.returncode, called.stdout, called.stderr) == (started.returncode, started.stdout, started.stderr)


def test_its_steps_find_what_those_of_a_started_one_find(
    front_door: FrontDoor, make_site: Callable[[Mapping[str, str]], Path], environment: dict[str, str]
) -> None:
    site = make_site({"routines/told.yaml": TOLD})
    started = subprocess.run([SCRIPT, "run", "told"], cwd=site, env=environment, stdin=subprocess.DEVNULL, check=False)
    called = front_door.call("run", "told", folder=site, environment=environment)

    assert (started.returncode, called.returncode) == (1, 1)
    logs = [(site / f"var/runs/{run}/run.log").read_text() for run in (1, 2)]
    assert logs[0] == logs[1]
    shown = [front_door.call("show", run, "--json", folder=site, environment=environment).stdout for run in ("1", "2")]
    kept = [[(step["status"], step["message"]) for step in json.loads(text)["steps"]] for text in shown]
    assert kept[0] == kept[1] == [("succeeded", ""), ("failed", "exit code 3: lost")]


def test_what_takes_too_long_is_killed(
    front_door: FrontDoor, make_site: Callable[[Mapping[str, str]], Path], environment: dict[str, str]
) -> None:
    site = make_site({})
    with pytest.raises(subprocess.TimeoutExpired):
        front_door.call("serve", "--no-page", folder=site, environment=environment, seconds=1)
    deadline = time.monotonic() + 10
    while someone_works_in(site):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert front_door.call("runs", folder=site, environment=environment).returncode == 0


def someone_works_in(folder: Path) -> bool:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if (process / "cwd").readlink() == folder:
                return True
    return False
