"""What an audit's script writes and how it is read back: sections with markers, an exit code each, and an end.

The answer may be cut, empty, garbled or made by an enemy: reading never raises. A line of data stands behind a bar,
which the script sets, so that no text of a host passes for a marker; what stands before the first marker (a noisy
`.bashrc`) or between lines of data is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from opsrunner.records import dataclass

NOTHING_THERE, NO_RIGHT, NO_TOOL, TIMED_OUT = 3, 4, 5, 124
_MARKER = re.compile(r"=== opsrunner(?:: (?P<name>[a-z-]{1,40})| end (?P<code>[0-9]{1,3})| (?P<done>done))\Z")
_REASONS = {
    NO_RIGHT: "this account may not read it",
    NO_TOOL: "the program that tells it is not installed",
    TIMED_OUT: "it took too long",
}


@dataclass(frozen=True, kw_only=True)
class Section:
    """One part of the answer. `code` is how it ended, None where the answer ends in the middle of it."""

    lines: tuple[str, ...] = ()
    code: int | None = None
    is_cut: bool = False
    """There were more lines than the script sends."""

    @property
    def is_whole(self) -> bool:
        """Tell whether everything that there is to see was seen, be it nothing."""
        return self.code in (0, NOTHING_THERE) and not self.is_cut

    @property
    def why_not(self) -> str:
        """Say in a few words why it is not whole."""
        if self.code is None:
            return "the answer ends in the middle of it"
        if self.code in _REASONS:
            return _REASONS[self.code]
        if self.code in (0, NOTHING_THERE):
            return "there is more of it than an audit reads"
        return f"the look at it ended with code {self.code}"


@dataclass(frozen=True, kw_only=True)
class Sections:
    """The whole answer. `is_whole` tells that the script came to its end."""

    by_name: Mapping[str, Section] = field(default_factory=dict)
    is_whole: bool = False

    def problem(self, name: str, what: str) -> str:
        """Say in one line why a section cannot be judged; '' where it can."""
        section = self.by_name.get(name)
        if section is None:
            return f"{what}: not looked at, the answer ends before it"
        if section.is_whole:
            return ""
        how = "not looked at" if section.code in (NO_RIGHT, NO_TOOL) else "not looked at to the end"
        return f"{what}: {how}, {section.why_not}"

    def lines(self, name: str) -> tuple[str, ...]:
        """Return the lines of a section, none where there is no such section."""
        section = self.by_name.get(name)
        return section.lines if section else ()


def read_script(name: str) -> str:
    """Return the script of an audit: one text that runs as it is, and takes its parameters from the environment."""
    folder = Path(__file__).parent
    body = (folder / f"{name}.sh").read_text(encoding="utf-8")
    return f"{(folder / 'sections.sh').read_text(encoding='utf-8')}\n{body}\nprintf '=== opsrunner done\\n'\n"


def read_sections(output: bytes) -> Sections:
    """Read an answer. Of two sections with one name the first counts; a last line without its end is left out."""
    by_name: dict[str, Section] = {}
    name, lines, is_cut, is_whole = "", [""], False, False
    for line in output.decode("utf-8", "replace").split("\n")[:-1]:
        marker = _MARKER.match(line)
        if marker is None:
            if name and line.startswith("|"):
                lines.append(line[1:])
            is_cut = is_cut or line == "~"
            continue
        if name:
            code = int(marker["code"]) if marker["code"] else None
            by_name.setdefault(name, Section(lines=tuple(lines), code=code, is_cut=is_cut))
        name, lines, is_cut = marker["name"] or "", [], False
        is_whole = is_whole or bool(marker["done"])
    if name:
        by_name.setdefault(name, Section(lines=tuple(lines), is_cut=is_cut))
    return Sections(by_name=by_name, is_whole=is_whole)


def clean(text: str, *, most: int = 200) -> str:
    """Return a host's text as one line for people: no control or invisible characters, at most `most` long."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def clean_subject(text: str) -> str:
    """Return a host's text as a finding's subject, which never holds a comma."""
    return clean(text.replace(",", ";"), most=160)
