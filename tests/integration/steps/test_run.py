"""The step `run` with real processes: their ends, their output, their environment, and what they leave."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opsrunner.errors import SecretUnavailable, StepFailed
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.secrets import MASK, SecretRef
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.run import Options, run

Runner = Callable[..., Outcome]
ALIVE = Callable[[int], bool]


@pytest.fixture
def run_command(means: Means, make_call: Callable[..., StepCall]) -> Runner:
    """Run a command with options; what begins with an underscore goes to the call."""

    def go(command: Any, **settings: Any) -> Outcome:
        options = {key: value for key, value in settings.items() if not key.startswith("_")}
        changes = {key[1:]: value for key, value in settings.items() if key.startswith("_")}
        return run(make_call(Options.model_validate({"run": command, **options}), **changes), means)

    return go


def _output(tmp_path: Path) -> str:
    return (tmp_path / "output.log").read_text(encoding="utf-8", errors="replace")


def _pids(path: Path) -> list[int]:
    return [int(word) for word in path.read_text().split()]


# How it ends


def test_it_succeeds_with_exit_code_zero_and_keeps_the_output(run_command: Runner, tmp_path: Path) -> None:
    outcome = run_command("echo out; echo err >&2; echo more")
    assert outcome.status is StepStatus.SUCCEEDED
    assert {key: outcome.facts[key] for key in ("exit_code", "signal", "output_bytes", "truncated")} == {
        "exit_code": 0,
        "signal": None,
        "output_bytes": 13,
        "truncated": False,
    }
    assert _output(tmp_path) == "out\nerr\nmore\n"


def test_it_fails_with_every_other_exit_code(run_command: Runner) -> None:
    for code in range(1, 256):
        with pytest.raises(StepFailed) as caught:
            run_command(f"exit {code}")
        assert caught.value.facts["exit_code"] == code
        assert f"exit code {code}" in str(caught.value)


PRESETS = [("restic", 3), ("borg", 1), ("borg", 107), ("rsync", 24)]


@pytest.mark.parametrize(("preset", "code"), PRESETS)
def test_it_warns_where_the_tool_means_a_warning(run_command: Runner, preset: str, code: int) -> None:
    outcome = run_command(f"echo some trouble; exit {code}", preset=preset)
    assert outcome.status is StepStatus.WARNING
    assert outcome.message.startswith(f"exit code {code} (") or code == 1
    assert outcome.message.endswith(": some trouble")


def test_it_warns_at_a_declared_code_and_fails_at_its_neighbour(run_command: Runner) -> None:
    assert run_command("exit 5", warn_codes=[5]).status is StepStatus.WARNING
    with pytest.raises(StepFailed):
        run_command("exit 6", warn_codes=[5])


def test_it_fails_when_any_part_of_a_pipe_fails(run_command: Runner) -> None:
    with pytest.raises(StepFailed, match="exit code 3"):
        run_command("exit 3 | cat")


SIGNALS = [("KILL", 9), ("TERM", 15), ("HUP", 1), ("SEGV", 11)]


@pytest.mark.parametrize(("name", "number"), SIGNALS)
def test_it_names_the_signal_that_ended_it(run_command: Runner, name: str, number: int) -> None:
    with pytest.raises(StepFailed) as caught:
        run_command(f"kill -{name} $$", ok_codes=[0, 128 + number])
    assert str(caught.value) == f"killed by signal {number} ({name})"
    assert caught.value.facts["signal"] == number


MISSING: list[tuple[Any, str, int]] = [
    (["no-such-program", "x"], "command not found: no-such-program", 127),
    (["./notes.txt"], "cannot be executed: ./notes.txt: Permission denied", 126),
    ("no-such-program", "exit code 127 (command not found): ", 127),
    ("./notes.txt", "exit code 126 (command cannot be executed): ", 126),
]


@pytest.mark.parametrize(("command", "message", "code"), MISSING)
def test_it_says_that_a_program_is_not_there(
    run_command: Runner, tmp_path: Path, command: Any, message: str, code: int
) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(StepFailed) as caught:
        run_command(command, ok_codes=[0])
    assert str(caught.value).startswith(message)
    assert caught.value.facts["exit_code"] == code


@pytest.mark.parametrize("code", [126, 127])
def test_it_never_forgives_a_missing_program_by_a_preset(run_command: Runner, code: int) -> None:
    with pytest.raises(StepFailed):
        run_command(f"exit {code}", preset="borg")


def test_it_fails_at_a_folder_that_is_not_there(run_command: Runner) -> None:
    with pytest.raises(StepFailed, match="no-such-folder' does not exist") as caught:
        run_command("pwd", cwd="no-such-folder")
    assert caught.value.permanent


def test_it_fails_at_arguments_that_the_system_refuses(run_command: Runner) -> None:
    with pytest.raises(StepFailed, match="cannot be started: echo: Argument list too long"):
        run_command(["echo", "x" * 3_000_000])


def test_it_tells_the_last_line_of_a_failure_without_terminal_codes(run_command: Runner) -> None:
    with pytest.raises(StepFailed) as caught:
        run_command(r"printf 'start\n\033[31mdisk \0 full\033[0m\n\n'; exit 1")
    assert str(caught.value) == r"exit code 1: disk \x00 full"


# Time


def test_it_ends_all_processes_at_the_time_limit(run_command: Runner, tmp_path: Path, is_alive: ALIVE) -> None:
    started = time.monotonic()
    with pytest.raises(StepFailed) as caught:
        run_command("sh -c 'echo $$ >pids; sleep 300 & echo $! >>pids; sleep 300'", _timeout_seconds=1)
    assert time.monotonic() - started < 4
    assert (caught.value.status, caught.value.permanent) == ("timed_out", False)
    assert str(caught.value) == "no end after 1 s; its processes were ended"
    assert not [pid for pid in _pids(tmp_path / "pids") if is_alive(pid)]


ESCAPES = [
    pytest.param("setsid sleep 300 & echo $! >pids; sleep 300", id="own session"),
    pytest.param("setsid -f sh -c 'echo $$ >pids; exec sleep 300'; sleep 300", id="orphan in own session"),
    pytest.param("env -i /bin/sh -c 'echo $$ >pids; exec sleep 300' & sleep 300", id="no environment"),
    pytest.param(
        "env -i /usr/bin/setsid -f /bin/sh -c 'echo $$ >pids; exec sleep 300'; sleep 300",
        id="orphan in own session without environment",
    ),
    pytest.param(
        "setsid -f sh -c 'echo $$ >pids; exec sleep 300' >/dev/null 2>&1; sleep 300", id="orphan without the output"
    ),
]


@pytest.mark.parametrize("command", ESCAPES)
def test_it_finds_processes_that_went_their_own_way(
    run_command: Runner, tmp_path: Path, is_alive: ALIVE, command: str
) -> None:
    with pytest.raises(StepFailed, match="no end after 1 s"):
        run_command(command, _timeout_seconds=1)
    (pid,) = _pids(tmp_path / "pids")
    assert not is_alive(pid)


def test_it_kills_what_does_not_listen(run_command: Runner, tmp_path: Path, is_alive: ALIVE) -> None:
    started = time.monotonic()
    with pytest.raises(StepFailed, match="no end after 1 s"):
        run_command("trap '' TERM; echo $$ >pids; while :; do sleep 0.2; done", _timeout_seconds=1)
    assert 5 < time.monotonic() - started < 10
    assert not is_alive(_pids(tmp_path / "pids")[0])


def test_it_keeps_what_a_program_says_on_being_ended(run_command: Runner, tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="its processes were ended: tidied up"):
        run_command("trap 'echo tidied up; exit 1' TERM; sleep 300 & wait", _timeout_seconds=1)
    assert _output(tmp_path) == "tidied up\n"


def test_it_ends_what_keeps_the_output_open_and_says_so(run_command: Runner, tmp_path: Path, is_alive: ALIVE) -> None:
    outcome = run_command("sleep 300 & echo $! >pids; echo done")
    assert outcome.status is StepStatus.SUCCEEDED
    assert outcome.message == "it left a process behind that kept its output open; ended"
    assert not is_alive(_pids(tmp_path / "pids")[0])
    assert _output(tmp_path) == "done\n"


def test_it_leaves_a_service_alone_that_was_properly_started(
    run_command: Runner, tmp_path: Path, is_alive: ALIVE
) -> None:
    outcome = run_command("setsid -f sh -c 'echo $$ >pids; exec sleep 300' >/dev/null 2>&1; sleep 0.2")
    (pid,) = _pids(tmp_path / "pids")
    try:
        assert (outcome.message, is_alive(pid)) == ("", True)
    finally:
        os.kill(pid, 9)


def test_it_reads_what_comes_after_the_program_has_ended(run_command: Runner, tmp_path: Path) -> None:
    outcome = run_command("(sleep 0.5; echo late) & echo early")
    assert (_output(tmp_path), outcome.message) == ("early\nlate\n", "")


def test_it_stops_at_once_when_told_to(means: Means, make_call: Callable[..., StepCall], is_alive: ALIVE) -> None:
    call = make_call(Options.model_validate({"run": "echo $$ >pids; sleep 300"}))
    word = means.stopping
    assert isinstance(word, threading.Event)
    threading.Timer(0.5, word.set).start()
    started = time.monotonic()
    with pytest.raises(StepFailed) as caught:
        run(call, means)
    assert time.monotonic() - started < 3
    assert (caught.value.status, caught.value.permanent) == ("interrupted", True)
    assert not is_alive(_pids(call.workdir / "pids")[0])


# Output


def test_it_bounds_time_memory_and_file_of_an_endless_output(tmp_path: Path) -> None:
    script = """
