"""The variables that a command gets, and the script that carries them to a remote shell."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping

from opsrunner.errors import StepFailed
from opsrunner.fleet.beginning import PRINT_MARK

KILL_AFTER_SECONDS = 5
READ_SCRIPT = "exec sh"
"""What the host's login shell is asked to run, whichever shell that is: sh reads the script from standard input, so
that no variable ever stands in a process list."""
_START_GUARD = '(eval "$ops_guard" &); unset ops_guard; exec 3<&-; '
_READ_GROUP = "{ read -r ops_a ops_b ops_c ops_d ops_group ops_e </proc/$$/stat; } 2>/dev/null"
"""The group of processes that the script is in (proc(5)); it stays empty on systems that have no such file.

Where sh is bash or a Korn shell it is not asked for: bash 5.2 loses one of two signals that come while it waits.
"""
_NO_REMARKS = "exec 2>/dev/null"
"""The shell's own words about jobs that ended are no output of the command."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def check_environment(environment: Mapping[str, str]) -> None:
    """Raise StepFailed where a variable cannot be handed to a process as it is."""
    for name, value in environment.items():
        if not _NAME.match(name):
            raise StepFailed(f"env: {name!r} is not a name of a variable", permanent=True)
        if "\0" in value:
            raise StepFailed(f"env: the value of {name} holds a NUL character", permanent=True)
        try:
            value.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError as exc:
            raise StepFailed(f"env: the value of {name} holds half a character", permanent=True) from exc


def remote_script(command: str, *, environment: Mapping[str, str], timeout_seconds: float) -> bytes:
    """Return a POSIX script that sets the variables and runs `command` under a time limit.

    The command is the author's own shell string; only the variables are quoted. The host itself ends it with all its
    children even when nobody listens any more: `timeout` does, or bash, which costs a program less, where a plain
    sh leads a group of processes of its own. A line on standard input ends it early; a lost link does not, as half an
    upgrade is worse than one that nobody watched. All stands in braces: a script that arrives cut short is a syntax
    error and runs nothing. Its first words tell where the command's own output begins; bash reads no ~/.bashrc here,
    as the login shell has done so already.
    """
    check_environment(environment)
    limit_seconds = whole_seconds(timeout_seconds)
    lines = [
        "{",
        f"{PRINT_MARK} && {PRINT_MARK} >&2 && ops_begun=1",
        *(f"export {name}={shlex.quote(value)}" for name, value in environment.items()),
        f"ops_text={shlex.quote(command)}",
        '[ "$ops_begun" ] || exit 97',  # a startup file has eaten the first words: without them nothing runs
        "exec 3<&0",
        "if command -v bash >/dev/null 2>&1; then set -- bash --norc -o pipefail -c",
        f'[ "$BASH_VERSION$KSH_VERSION$ZSH_VERSION" ] || {_READ_GROUP}',
        "else set -- sh -c; fi",
        'if [ "$ops_group" = "$$" ]; then',
        *_guarded(limit_seconds),
        "else",
        *_under_timeout(limit_seconds),
        "fi",
        'exit "$ops_code"',
        "}",
    ]
    return "\n".join(lines).encode("utf-8", "surrogateescape") + b"\n"


def _guarded(limit_seconds: int) -> tuple[str, ...]:
    """Return the lines that run the command by bash; a second process of it guards the first, and is no child of it."""
    return (
        f"ops_guard={shlex.quote(_guard(limit_seconds))}; export ops_guard",
        "trap 'ops_late=1; ops_woken=1' USR1; trap ops_woken=1 TERM",
        f'"$@" {shlex.quote(_START_GUARD)}"$ops_text" </dev/null &',
        "ops_command=$!",
        _NO_REMARKS,
        'while ops_woken=; wait "$ops_command"; ops_code=$?; [ "$ops_woken" ]; do :; done',
        '[ -z "$ops_late" ] || ops_code=124',
    )


def _guard(limit_seconds: int) -> str:
    """Return what bash does beside the command: it ends the group of processes at the limit, or at the word to stop.

    Like `timeout -k` it leaves alone what the command has left behind when it ends by itself. The end of standard
    input means that the command is over, or that the link is lost.
    """
    return "; ".join(
        (
            "exec >/dev/null 2>&1 </dev/null",
            "trap '' TERM",
            f"read -rt {limit_seconds} -u 3 ops_word",
            "ops_code=$?",
            f'while [ "$ops_code" = 1 ] && kill -0 "$PPID" && [ "$SECONDS" -lt {limit_seconds} ]; do sleep 1; done',
            '[ "$ops_code" = 0 ] || { kill -USR1 "$PPID" || exit; sleep 0.1 || sleep 1; }',
            "kill -TERM 0",
            f'for ops_code in {{1..{KILL_AFTER_SECONDS}}}; do sleep 1; kill -0 "$PPID" || exit; done',
            "kill -KILL 0",
        )
    )


def _under_timeout(limit_seconds: int) -> tuple[str, ...]:
    """Return the lines that run the command under the host's `timeout`, where it has one."""
    return (
        'set -- "$@" "$ops_text"',
        f'if command -v timeout >/dev/null 2>&1; then set -- timeout -k {KILL_AFTER_SECONDS} {limit_seconds} "$@"; fi',
        '"$@" </dev/null 3<&- &',
        "ops_command=$!",
        '{ read -r ops_word <&3 && kill -TERM "$ops_command"; } >/dev/null 2>&1 &',
        "ops_watcher=$!",
        _NO_REMARKS,
        'wait "$ops_command"; ops_code=$?',
        'kill "$ops_watcher"',
    )


def whole_seconds(timeout_seconds: float) -> int:
    """Return the limit as `timeout` of every system takes it: whole seconds, rounded up."""
    return max(1, math.ceil(timeout_seconds))
