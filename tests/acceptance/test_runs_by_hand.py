"""`run`, `runs`, `show`, `logs`, `cancel`: running by hand and looking back."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ..patience import until

Opsrunner = Callable[..., Any]
SCRIPT = Path(sys.executable).with_name("opsrunner")
FINE = """\
name: Fine
accountable: sysadmin
steps:
  - id: hello
    run: echo "hello $NAME"
    env: {NAME: world}
  - id: rows
    run: printf 'a\\nb\\n'
    rows: lines
"""
BROKEN = """\
name: Broken
accountable: sysadmin
steps:
  - id: dump
    run: printf 'lost\\033[2J connection\\n'; exit 3
  - id: copy
    run: echo never
"""
SECRET = """\
name: Secret
accountable: sysadmin
steps:
  - id: login
    run: echo "token is $TOKEN"
    env: {TOKEN: {env: CANARY}}
"""
SLOW = """\
name: Slow
accountable: sysadmin
steps:
  - id: sleep
    run: echo started; exec sleep 300
"""
ASKS = """\
name: Asks
accountable: sysadmin
steps:
  - task: Look at it
"""


@pytest.fixture
def site(make_site: Callable[..., Path]) -> Path:
    """Write a site with routines that end in every way."""
    brief = SLOW.replace("echo started; exec sleep 300", "echo one; sleep 8; echo two")
    texts = {"fine": FINE, "broken": BROKEN, "secret": SECRET, "slow": SLOW, "brief": brief, "asks": ASKS}
    return make_site({f"routines/{name}.yaml": text for name, text in texts.items()})


@pytest.fixture
def daemon(site: Path) -> Iterator[subprocess.Popen[str]]:
    """Serve the site until the test ends."""
    process = subprocess.Popen(
        [str(SCRIPT), "serve", "--no-page"], cwd=site, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "in force" in line:
            break
    yield process
    process.terminate()
    process.communicate(timeout=30)


def test_a_run_by_hand_is_followed_kept_and_shown(opsrunner: Opsrunner, site: Path) -> None:
    ran = opsrunner("run", "fine", "--as", "ops1", site=site)
    listed = json.loads(opsrunner("runs", "--json", site=site).stdout)
    shown = opsrunner("show", "1", site=site).stdout
    as_json = json.loads(opsrunner("show", "1", "--json", site=site).stdout)
    log = opsrunner("logs", "1", "hello", site=site)

    assert ran.returncode == 0
    assert "✓ hello  succeeded" in ran.stdout
    assert "Run 1: succeeded after " in ran.stdout
    assert "\x1b" not in ran.stdout
    assert [(run["routine"], run["status"], run["trigger"], run["actor"]) for run in listed] == [
        ("fine", "succeeded", "manual", "ops1")
    ]
    assert "by hand, by First technician" in shown
    assert [step["id"] for step in as_json["steps"]] == ["hello", "rows"]
    assert [list(row.values()) for row in as_json["steps"][1]["rows"]] == [["a"], ["b"]]
    assert (log.returncode, log.stdout) == (0, "hello world\n")


def test_a_failure_is_told_with_its_reason_and_its_follow_up(opsrunner: Opsrunner, site: Path) -> None:
    ran = opsrunner("run", "broken", site=site)
    shown = opsrunner("show", "1", site=site).stdout
    log = opsrunner("logs", "1", site=site).stdout
    tasks = json.loads(opsrunner("tasks", "--json", site=site).stdout)
    failed = json.loads(opsrunner("runs", "--status", "failed", "--json", site=site).stdout)

    assert ran.returncode == 1
    assert "✕ dump  failed" in ran.stdout
    assert "Run 1: failed after " in ran.stdout
    assert "(step dump)" in ran.stdout
    assert re.search(r"copy +○ skipped", shown)
    assert "lost\\x1b[2J connection" in log, "a log cannot steer the terminal"
    assert [(task["kind"], task["routine"], task["count"]) for task in tasks] == [("follow_up", "broken", 1)]
    assert [run["id"] for run in failed] == [1]


def test_every_try_says_how_it_ended(opsrunner: Opsrunner, site: Path) -> None:
    text = BROKEN.replace("Broken", "Again").replace("exit 3", "exit 3\n    retry: {times: 1, wait: 0s}")
    (site / "routines/again.yaml").write_text(text)

    opsrunner("run", "again", site=site)
    shown = opsrunner("show", "1", site=site)

    tries = [line for line in shown.stdout.splitlines() if line.strip().startswith("try ")]
    assert len(tries) == 2
    assert all("exit code 3" in line for line in tries), shown.stdout


def test_a_dry_run_shows_all_and_does_nothing(opsrunner: Opsrunner, site: Path) -> None:
    shown = opsrunner("run", "secret", "--dry-run", site=site, env={"CANARY": "s3cr3t-canary"})
    as_json = json.loads(opsrunner("run", "fine", "--dry-run", "--json", site=site).stdout)

    assert shown.returncode == 0
    assert 'echo "token is $TOKEN"' in shown.stdout
    assert "TOKEN={env: CANARY}" in shown.stdout
    assert "s3cr3t-canary" not in shown.stdout
    assert [step["id"] for step in as_json["steps"]] == ["hello", "rows"]
    assert json.loads(opsrunner("runs", "--json", site=site).stdout) == []


def test_a_secret_is_masked_wherever_it_could_be_seen(opsrunner: Opsrunner, site: Path) -> None:
    canary = {"CANARY": "s3cr3t-canary"}
    answers = [
        opsrunner("run", "secret", site=site, env=canary),
        opsrunner("show", "1", "--json", site=site),
        opsrunner("logs", "1", site=site),
        opsrunner("digest", site=site),
    ]

    assert answers[0].returncode == 0
    assert "token is ••••" in answers[2].stdout
    assert not any("s3cr3t-canary" in answer.stdout + answer.stderr for answer in answers)
    kept = b"".join(path.read_bytes() for path in (site / "var").rglob("*") if path.is_file())
    assert b"s3cr3t-canary" not in kept


@pytest.mark.parametrize("step", ["../1/hello", "..", "%2e%2e", "/etc/passwd", "a\x01", "hello/../../x", ""])
def test_a_log_is_never_read_from_outside(opsrunner: Opsrunner, site: Path, step: str) -> None:
    opsrunner("run", "fine", site=site)
    (site / "var/runs/secret.log").write_text("outside", encoding="utf-8")

    answer = opsrunner("logs", "1", step, site=site)

    assert answer.returncode == 2
    assert "outside" not in answer.stdout + answer.stderr


def test_a_log_that_is_a_link_to_elsewhere_is_not_followed(opsrunner: Opsrunner, site: Path) -> None:
    opsrunner("run", "fine", site=site)
    (site / "var/outside.txt").write_text("outside", encoding="utf-8")
    (site / "var/runs/1/planted.log").symlink_to(site / "var/outside.txt")

    assert opsrunner("logs", "1", "planted", site=site).returncode == 1
    assert "outside" not in opsrunner("logs", "1", site=site).stdout


def test_what_is_not_there_is_said_in_one_line(opsrunner: Opsrunner, site: Path) -> None:
    assert opsrunner("show", "7", site=site).stderr == "opsrunner: there is no run 7\n"
    assert opsrunner("logs", "7", site=site).stderr == "opsrunner: there is no run 7\n"
    opsrunner("run", "fine", site=site)
    missing = opsrunner("logs", "1", "helo", site=site)
    assert missing.stderr == "opsrunner: run 1 has no step 'helo' that began (it has: hello, rows)\n"


def test_with_a_daemon_the_run_is_its_and_can_be_cancelled(
    opsrunner: Opsrunner, site: Path, daemon: subprocess.Popen[str]
) -> None:
    ran = opsrunner("run", "fine", site=site)
    follower = subprocess.Popen([str(SCRIPT), "run", "slow"], cwd=site, stdout=subprocess.PIPE, text=True)
    wait_for_run(opsrunner, site, status="running")
    second = opsrunner("serve", "--no-page", site=site, seconds=10)
    cancelled = opsrunner("cancel", "2", "--as", "boss", site=site)
    told, _ = follower.communicate(timeout=30)

    assert ran.returncode == 0
    assert "✓ hello  succeeded" in ran.stdout
    assert second.returncode == 1
    assert f"process {daemon.pid}" in second.stderr
    assert cancelled.stdout == "○ Run 2: cancelled.\n"
    assert follower.returncode == 1
    assert "Run 2: cancelled" in told
    assert opsrunner("cancel", "2", site=site).stderr == "opsrunner: run 2 has ended already: cancelled\n"


def test_a_run_that_waits_can_be_cancelled_without_a_daemon(opsrunner: Opsrunner, site: Path) -> None:
    own_life = "  - task: Keyed, so it never holds a run\n    key: \"'x'\"\n"
    (site / "routines/asks.yaml").write_text(ASKS + own_life, encoding="utf-8")
    waits = opsrunner("run", "asks", site=site)
    cancelled = opsrunner("cancel", "1", site=site)

    assert waits.returncode == 0
    assert "Run 1 waits for people: 1 open task." in waits.stdout
    assert cancelled.returncode == 0
    assert json.loads(opsrunner("show", "1", "--json", site=site).stdout)["status"] == "cancelled"


def test_following_a_log_ends_with_the_run(opsrunner: Opsrunner, site: Path, daemon: subprocess.Popen[str]) -> None:
    runner = subprocess.Popen([str(SCRIPT), "run", "brief"], cwd=site, stdout=subprocess.DEVNULL)
    wait_for_run(opsrunner, site, status="running")

    followed = opsrunner("logs", "1", "--follow", site=site, seconds=40)

    assert runner.wait(timeout=20) == 0
    assert followed.returncode == 0
    assert followed.stdout.splitlines()[-2:] == ["one", "two"]
    assert daemon.poll() is None


def test_ctrl_c_ends_a_run_and_its_processes(opsrunner: Opsrunner, site: Path) -> None:
    process = subprocess.Popen(
        [str(SCRIPT), "run", "slow"], cwd=site, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_for_run(opsrunner, site, status="running")
    log = site / "var/runs/1/sleep.log"
    until(lambda: log.exists() and b"started" in log.read_bytes())
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=20)

    assert process.returncode in (1, 130)
    assert "Traceback" not in complaint
    until(lambda: not processes_in(site))
    opsrunner("run", "fine", site=site)
    assert json.loads(opsrunner("show", "1", "--json", site=site).stdout)["status"] in ("interrupted", "cancelled")


def test_a_terminal_gets_colours_and_a_pipe_does_not(site: Path) -> None:
    on_terminal = in_a_terminal(site, "run", "fine")
    without_colour = in_a_terminal(site, "runs", NO_COLOR="1")

    assert "\x1b[32m" in on_terminal
    assert "hello" in on_terminal
    assert "Fine" in without_colour
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", without_colour)


def test_what_a_step_says_cannot_steer_a_terminal(opsrunner: Opsrunner, site: Path) -> None:
    opsrunner("run", "broken", site=site)

    seen = in_a_terminal(site, "show", "1") + in_a_terminal(site, "logs", "1")

    assert "\x1b[2J" not in seen
    assert "\\x1b[2J" in seen


def in_a_terminal(site: Path, *arguments: str, **env: str) -> str:
    """Run the program on a terminal of its own and return everything it wrote there."""
    parent, child = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", **env}
    process = subprocess.Popen(
        [str(SCRIPT), *arguments], cwd=site, stdin=child, stdout=child, stderr=child, env=environment
    )
    os.close(child)
    written = b""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if select.select([parent], [], [], 0.2)[0]:
            try:
                piece = os.read(parent, 65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            written += piece
    os.close(parent)
    process.wait(timeout=10)
    return written.decode("utf-8", "replace")


def wait_for_run(opsrunner: Opsrunner, site: Path, *, status: str) -> None:
    """Wait until a run has that status."""
    until(lambda: json.loads(opsrunner("runs", "--status", status, "--json", site=site).stdout or "[]") != [])


def processes_in(site: Path) -> list[str]:
    """Return the commands of the processes that work in the site's folder."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "cwd").resolve().is_relative_to(site):
                found.append((folder / "cmdline").read_text())
        except OSError:
            continue
    return found