import resource, sys, threading
from pathlib import Path
from opsrunner.clock import SystemClock
from opsrunner.errors import StepFailed
from opsrunner.secrets import Vault
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.run import Options, run
root = Path(sys.argv[1])
call = StepCall(run_id=1, run_token="endless", routine="r", step="s", options=Options(run="yes out; yes err >&2"),
    timeout_seconds=2, site_root=root, workdir=root, output=root / "output.log", output_limit_bytes=1_000_000)
means = Means(clock=SystemClock(), vault=Vault(root), stopping=threading.Event(), hosts={}, fleet=None, sources={},
    read_source=None, send=None)
try:
    run(call, means)
except StepFailed as exc:
    print(exc.status, exc.facts["truncated"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    answer = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=30, check=True
    )
    status, truncated, peak_kb = answer.stdout.split()
    assert (status, truncated) == ("timed_out", "True")
    assert int(peak_kb) < 150_000
    text = _output(tmp_path)
    assert len(text) < 1_001_000
    assert text.startswith("out\nout\n")
    assert text.endswith("t\nout\n") or text.rstrip("outn\n") != text
    assert " bytes left out …]\n" in text


def test_it_takes_a_line_of_a_hundred_megabytes_of_nothing(run_command: Runner, tmp_path: Path) -> None:
    outcome = run_command("head -c 100000000 /dev/zero; printf '\\377\\376 end'")
    assert (outcome.facts["output_bytes"], outcome.facts["truncated"]) == (100_000_006, True)
    stored = (tmp_path / "output.log").read_bytes()
    assert stored.startswith(b"\0\0\0")
    assert stored.endswith(b"\0\xff\xfe end")
    assert len(stored) < 101_000


def test_it_shows_output_while_the_program_runs(run_command: Runner, tmp_path: Path, means: Means) -> None:
    worker = threading.Thread(target=run_command, args=("echo first; until [ -e go ]; do sleep 0.05; done",))
    worker.start()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and not (tmp_path / "output.log").exists():
        time.sleep(0.02)
    while time.monotonic() < deadline and _output(tmp_path) != "first\n":
        time.sleep(0.02)
    seen = _output(tmp_path)
    (tmp_path / "go").touch()
    worker.join()
    assert seen == "first\n"


def test_it_makes_rows_of_standard_output_alone(run_command: Runner, tmp_path: Path) -> None:
    outcome = run_command("echo 'number,name'; echo '7,Kari'; echo noise >&2", _rows_as="csv")
    assert outcome.rows == ({"number": "7", "name": "Kari"},)
    assert "noise" in _output(tmp_path)


def test_it_fails_where_the_output_makes_no_rows(run_command: Runner) -> None:
    with pytest.raises(StepFailed, match="the output is not JSON: line 1, column 1") as caught:
        run_command("echo oops", _rows_as="json")
    assert caught.value.facts["exit_code"] == 0


def test_it_stays_bounded_when_rows_do_not_end(run_command: Runner) -> None:
    with pytest.raises(StepFailed, match="longer than the 8,000,000 bytes"):
        run_command("head -c 30000000 /dev/zero | tr '\\0' x", _rows_as="lines")


# Input, environment, user


def test_it_gives_no_input_and_no_terminal(run_command: Runner, tmp_path: Path) -> None:
    run_command("read -r line || echo end of input; tty || true; (echo x >/dev/tty) 2>&1 || echo no terminal")
    text = _output(tmp_path)
    assert "end of input" in text
    assert "not a tty" in text
    assert "no terminal" in text


def test_it_does_not_wait_for_a_password(run_command: Runner) -> None:
    ask = "import getpass,warnings; warnings.simplefilter('ignore'); print(getpass.getpass())"
    with pytest.raises(StepFailed, match="EOF"):
        run_command([sys.executable, "-c", ask], _timeout_seconds=10)


def test_it_feeds_a_long_text_to_standard_input(run_command: Runner, tmp_path: Path) -> None:
    run_command("wc -c", stdin="æ" * 500_000)
    assert _output(tmp_path) == "1000000\n"


def test_it_passes_on_nothing_of_our_own_environment(
    run_command: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"LEAK": "x", "TZ": "Asia/Tokyo", "LANG": "nb_NO", "PATH": "/odd", "BASH_ENV": "/odd"}.items():
        monkeypatch.setenv(name, value)
    outcome = run_command(["env"], _env={"EXTRA": "a b", "OPS_RUN_ID": "forged"})
    variables = dict(line.split("=", 1) for line in _output(tmp_path).splitlines())
    us = pwd.getpwuid(os.geteuid())
    assert len(variables.pop("OPS_RUN_TOKEN")) == 32
    assert len(variables.pop("OPS_TRY")) == 32
    assert variables == {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": us.pw_dir,
        "USER": us.pw_name,
        "LOGNAME": us.pw_name,
        "SHELL": "/bin/bash",
        "LANG": "C.UTF-8",
        "EXTRA": "a b",
        "OPS_WORKDIR": str(tmp_path),
        "OPS_RUN_ID": "7",
        "OPS_ROUTINE": "nightly",
        "OPS_STEP": "dump",
        "OPS_SITE": str(tmp_path),
    }
    assert outcome.facts["environment"] == variables


def test_it_runs_under_the_usual_umask(run_command: Runner, tmp_path: Path) -> None:
    run_command("umask")
    assert _output(tmp_path) == "0022\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may run as somebody else")
