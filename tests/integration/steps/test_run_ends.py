"""The step `run` with real processes: exit codes, signals, programs that are not there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Outcome, StepStatus

Runner = Callable[..., Outcome]


def _output(tmp_path: Path) -> str:
    return (tmp_path / "output.log").read_text(encoding="utf-8", errors="replace")


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
