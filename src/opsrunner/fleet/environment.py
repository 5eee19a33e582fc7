"""The variables that a command gets, and the script that carries them to a remote shell."""

from __future__ import annotations

import math
import re
import secrets
import shlex
from collections.abc import Mapping

from opsrunner.errors import StepFailed
from opsrunner.fleet.beginning import PRINT_MARK

KILL_AFTER_SECONDS = 5
CUT_CODE = 97
"""The exit code of a shell that has found its script not whole: a startup file has read from standard input."""
_BASH_PATHS = ("/bin/bash", "/usr/bin/bash")
_RUN_BY_BASH = 'eval "$ops_script" && eval "$ops_text"'
"""The second of them stands on the first line, so that the lines of a command are counted from its own beginning."""
_READ_BY_SH = f"""exec sh -c 'read -r ops_word; test "$ops_word" = "{{first}}" && exec sh; exit {CUT_CODE}'"""
_READ_BY_BASH = "; ".join(
    (
        'case $BASH_VERSION in ""|[0-3].*|4.[0-2].*) {by_sh} ;; esac',
        "LC_ALL=C read -rN {length} ops_script",
        f'case $ops_script in "{{first}}"*"}}}}"?) {_RUN_BY_BASH} ;; *) exit {CUT_CODE} ;; esac',
    )
)
"""What lacks a byte anywhere has another first line, or does not end as a script.

Before 4.3 bash counts characters there, not bytes (tried with 4.2, 4.3, 4.4, 5.0, 5.1, 5.2 and 5.3). A time limit of
`read` would cost two system calls a byte, and bash catches SIGTERM after it, as do its children before they `exec`.
"""
_STRAY_OPTIONS = (
    "alias",
    "case",
    "dotglob",
    "execfail",
    "extdebug",
    "failglob",
    "globstar",
    "lastpipe",
    "nullglob",
    "xpg",
)
"""Parts of the names in BASHOPTS that a startup file must have set, and that change what a command means."""
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


def start_request(script: bytes) -> str:
    """Return what the host's login shell is asked to run, whichever shell that is, so that it reads `script` from us.

    It comes by standard input, so that no variable ever stands in a process list. A login shell that is bash reads
    it itself, which costs the host two programs less; any other becomes sh. What is quoted is bash's alone: csh and
    fish would stumble over it.
    """
    first = script.partition(b"\n")[0].decode()
    is_bash = " || ".join(f'test "$SHELL" = {path}' for path in _BASH_PATHS)
    by_sh = _READ_BY_SH.format(first=first)
    from_bash = by_sh.replace('"', r"\"").replace("$", r"\$").replace("'", '"')
    return f"{is_bash} || {by_sh}; eval '{_READ_BY_BASH.format(length=len(script), first=first, by_sh=from_bash)}'"


def filler(script: bytes) -> bytes:
    """Return what ends a bash's waiting for the whole script where a startup file has read some of it away.

    What it gets then is not whole, and is not run. One that was only slow takes it for the beginning of the word to
    stop, and waits for its end.
    """
    return b" " * len(script)


def remote_script(command: str, *, environment: Mapping[str, str], timeout_seconds: float) -> bytes:
    """Return a POSIX script that sets the variables and runs `command` under a time limit.

    The command is the author's own shell string; only the variables are quoted. The host itself ends it with all its
    children even when nobody listens any more: bash does, where the login shell is one and leads a group of processes,
    or else `timeout`. A line on standard input ends it early; a lost link does not, as half an upgrade is worse than
    one that nobody watched. All stands in braces: a script that arrives cut short is a syntax error and runs nothing.
    Its first words tell where the command's own output begins; a bash that runs the command reads no ~/.bashrc for
    it, as the login shell has done so already.
    """
    check_environment(environment)
    limit_seconds = whole_seconds(timeout_seconds)
    lines = [
        f"# opsrunner {secrets.token_hex(8)}",  # by which who reads it knows that nothing of it is missing
        "{",
        *_IN_A_CLEAN_BASH,
        f"{PRINT_MARK} && {PRINT_MARK} >&2 && ops_begun=1",
        *(f"export {name}={shlex.quote(value)}" for name, value in environment.items()),
        f"ops_text={shlex.quote(command)}",
        f'[ "$ops_begun" ] || exit {CUT_CODE}',  # a startup file has eaten the first words: without them nothing runs
        "exec 3<&0",
        'if [ "$ops_script" ] && kill -0 -- "-$$" 2>/dev/null; then',
        *_guarded(limit_seconds),
        "else",
        *_under_timeout(limit_seconds),
        "fi",
        "}",
    ]
    return "\n".join(lines).encode("utf-8", "surrogateescape") + b"\n"


