"""One routine, by the daemon as systemd starts it and by hand in a crowded shell: the same in all it can see."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(sys.executable).with_name("opsrunner")
# What a program can learn about where it came from, each line its own. Numbers of this run are left out.
ROUTINE = r"""
name: Look around
accountable: owner
steps:
  - id: look
    timeout: 20s
    run: |
      env | grep -v -E '^(OPS_RUN_TOKEN|OPS_TRY|OPS_RUN_ID|OPS_WORKDIR)=' | sort
      declare -F; alias; shopt -p | grep -v history; set -o | grep -v -E 'history|monitor'
      echo "umask $(umask) folder $(pwd) input [$(cat)]"
      grep -E '^(Sig(Blk|Ign|Pnd)|ShdPnd|Umask|Groups|Seccomp|NoNewPrivs)' /proc/self/status
      ls /proc/self/fd | tr '\n' ' '; readlink /proc/self/fd/0
      printf '%s\n' b A a B | sort; printf '%s' 'æ' | wc -m; date -d @0 +%c; git --version >/dev/null; type -t ls
      ps -o tty= -p $$; tty; [ "$(ps -o sid= -p $$)" -eq $$ ] && echo a session of its own
      (yes; echo "yes ended with $?" >&2) | head -n 1 >/dev/null
  - id: also
    run: [printenv, PATH, HOME, USER, LOGNAME, SHELL, LANG, OPS_ROUTINE, OPS_STEP, OPS_SITE]
  - id: pipe
    run: yes | head -n 1
    ok_codes: [141]
"""
SITE = """\
site: Example Hosting
timezone: Europe/Oslo
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner], login: root}
"""
# What systemd.exec(5) says that a service gets, and what a unit without settings has beside it.
OF_SYSTEMD = {
    "LANG": "nb_NO.UTF-8",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
    "INVOCATION_ID": "0123456789abcdef0123456789abcdef",
    "JOURNAL_STREAM": "8:12345",
    "SYSTEMD_EXEC_PID": "4711",
}
CROWDED = r"""
export HOME=/nowhere LC_ALL=C TZ=Asia/Tokyo PATH=/opt/bin:$PATH PYTHONPATH=/opt/lib PYTHONHASHSEED=7 GIT_DIR=/nowhere
export GIT_AUTHOR_NAME=x BASH_ENV=/nowhere ENV=/nowhere CDPATH=/ IFS=: PS4=+ LS_COLORS=x EDITOR=vi
export LD_PRELOAD=$(ldconfig -p | awk '/libm.so.6/ {print $NF; exit}') OPS_RUN_TOKEN=forged OPS_TRY=forged OPS_HOST=x
ls() { echo a function; }; export -f ls; alias cat='echo an alias'
umask 077; ulimit -n 512; exec 9</etc/hostname 8>/dev/null
renice -n 5 $$ >/dev/null
exec perl -e '
  use POSIX;
  $SIG{$_} = "IGNORE" for qw(HUP INT QUIT CHLD USR1 TSTP TTIN TTOU ALRM);
  POSIX::sigprocmask(SIG_BLOCK, POSIX::SigSet->new(SIGUSR1, SIGUSR2, SIGTERM, SIGALRM));
  $^F = 100;
  exec @ARGV' "$@" <&-
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    root = tmp_path / "site"
    (root / "routines").mkdir(parents=True)
    (root / "opsrunner.yaml").write_text(SITE)
    (root / "routines" / "look.yaml").write_text(ROUTINE)
    return root


def _ask(site: Path, *arguments: str, environment: Mapping[str, str] = OF_SYSTEMD) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SCRIPT), *arguments, "--site", str(site)],
        cwd="/",
        check=False,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def served(site: Path) -> Iterator[Path]:
    """The site with a daemon in systemd's environment, SIGPIPE ignored and another working folder."""
    log = (site.parent / "serve.log").open("wb")
    daemon = subprocess.Popen(
        [str(SCRIPT), "serve", "--no-page", "--site", str(site)],
        cwd="/",
        env=OF_SYSTEMD,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        restore_signals=False,  # SIGPIPE stays ignored, as systemd's IgnoreSIGPIPE= leaves it
        start_new_session=True,
    )
    try:
        for _ in range(200):
            if " in force" in (site.parent / "serve.log").read_text():
                break
            time.sleep(0.1)
        yield site
        _stop_daemon(site)
    finally:
        daemon.kill()
        daemon.wait()
        log.close()