def test_it_runs_as_another_user_without_our_groups(run_command: Runner, tmp_path: Path) -> None:
    run_command("id -un; id -G; echo $HOME $USER", user="nobody")
    nobody = pwd.getpwnam("nobody")
    assert _output(tmp_path).splitlines() == ["nobody", str(nobody.pw_gid), f"{nobody.pw_dir} nobody"]


def test_it_fails_at_a_user_that_is_not_there(run_command: Runner) -> None:
    with pytest.raises(StepFailed, match="there is no user 'no-such-user' on this machine"):
        run_command("id", user="no-such-user")


# Hostile values and secrets

HOSTILE = ["; touch P", "$(touch P)", "`touch P`", "a\ntouch P", "' ; touch P '", '" ; touch P "', "-n; touch P", "*"]


@pytest.mark.parametrize("value", HOSTILE)
def test_it_keeps_a_hostile_value_data(run_command: Runner, tmp_path: Path, value: str) -> None:
    run_command(["printf", "%s", value])
    assert _output(tmp_path) == value
    run_command('printf %s "$NAME"', _env={"NAME": value}, _output=tmp_path / "shell.log")
    assert (tmp_path / "shell.log").read_text() == value
    assert not (tmp_path / "P").exists()


def test_it_does_not_render_a_shell_string(run_command: Runner, tmp_path: Path) -> None:
    run_command("echo '{{ 7*7 }}'")
    assert _output(tmp_path) == "{{ 7*7 }}\n"


