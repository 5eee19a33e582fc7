"""Where the output of a command begins: what the host's login shell said before it is not the command's.

A shell that sshd starts may read a startup file first (bash reads ~/.bashrc), and those do print.
"""

from __future__ import annotations

from opsrunner.fleet.taker import Take

MARK = b"\x1eopsrunner begins\x1e\n"
"""The script's own first words, on both streams. RS (0x1e) keeps it apart from what programs write."""
PRINT_MARK = r"printf '\036opsrunner begins\036\n'"
"""The same for a shell: traced or echoed, this line is not yet the mark."""
NOISE_BYTES = 4096
"""How much of what came before is kept, to tell why the command never began."""


class Beginning:
    """Hands on to `take` what comes after the mark."""

    def __init__(self, take: Take) -> None:
        self._take = take
        self._before = b""
        self.has_begun = False

    def add(self, piece: bytes) -> None:
        """Take the next piece of the stream."""
        if self.has_begun:
            self._take(piece)
            return
        before, mark, after = (self._before + piece).partition(MARK)
        self._before = before[-NOISE_BYTES:]
        self.has_begun = bool(mark)
        if after:
            self._take(after)

    def give_up(self) -> None:
        """Hand on what is kept: this stream has no mark, and the other one tells that the command has begun."""
        before, self._before = self._before, b""
        if before and not self.has_begun:
            self._take(before)

    def last_line_before(self) -> str:
        """Return the last line that came before the mark, '' where none did."""
        lines = self._before.decode("utf-8", "replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")