_IN_A_CLEAN_BASH = (
    'if [ "$ops_script" ]; then',
    'if [ ! "${ops_clean-}" ]; then',
    "case $-,$BASHOPTS in",
    f"*,*{'*|*,*'.join(_STRAY_OPTIONS)}*) ;;",
    'hBc,*) [ "${TMOUT-}" ] || [ ! "${SECONDS-}" ] || compgen -A function >/dev/null || ops_clean=1 ;;',
    "esac",
    f"""[ "${{ops_clean-}}" ] || {{ export ops_script ops_clean=1; exec "$BASH" --norc -c '{_RUN_BY_BASH}'; }}""",
    "fi",
    "set --; trap - EXIT DEBUG ERR RETURN; unset CDPATH GLOBIGNORE; set -o pipefail; IFS=' \t\n'",
    "fi",
)
"""What a startup file has left in the login shell is not for the command: functions and options are left behind by a
bash of its own, which costs a program more, the rest is put right. TMOUT is a time limit for `read`, see above."""


def _guarded(limit_seconds: int) -> tuple[str, ...]:
    """Return the lines by which this bash, a leader of its group, runs the command, and a second process guards it.

    That one is no child of the command. It ends the group at the limit, or at the word to stop, and like `timeout -k`
    it leaves alone what the command has left behind when it ends by itself. The end of standard input means that the
    command is over, or that the link is lost.
    """
    return (
        "exec </dev/null",
        "( {",
        "exec >/dev/null 2>&1",
        "trap '' TERM",
        "SECONDS=0",
        f"read -rt {limit_seconds} -u 3 ops_word",
        "ops_code=$?",
        f'while [ "$ops_code" = 1 ] && kill -0 $$ && [ "$SECONDS" -le {limit_seconds} ]; do sleep 1; done',
        "kill -0 $$ || exit",
        "kill -TERM 0",
        f"for ops_code in {{1..{KILL_AFTER_SECONDS}}}; do sleep 1; kill -0 $$ || exit; done",
        "kill -KILL 0",
        "} & )",
        "exec 3<&-",
        "unset ops_script ops_clean ops_begun",
        'ops_text="unset ops_text; $ops_text"',
    )


def _under_timeout(limit_seconds: int) -> tuple[str, ...]:
    """Return the lines that run the command under the host's `timeout`, where it has one."""
    return (
        "if command -v bash >/dev/null 2>&1; then set -- bash --norc -o pipefail -c; else set -- sh -c; fi",
        'set -- "$@" "$ops_text"',
        f'if command -v timeout >/dev/null 2>&1; then set -- timeout -k {KILL_AFTER_SECONDS} {limit_seconds} "$@"; fi',
        '"$@" </dev/null 3<&- &',
        "ops_command=$!",
        '{ TMOUT= read -r ops_word <&3 && kill -TERM "$ops_command"; } >/dev/null 2>&1 &',
        "ops_watcher=$!",
        _NO_REMARKS,
        'wait "$ops_command"; ops_code=$?',
        'kill "$ops_watcher"',
        'exit "$ops_code"',
    )


def whole_seconds(timeout_seconds: float) -> int:
    """Return the limit as `timeout` of every system takes it: whole seconds, rounded up."""
    return max(1, math.ceil(timeout_seconds))