def _stop_daemon(site: Path) -> None:
    """Let the daemon of the site end, if it lives, and wait for it."""
    lock = site / "var" / "lock"
    holder = int(lock.read_text())
    with suppress(ProcessLookupError):
        os.kill(holder, signal.SIGTERM)
    for _ in range(200):
        if not _is_running(holder):
            return
        time.sleep(0.1)


def _is_running(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def _result(site: Path, run: int) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Return what the steps of a run printed and what is recorded of them, without what differs by nature."""
    shown = json.loads(_ask(site, "show", str(run), "--json").stdout)
    logs = {path.name: path.read_text() for path in (site / "var" / "runs" / str(run)).glob("*.log")}
    for step in shown["steps"]:
        for differing in ("seconds", "started_at", "finished_at"):
            step.pop(differing)
        step["facts"].pop("seconds")
        step["facts"]["environment"].pop("OPS_RUN_ID")
        step["facts"]["environment"].pop("OPS_WORKDIR")
    return logs, shown["steps"]


def _handed_down(steps: list[dict[str, Any]]) -> dict[str, int]:
    down: list[dict[str, int]] = [step["facts"].pop("handed_down") for step in steps]
    assert down[0] == down[-1]
    return down[0]


def test_a_routine_sees_the_same_from_systemd_and_from_a_crowded_shell(served: Path) -> None:
    assert _ask(served, "run", "look").returncode == 0
    logs, steps = _result(served, 1)
    _stop_daemon(served)
    environment = {"PATH": os.environ["PATH"], "HOME": "/root", "TERM": "xterm"}
    command = [str(SCRIPT), "run", "look", "--site", str(served)]
    crowded = subprocess.run(
        ["bash", "-c", CROWDED, "bash", *command],
        cwd="/tmp",
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert crowded.returncode == 0, crowded.stderr
    logs_by_hand, steps_by_hand = _result(served, 2)
    down, down_by_hand = _handed_down(steps), _handed_down(steps_by_hand)
    assert steps_by_hand == steps
    assert logs_by_hand == logs
    assert (down["nice"], down_by_hand["nice"], down_by_hand["open_files"]) == (0, 5, 512)


LIBRARYS_OWN = 0b11 << 31
"""Signals 32 and 33 are the C library's: its posix_spawn, which make uses, leaves them ignored."""


def test_a_program_inherits_no_descriptor_no_ignored_signal_and_no_terminal(served: Path) -> None:
    _ask(served, "run", "look")
    said = (served / "var" / "runs" / "1" / "look.log").read_text()
    said = re.sub(r"(?<=SigIgn:\t)[0-9a-f]+", lambda found: f"{int(found[0], 16) & ~LIBRARYS_OWN:016x}", said)
    for line in (
        "SigBlk:\t0000000000000000",
        "SigIgn:\t0000000000000000",
        "umask 0022 folder " + str(served) + " input []",
        "0 1 2 3 /dev/null",  # 3 is the folder that ls reads
        "not a tty",
        "a session of its own",
        "yes ended with 141",
    ):
        assert line in said.splitlines(), said


ASKING = """\
name: Ask
accountable: owner
steps:
  - {id: input, run: "read -r word || echo no input"}
  - {id: terminal, run: "{ read -r word </dev/tty; } 2>&1 || echo no terminal"}
"""


def test_a_step_never_reads_the_terminal_of_the_person_who_runs_it(site: Path) -> None:
    (site / "routines" / "ask.yaml").write_text(ASKING)
    in_a_terminal = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)"
    command = [sys.executable, "-c", in_a_terminal, str(SCRIPT), "run", "ask", "--site", str(site)]
    answer = subprocess.run(command, input=b"typed by a person\n" * 9, capture_output=True, timeout=60, check=False)
    assert answer.returncode == 0, answer.stdout
    said = {path.stem: path.read_text() for path in (site / "var" / "runs" / "1").glob("*.log")}
    assert said["input"] == "no input\n"
    assert said["terminal"].endswith("No such device or address\nno terminal\n")
