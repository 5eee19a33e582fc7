"""What many hosts answered to one command: who says the same, and who is the odd one. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from opsrunner.records import dataclass
from opsrunner.steps.exit_codes import NOT_EXECUTABLE, NOT_FOUND

Same: TypeAlias = tuple[int, bytes]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one host said."""

    host: str
    exit_code: int
    stdout: bytes

    @property
    def same(self) -> Same:
        """What makes two answers the same: the exit code, and the text without the white space at its end."""
        return (self.exit_code, self.stdout.rstrip())


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a right answer is like; without either, what more than half of the hosts say."""

    text: str | None = None
    """It stands somewhere in the output."""
    exit_codes: tuple[int, ...] = ()

    @property
    def is_said(self) -> bool:
        """Tell whether somebody said what a right answer is like."""
        return self.text is not None or bool(self.exit_codes)

    def holds(self, same: Same) -> bool:
        """Tell whether an answer is as it was said."""
        exit_code, stdout = same
        if self.exit_codes:
            return exit_code in self.exit_codes
        return self.text is None or self.text.encode("utf-8", "surrogateescape") in stdout


NOT_RUN = frozenset({NOT_EXECUTABLE, NOT_FOUND})
"""A shell's own exit codes for a command that it cannot run: to agree on that is no answer."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Hosts that say the same."""

    number: int
    """From 1, in the order in which groups are shown."""
    exit_code: int
    stdout: bytes
    hosts: tuple[str, ...]
    """In the order of their names."""
    is_odd: bool


@dataclass(frozen=True, kw_only=True)
class Answers:
    """All that was answered."""

    groups: tuple[Group, ...]
    """The odd ones first, of these the smallest first; the biggest group is the last."""
    is_decided: bool
    """False: nothing was expected, and no group has more than half, or most hosts cannot run the command at all; so
    nobody knows which is right."""

    @property
    def odd(self) -> int:
        """How many hosts are odd."""
        return sum(len(group.hosts) for group in self.groups if group.is_odd)


def group_answers(answers: Iterable[Answer], expected: Expected) -> Answers:
    """Return the groups of equal answers, whatever order these come in."""
    hosts: dict[Same, list[str]] = {}
    for answer in answers:
        hosts.setdefault(answer.same, []).append(answer.host)
    right, is_decided = _right(hosts, expected)
    found = [(same in right or not is_decided, len(names), sorted(names), same) for same, names in hosts.items()]
    return Answers(
        groups=tuple(
            Group(number=number, exit_code=same[0], stdout=same[1], hosts=tuple(names), is_odd=not is_right)
            for number, (is_right, _, names, same) in enumerate(sorted(found), start=1)
        ),
        is_decided=is_decided,
    )


def _right(hosts: dict[Same, list[str]], expected: Expected) -> tuple[set[Same], bool]:
    """Return which answers are right, and whether anybody knows."""
    if expected.is_said:
        return {same for same in hosts if expected.holds(same)}, True
    answered = sum(map(len, hosts.values()))
    right = {same for same, names in hosts.items() if 2 * len(names) > answered and same[0] not in NOT_RUN}
    return right, bool(right) or not hosts


def undecided_words(answers: Answers) -> str:
    """Return why nobody knows which answer is right."""
    last = answers.groups[-1]
    if last.exit_code in NOT_RUN and 2 * len(last.hosts) > sum(len(group.hosts) for group in answers.groups):
        return f"{len(last.hosts)} could not run the command, so nobody knows what is right"
    return f"{len(answers.groups)} different answers, none from more than half, so nobody knows which is right"


def heading(*, hosts: int, answered: int, odd: int, undecided: str, is_expected: bool) -> str:
    """Return the result in one line: `50 hosts asked: 48 say the same, 1 differs, 1 did not answer`.

    `undecided` is why nobody knows which answer is right, '' where somebody does.
    """
    silent = hosts - answered
    said = []
    if undecided:
        said.append(undecided)
    elif answered > odd:
        said.append(_fine_words(answered - odd, hosts=hosts, is_expected=is_expected))
    if odd:
        said.append("1 differs" if odd == 1 else f"{odd} differ")
    if silent:
        said.append("none answered" if silent == hosts > 1 else f"{silent} did not answer")
    return f"{hosts} {'host' if hosts == 1 else 'hosts'} asked: {', '.join(said)}"


def _fine_words(fine: int, *, hosts: int, is_expected: bool) -> str:
    many = "all" if fine == hosts > 1 else str(fine)
    if is_expected:
        return f"{many} as expected"
    return "1 answered" if fine == 1 else f"{many} say the same"


def shown_hosts(hosts: Sequence[str], *, most: int) -> str:
    """Return the names of hosts, at most so many: `web1, web2 and 46 more`."""
    if len(hosts) <= most:
        return ", ".join(hosts)
    return f"{', '.join(hosts[:most])} and {len(hosts) - most} more"
