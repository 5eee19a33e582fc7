"""What exit codes make of a step."""

from __future__ import annotations

import pytest

from opsrunner.steps.exit_codes import Verdict, describe_exit, judge_exit


def _judge(
    code: int,
    *,
    ok_codes: tuple[int, ...] = (0,),
    warn_codes: tuple[int, ...] = (),
    preset: str | None = None,
    by_signal: bool = False,
) -> Verdict:
    return judge_exit(code, ok_codes=ok_codes, warn_codes=warn_codes, preset=preset, by_signal=by_signal)


def test_it_takes_any_code_but_zero_for_a_failure_unless_declared() -> None:
    verdicts = {code: _judge(code) for code in range(256)}
    assert verdicts.pop(0) is Verdict.SUCCEEDED
    assert set(verdicts.values()) == {Verdict.FAILED}


def test_it_takes_a_declared_code_for_what_is_declared() -> None:
    assert _judge(5, ok_codes=(0, 5)) is Verdict.SUCCEEDED
    assert _judge(5, warn_codes=(5,)) is Verdict.WARNING
    assert _judge(0, ok_codes=(5,)) is Verdict.FAILED


PRESETS = [
    ("restic", {3}),
    ("borg", {1, *range(100, 126)}),
    ("rsync", {24}),
]


@pytest.mark.parametrize(("preset", "warnings"), PRESETS)
def test_it_warns_at_the_codes_of_a_preset_and_at_no_other(preset: str, warnings: set[int]) -> None:
    found = {code for code in range(256) if _judge(code, preset=preset) is Verdict.WARNING}
    assert found == warnings
    assert _judge(0, preset=preset) is Verdict.SUCCEEDED


def test_it_never_forgives_a_signal() -> None:
    assert _judge(137, ok_codes=(0, 137), by_signal=True) is Verdict.FAILED


WORDS = [
    (describe_exit(7), "exit code 7"),
    (describe_exit(127), "exit code 127 (command not found)"),
    (describe_exit(126), "exit code 126 (command cannot be executed)"),
    (describe_exit(137, signal_number=9), "killed by signal 9 (KILL)"),
    (describe_exit(137), "exit code 137 (a program in it was killed by signal 9, KILL)"),
    (describe_exit(200), "exit code 200"),
    (describe_exit(3, preset="restic"), "exit code 3 (some files could not be read)"),
    (describe_exit(24, preset="rsync"), "exit code 24 (some source files vanished before they were transferred)"),
]


@pytest.mark.parametrize(("said", "words"), WORDS)
def test_it_says_what_an_exit_code_means(said: str, words: str) -> None:
    assert said == words
