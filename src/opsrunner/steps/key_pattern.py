"""Names of backups with `{key}` in them: whose backup is it that lies there? Pure.

`*` and `?` stand for anything within one folder's name; `**` stands for any folders. Where the pattern ends with
`/**`, a backup is the whole folder in front of it, and not each of its files.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cached_property

from opsrunner.records import dataclass

KEY = "{key}"
_SIGN = re.compile(r"\*\*|\*|\?")
_WHOLE = "/**"


@dataclass(frozen=True)
class KeyPattern:
    """One pattern, such as `*/accounts/{key}.tar.gz`."""

    text: str

    def __post_init__(self) -> None:
        """Raise ValueError where it is none."""
        if self.text.count(KEY) != 1:
            raise ValueError(f"'{self.text[:80]}' needs {KEY} once: that is where the account, host or database stands")
        if any("**" in word and word != "**" for word in self.text.split("/")):
            raise ValueError("** stands for folders, and has nothing beside it between two /")
        if KEY in self.text.partition("**")[2]:
            raise ValueError("** stands for folders behind {key}, and none in front of it")

    @cached_property
    def prefix(self) -> str:
        """What every name begins with."""
        return re.split(r"[*?{]", self.text, maxsplit=1)[0]

    @property
    def most_folders(self) -> int | None:
        """How deep names lie at the most, None where there is no end to it."""
        return None if "**" in self.text else self.text.count("/")

    def may_hold(self, folder: str) -> bool:
        """Tell whether something below that folder may bear a name of the pattern."""
        wanted = self.text.split("/")
        words = folder.split("/")
        for word, pattern in zip(words, wanted, strict=False):
            if pattern == "**":
                return True
            if not re.fullmatch(_expression(pattern).replace(re.escape(KEY), "[^/]+"), word, re.DOTALL):
                return False
        return len(words) < len(wanted)

    def whose(self, name: str, known: Collection[str]) -> str | None:
        """Return the key that a name bears, None where it does not fit.

        Where signs beside the key leave open what belongs to it, the longest that is `known` counts.
        """
        if self.text == KEY and name in known:
            return name  # whatever signs it has: a path that restic tells
        match = self._whole.fullmatch(name)
        if match is None:
            return None
        key = match["key"]
        if not self._is_open:
            return key
        start, end = match.start("path"), match.end("path")
        before, after = self._word
        begins = range(start, end) if _SIGN.search(before) else [start + len(before)]
        stops = range(start + 1, end + 1) if _SIGN.search(after) else [end - len(after)]
        fitting = [
            name[begin:stop]
            for begin in begins
            for stop in stops
            if name[begin:stop] in known
            and self._before.fullmatch(name[start:begin])
            and self._after.fullmatch(name[stop:end])
        ]
        return max(fitting, key=len, default=key)

    def copy_name(self, name: str) -> str:
        """Return what the backup is called that a file belongs to: itself, or the folder that `/**` is about."""
        if not self.text.endswith(_WHOLE):
            return name
        return "/".join(name.split("/")[: self.text.count("/")])

    @cached_property
    def _word(self) -> tuple[str, str]:
        """What stands before and after the key between two `/`."""
        word = next(word for word in self.text.split("/") if KEY in word)
        before, _, after = word.partition(KEY)
        return before, after

    @cached_property
    def _is_open(self) -> bool:
        return any(_SIGN.search(side) for side in self._word)

    @cached_property
    def _before(self) -> re.Pattern[str]:
        return re.compile(_expression(self._word[0]), re.DOTALL)

    @cached_property
    def _after(self) -> re.Pattern[str]:
        return re.compile(_expression(self._word[1]), re.DOTALL)

    @cached_property
    def _whole(self) -> re.Pattern[str]:
        before, after = self._word
        head, _, tail = self.text.partition(f"{before}{KEY}{after}")
        word = f"(?P<path>{_expression(before)}(?P<key>[^/]+?){_expression(after)})"
        return re.compile(f"{_expression(head)}{word}{_expression(tail)}", re.DOTALL)


def _expression(pattern: str) -> str:
    """Return a pattern as a regular expression; what is no sign stands for itself."""
    signs = {"**": ".+", "*": "[^/]*", "?": "[^/]"}
    parts: list[str] = []
    at = 0
    for sign in _SIGN.finditer(pattern):
        parts += [re.escape(pattern[at : sign.start()]), signs[sign[0]]]
        at = sign.end()
    return "".join([*parts, re.escape(pattern[at:])])