SECRET = "canary-5up3r-s3cret"


@pytest.fixture(params=["env", "file", "command"])
def secret(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SecretRef:
    """Lay the secret down in each of the three ways."""
    monkeypatch.setenv("OUR_SECRET", SECRET)
    (tmp_path / "secret").write_text(SECRET + "\n")
    (tmp_path / "secret").chmod(0o600)
    forms = {
        "env": SecretRef(env="OUR_SECRET"),
        "file": SecretRef(file="secret"),
        "command": SecretRef(command=("cat", "secret")),
    }
    return forms[request.param]


def test_it_shows_a_secret_to_the_program_alone(run_command: Runner, tmp_path: Path, secret: SecretRef) -> None:
    pieces = 'printf %s "${TOKEN:0:7}"; sleep 0.1; echo "${TOKEN:7}"'
    command = f'printf %s "$TOKEN" | wc -c; echo "$TOKEN"; {pieces}; cat /proc/*/cmdline >cmdlines 2>&1 || true'
    outcome = run_command(command, _env={"TOKEN": secret})
    assert _output(tmp_path).splitlines() == [str(len(SECRET)), MASK, MASK]
    cmdlines = (tmp_path / "cmdlines").read_bytes()
    assert b"pipefail" in cmdlines
    assert SECRET.encode() not in cmdlines
    assert SECRET not in repr(outcome)
    assert outcome.facts["environment"]["TOKEN"] == MASK


def test_it_masks_a_secret_in_messages_and_rows(run_command: Runner, secret: SecretRef) -> None:
    with pytest.raises(StepFailed) as caught:
        run_command('echo "wrong: $TOKEN"; exit 1', _env={"TOKEN": secret})
    assert str(caught.value) == f"exit code 1: wrong: {MASK}"
    assert SECRET not in repr(caught.value.facts)
    outcome = run_command('echo "[{\\"a\\": \\"$TOKEN\\"}]"', _env={"TOKEN": secret}, _rows_as="json")
    assert outcome.rows == ({"a": MASK},)


def test_it_does_not_start_without_its_secret(run_command: Runner, tmp_path: Path) -> None:
    with pytest.raises(SecretUnavailable):
        run_command("touch P", _env={"TOKEN": SecretRef(file="missing")})
    assert not (tmp_path / "P").exists()
