"""What anyone may write in web roots, as the hardening audit's script tells of it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from opsrunner.audits.sections import Sections, clean, clean_subject
from opsrunner.audits.seen import Seen
from opsrunner.model.finding import Finding, Severity
from opsrunner.records import dataclass

CAUSE = "world-writable"
_COUNT = re.compile(r"count ([0-9]{1,9}) ([0-9]{1,9}) ([01])\Z")
_NAMES_TOLD = 3


@dataclass(frozen=True, kw_only=True)
class _Root:
    path: str
    names: tuple[str, ...]
    """The first ones."""
    count: int
    is_whole: bool
    """Every folder of it was looked into."""


def judge_web_roots(host: str, answer: Sections) -> Seen:
    """Judge every web root: whoever has an account on the host may change what stands there."""
    problem = answer.problem("world-writable", "web roots")
    lines = answer.lines("world-writable")
    roots = _roots(lines)
    unread = [clean(line.removeprefix("unread ")) for line in lines if line.startswith("unread ")]
    unread += [root.path for root in roots if not root.is_whole]
    problems = [problem] if problem else []
    if unread:
        more = f" and {len(unread) - 1} more" if len(unread) > 1 else ""
        problems.append(f"web roots: not looked through to the end: {unread[0]}{more}")
    if "more" in lines:
        problems.append(f"web roots: only {len(roots)} were looked at, there was no time for the others")
    return Seen(
        examined=frozenset() if problems else frozenset({CAUSE}),
        findings=tuple(_finding(host, root) for root in roots if root.count),
        problems=tuple(problems),
        facts={"web_roots": len(roots), "world_writable": sum(root.count for root in roots)},
    )


def _roots(lines: Sequence[str]) -> list[_Root]:
    found: list[_Root] = []
    path, names = "", list[str]()
    for line in lines:
        word, _, rest = line.partition(" ")
        if word == "root":
            path, names = clean_subject(rest), []
        elif word == "writable":
            names.append(clean(rest, most=80))
        elif path and (match := _COUNT.match(line)):
            is_whole = match[2] == "0" and match[3] == "0"
            found.append(_Root(path=path, names=tuple(names), count=int(match[1]), is_whole=is_whole))
            path = ""
    return found


def _finding(host: str, root: _Root) -> Finding:
    is_itself = root.path in root.names
    told = root.names[:_NAMES_TOLD]
    more = f" and {root.count - len(told)} more" if root.count > len(told) else ""
    return Finding(
        host=host,
        cause=CAUSE,
        subject=root.path,
        severity=Severity.HIGH if is_itself else Severity.MEDIUM,
        detail=clean(f"{root.count} that anyone may write: {', '.join(told)}{more}", most=400),
        mark=f"fewer than {10 ** len(str(root.count))}",
    )
