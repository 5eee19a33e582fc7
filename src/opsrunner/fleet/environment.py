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

    The command is the author's own shell string; only the variables are quoted. `timeout` of the host
    ends it with all its children even when nobody listens any more. A line on standard input ends it
    early; a lost link does not, as half an upgrade is worse than one that nobody watched. All stands in
    braces: a script that arrives cut short is a syntax error and runs nothing. Its first words tell where
    the command's own output begins; bash reads no ~/.bashrc here, as the login shell has done so already.
    """
    check_environment(environment)
    quoted = shlex.quote(command)
    limit = f"timeout -k {KILL_AFTER_SECONDS} {whole_seconds(timeout_seconds)}"
    lines = [
        "{",
        f"{PRINT_MARK} && {PRINT_MARK} >&2 && ops_begun=1",
        *(f"export {name}={shlex.quote(value)}" for name, value in environment.items()),
        f"if command -v bash >/dev/null 2>&1; then set -- bash --norc -o pipefail -c {quoted}",
        f"else set -- sh -c {quoted}; fi",
        f'if command -v timeout >/dev/null 2>&1; then set -- {limit} "$@"; fi',
        '[ "$ops_begun" ] || exit 97',  # a startup file has eaten the first words: without them nothing runs
        "exec 3<&0",
        '"$@" </dev/null 3<&- &',
        "ops_command=$!",
        '{ read -r ops_word <&3 && kill -TERM "$ops_command"; } >/dev/null 2>&1 &',
        "ops_watcher=$!",
        "exec 2>/dev/null",  # the shell's own remarks about ended jobs are no output of the command
        'wait "$ops_command"; ops_code=$?',
        'kill "$ops_watcher"',
        'exit "$ops_code"',
        "}",
    ]
    return "\n".join(lines).encode("utf-8", "surrogateescape") + b"\n"


def whole_seconds(timeout_seconds: float) -> int:
    """Return the limit as `timeout` of every system takes it: whole seconds, rounded up."""
    return max(1, math.ceil(timeout_seconds))
