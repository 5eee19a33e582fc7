"""The answer of an audit's script, cut into its parts: each is whole, or it is not there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field

from opsrunner.records import dataclass

TOLD_SECONDS = r"\d{1,11}"
"""A moment that `datetime` can hold."""
LONGEST_LINE = 1000
"""Characters; the script itself cuts its lines at 600, and what is longer would make patterns slow."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """One part of the answer, complete."""

    status: int
    """How the part's own command ended; 124 where its time was up."""
    lines: tuple[str, ...]

    def of(self, kind: str) -> list[str]:
        """Return what stands behind the word `kind` in the lines that begin with it."""
        start = kind + " "
        return [line[len(start) :] for line in self.lines if line.startswith(start)]

    def says(self, word: str) -> bool:
        """Tell whether a line is this very word."""
        return word in self.lines


@dataclass(frozen=True, kw_only=True)
class Answer:
    """All that came from a host."""

    began_at: int | None = None
    """The host's clock as the script began, in seconds since 1970; None where it did not begin."""
    ended_at: int | None = None
    """And at its end; None where the answer is cut."""
    sections: Mapping[str, Section] = field(default_factory=dict)
    broken: frozenset[str] = frozenset()
    """Parts that began and are not whole."""


def read_answer(output: bytes, script: str) -> Answer:
    """Return the parts of what the script named `script` printed; never raises.

    What comes before its first mark and after its last is not its own. A part counts only where its opening, its
    closing and the number of its lines agree: a cut in the middle of the answer cannot make a part look whole.
    """
    text = output.decode("utf-8", "replace").replace("\r", "")
    begin = re.search(rf"@begin {script} ({TOLD_SECONDS})\n", text, re.ASCII)
    if begin is None:
        return Answer()
    reader = Reader()
    for line in text[begin.end() :].split("\n")[:-1]:
        if reader.take(line):
            break
    return Answer(
        began_at=int(begin[1]),
        ended_at=reader.ended_at,
        sections={name: section for name, section in reader.whole.items() if name not in reader.broken},
        broken=frozenset(reader.broken),
    )


class Reader:
    """Takes an answer line by line."""

    def __init__(self) -> None:
        self.whole: dict[str, Section] = {}
        self.broken: set[str] = set()
        self.ended_at: int | None = None
        self.name = ""
        self.lines: list[str] = []
        self.is_torn = False

    def take(self, line: str) -> bool:
        """Take one line; tell whether it was the answer's last."""
        if line.startswith(" "):
            self.lines.append(line[1 : LONGEST_LINE + 1])
        elif not line.startswith("@"):
            self.is_torn = True
        elif line.startswith("@end "):
            return self.end(line)
        else:
            self.mark(line[1:].split(" "))
        return False

    def end(self, line: str) -> bool:
        told = re.fullmatch(rf"@end ({TOLD_SECONDS})", line, re.ASCII)
        self.broken |= {self.name} - {""}
        self.ended_at = int(told[1]) if told and not self.name else None
        return True

    def mark(self, words: list[str]) -> None:
        if len(words) == 1:
            self.open(words[0])
        elif len(words) == 3 and words[0] == self.name:
            self.close(words[1], words[2])
        else:
            self.broken |= {words[0], self.name} - {""}
            self.name = ""

    def open(self, name: str) -> None:
        self.broken |= {self.name} - {""}
        if name in self.whole:
            self.broken.add(name)
        self.name, self.lines, self.is_torn = name, [], False

    def close(self, status: str, count: str) -> None:
        is_whole = not self.is_torn and count == str(len(self.lines)) and re.fullmatch(r"\d{1,3}", status, re.ASCII)
        if is_whole:
            self.whole[self.name] = Section(status=int(status), lines=tuple(self.lines))
        else:
            self.broken.add(self.name)
        self.name, self.lines = "", []
