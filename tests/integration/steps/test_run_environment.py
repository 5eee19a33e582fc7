"""What a command of `run` gets: input, environment, user, hostile values, secrets."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from opsrunner.errors import SecretUnavailable, StepFailed
from opsrunner.model.outcome import Outcome
from opsrunner.secrets import MASK, SecretRef

Runner = Callable[..., Outcome]


def _output(tmp_path: Path) -> str:
    return (tmp_path / "output.log").read_text(encoding="utf-8", errors="replace")


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


def test_half_a_character_of_a_row_becomes_a_sign_on_standard_input(run_command: Runner, tmp_path: Path) -> None:
    run_command("cat", stdin="a\ud800b")
    assert _output(tmp_path) == "a?b"


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


@pytest.mark.needs("root")
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


def test_masks_do_not_make_a_whole_of_an_output_that_was_cut(
    run_command: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUR_SECRET", SECRET)
    command = """line=$(for i in {1..50}; do printf %s "$TOKEN"; done)
        awk -v line="$line" 'BEGIN { for (i = 0; i < 10000; i++) print line }'"""
    with pytest.raises(StepFailed, match="longer than the 8,000,000 bytes that may become rows"):
        run_command(command, _env={"TOKEN": SecretRef(env="OUR_SECRET")}, _rows_as="lines")


def test_it_does_not_start_without_its_secret(run_command: Runner, tmp_path: Path) -> None:
    with pytest.raises(SecretUnavailable):
        run_command("touch P", _env={"TOKEN": SecretRef(file="missing")})
    assert not (tmp_path / "P").exists()
