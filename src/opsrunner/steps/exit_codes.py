"""What an exit code means: success, a warning or a failure, and in words."""

from __future__ import annotations

import signal
from collections.abc import Collection, Mapping
from dataclasses import field
from enum import Enum

from opsrunner.records import dataclass

NOT_FOUND = 127
NOT_EXECUTABLE = 126


class Verdict(Enum):
    """What an exit code makes of a step."""

    SUCCEEDED = "succeeded"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Preset:
    """What a tool's own manual says of its exit codes."""

    warnings: frozenset[int]
    meanings: Mapping[int, str] = field(default_factory=dict)


PRESETS: Mapping[str, Preset] = {
    # restic's manual, "Exit codes"
    "restic": Preset(
        warnings=frozenset({3}),
        meanings={
            1: "fatal error",
            3: "some files could not be read",
            10: "the repository does not exist",
            11: "the repository is locked",
            12: "wrong password",
            130: "interrupted",
        },
    ),
    # borg's manual, "Return codes": 1 is the old style's warning, 100 to 127 are the new style's single
    # warnings; 126 and 127 stay what they are to every shell, since borg uses neither
    "borg": Preset(
        warnings=frozenset({1, *range(100, NOT_EXECUTABLE)}),
        meanings={
            1: "warning",
            2: "error",
            13: "the repository does not exist",
            52: "wrong passphrase",
            73: "the repository is locked",
            100: "a file changed while it was read",
            107: "a file was not found",
        },
    ),
    # rsync(1), "EXIT VALUES"
    "rsync": Preset(
        warnings=frozenset({24}),
        meanings={
            10: "error in socket I/O",
            11: "error in file I/O",
            12: "error in the protocol's data stream",
            23: "partial transfer because of an error",
            24: "some source files vanished before they were transferred",
            25: "the limit on deletions stopped it",
            30: "time-out in sending or receiving",
            35: "time-out waiting for the daemon",
        },
    ),
}


def judge_exit(
    code: int, *, ok_codes: Collection[int], warn_codes: Collection[int], preset: str | None, by_signal: bool
) -> Verdict:
    """Return what `code` makes of the step; what a signal ended has failed whatever is declared."""
    if by_signal:
        return Verdict.FAILED
    if code in ok_codes:
        return Verdict.SUCCEEDED
    tolerated = PRESETS[preset].warnings if preset else frozenset[int]()
    return Verdict.WARNING if code in warn_codes or code in tolerated else Verdict.FAILED


def describe_exit(code: int, *, signal_number: int | None = None, preset: str | None = None) -> str:
    """Return an end in words: `exit code 3 (some files could not be read)`, `killed by signal 9 (KILL)`."""
    if signal_number is not None:
        return f"killed by signal {signal_number} ({_signal_name(signal_number)})"
    meaning = _meaning(code, preset)
    return f"exit code {code} ({meaning})" if meaning else f"exit code {code}"


def _meaning(code: int, preset: str | None) -> str:
    known = PRESETS[preset].meanings.get(code, "") if preset else ""
    if known:
        return known
    if code == NOT_FOUND:
        return "command not found"
    if code == NOT_EXECUTABLE:
        return "command cannot be executed"
    name = _signal_name(code - 128) if code > 128 else ""
    return f"a program in it was killed by signal {code - 128}, {name}" if name else ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name.removeprefix("SIG")
    except ValueError:
        return ""
