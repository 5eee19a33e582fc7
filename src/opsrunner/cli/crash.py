"""Keeps the details of what nobody expected in a file, since no traceback meets a user."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from opsrunner.version import VERSION

NAME = "crash.log"
LARGEST_BYTES = 1_000_000


def write_crash(exc: BaseException, *, folder: Path, mask: Callable[[str], str]) -> Path | None:
    """Append the traceback, secrets masked, to `crash.log` in `folder`; return the file.

    Where the folder cannot be written, a new file among the temporary ones takes it; None where that
    fails too.
    """
    when = datetime.now(UTC).isoformat(timespec="seconds")
    head = f"{when} opsrunner {VERSION}, Python {platform.python_version()}, {Path(sys.argv[0]).name}"
    text = f"{head} {' '.join(sys.argv[1:2])}\n{''.join(traceback.format_exception(exc))}\n"
    data = mask(text).encode("utf-8", "backslashreplace")
    try:
        return _append(folder / NAME, data)
    except OSError:
        return _write_elsewhere(data)


def _append(path: Path, data: bytes) -> Path:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
    number = os.open(path, flags, 0o600)
    with os.fdopen(number, "ab") as file:
        if file.tell() + len(data) > LARGEST_BYTES:
            file.truncate(0)
        file.write(data)
    return path


def _write_elsewhere(data: bytes) -> Path | None:
    try:
        number, name = tempfile.mkstemp(prefix="opsrunner-crash-", suffix=".log")
        with os.fdopen(number, "wb") as file:
            file.write(data)
    except OSError:
        return None
    return Path(name)
