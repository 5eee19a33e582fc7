"""Where a step's output goes: a file with its head and tail under a cap, secrets masked."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from opsrunner.model.outcome import Outcome, StepStatus, worst
from opsrunner.secrets import MASK, Vault

LAST_WORDS_BYTES = 8_192
"""How much of the end is kept for the step's message."""
MESSAGE_LENGTH = 200
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")


class OutputSink:
    """Takes a step's output as it comes, for one file of mode 0600, made with the first of it or on closing.

    The first half of `limit_bytes` is written at once, so that a reader can follow it; of the rest only
    the last half of the cap is kept, and written with a marker line when the sink is closed. Known
    secrets are masked, also where they come in pieces. A file that cannot be written (a full disk)
    stops nothing: `problem` says so, and a step is not plainly green then.
    """

    def __init__(self, path: Path, *, limit_bytes: int, vault: Vault) -> None:
        self._mask = vault.stream()
        self._tail = bytearray()
        self._last_words = bytearray()
        self._half = max(1, limit_bytes // 2)
        self._path = path
        self._is_open = False
        self._file: int | None = None
        self._head_left = 0
        self.total_bytes = 0
        self.left_out_bytes = 0
        self.problem = ""

    def write(self, data: bytes) -> None:
        """Take the next piece of output."""
        self.total_bytes += len(data)
        self._open()
        self._keep(self._mask.feed(data))

    def close(self) -> None:
        """Write what was held back; call it once, whatever happened."""
        self._open()
        self._keep(self._mask.finish())
        self._trim(self._half)
        if self.left_out_bytes:
            self._put(f"\n[… {self.left_out_bytes} bytes left out …]\n".encode())
        self._put(bytes(self._tail))
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def judged(self, outcome: Outcome) -> Outcome:
        """Return a step's end, as a warning where its output could not be kept. Call it after `close`."""
        if not self.problem:
            return outcome
        message = "; ".join(part for part in (outcome.message, self.problem) if part)
        return replace(outcome, status=worst([outcome.status, StepStatus.WARNING]), message=message)

    def last_line(self) -> str:
        """Return the last line that says something, fit for a message. Call it after `close`."""
        text = printable(bytes(self._last_words).decode("utf-8", errors="replace"))
        lines = [line.strip() for line in text.split("\n")]
        return cut(next((line for line in reversed(lines) if line), ""))

    def _open(self) -> None:
        if self._is_open:
            return
        self._is_open = True
        try:
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            os.fchmod(self._file, 0o600)
            self._head_left = max(0, self._half - os.fstat(self._file).st_size)
        except OSError as exc:
            self._give_up(exc)

    def _keep(self, data: bytes) -> None:
        self._last_words += data[-LAST_WORDS_BYTES:]
        del self._last_words[:-LAST_WORDS_BYTES]
        head, rest = data[: self._head_left], data[self._head_left :]
        if head:
            self._put(head)
            self._head_left -= len(head)
        self._tail += rest
        if len(self._tail) > 2 * self._half:
            self._trim(self._half)

    def _trim(self, length: int) -> None:
        surplus = len(self._tail) - length
        if surplus > 0:
            del self._tail[:surplus]
            self.left_out_bytes += surplus

    def _put(self, data: bytes) -> None:
        try:
            while data and self._file is not None:
                data = data[os.write(self._file, data) :]
        except OSError as exc:
            self._give_up(exc)

    def _give_up(self, error: OSError) -> None:
        self.problem = f"its output could not be kept: {error.strerror}"
        if self._file is not None:
            os.close(self._file)
            self._file = None


def mask_bytes(data: bytes, vault: Vault) -> bytes:
    """Return `data` with every known secret replaced."""
    for value in vault.known():
        data = data.replace(value.encode(errors="surrogateescape"), MASK.encode())
    return data


def printable(text: str) -> str:
    """Return `text` without terminal sequences and with other control characters escaped.

    Line feeds and tabs stay.
    """
    if text.isprintable():
        return text
    without = _ANSI.sub("", text).replace("\r\n", "\n")
    if without.replace("\n", "").replace("\t", "").isprintable():
        return without
    return "".join(sign if sign in "\n\t" or sign.isprintable() else _escaped(sign) for sign in without)


def cut(text: str, length: int = MESSAGE_LENGTH) -> str:
    """Return `text`, ending in an ellipsis where it is longer than `length` characters."""
    return text if len(text) <= length else text[: length - 1] + "…"


def _escaped(sign: str) -> str:
    return sign if sign == " " else sign.encode("unicode_escape").decode("ascii")
