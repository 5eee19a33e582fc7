"""One question to many hosts: their answers as they come, and what becomes of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any

from opsrunner.model.finding import Audited, Cause, Finding, HostReport, Severity
from opsrunner.model.fleet import HostAnswer
from opsrunner.model.outcome import Outcome, Part, Row, StepStatus, worst
from opsrunner.steps.ask_answers import (
    Answer,
    Answers,
    Expected,
    Group,
    group_answers,
    heading,
    shown_hosts,
    undecided_words,
)
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.exit_codes import describe_exit
from opsrunner.steps.fan_out import HostEnd, NotRun
from opsrunner.steps.fenced import fenced
from opsrunner.steps.host_end import NEVER_TOLD, last_line
from opsrunner.steps.output import cut, mask_bytes, printable

DIFFERS = "differs"
"""The one cause that there is."""
TOO_LONG = "it said more than limits.output, so nobody can hold it against the others"
MOST_NAMED = 3
COMMAND_LENGTH = 60
SUBJECT_LENGTH = 40
_UNPLAIN = re.compile(r"[^A-Za-z0-9_./=@+-]+")
MOST_GROUPS = 20
"""Of more different answers than this the first become facts; the output has them all."""
SHOWN_LENGTH = 2_000
"""Signs of an answer that become facts."""
QUOTED_LENGTH = 600
"""Signs of the usual answer that a task shows."""
MOST_HOSTS = 20
GROUP_BYTES = 20_000
"""Of one answer the output keeps so much."""


class Asked:
    """Takes the end on each host, then tells of them together."""

    def __init__(self, call: StepCall, means: Means) -> None:
        self._call, self._means, self._options = call, means, call.options
        self._now = means.clock.now()
        self._expected = Expected(text=self._options.expect, exit_codes=tuple(self._options.exit))
        self._mark_of_begin = f"@asked {call.run_token}"
        self._hosts: list[str] = []
        self._said: dict[str, HostAnswer] = {}
        self._silent: dict[str, NotRun] = {}
        known = means.findings(call.routine, call.step)
        self._accepted = {(one.finding.host, one.finding.mark) for one in known if one.accepted is not None}

    @property
    def command(self) -> str:
        """The command as hosts get it: a line in front tells where its own output begins, behind a noisy ~/.bashrc."""
        return f"echo '{self._mark_of_begin}'\n{self._options.run}"

    def take(self, end: HostEnd) -> None:
        """Keep the end on one host: an answer that can be held against others, or why there is none."""
        self._hosts.append(end.host.name)
        answer = None if end.answer is None else self._own(end.answer)
        none = end.not_run if answer is None else self._not_answered(answer)
        if none is not None:
            self._silent[end.host.name] = none
        elif answer is not None:
            self._said[end.host.name] = answer

    def sections(self) -> Iterator[bytes]:
        """Yield the output: a section for each group, the odd ones first, then the hosts that did not answer."""
        yield f"{self._heading}\n".encode()
        for group in self._answers.groups:
            yield self._section(group)
        for host, none in self._silent.items():
            yield f"=== did not answer, {none.status.value}: {host}: {printable(none.message)}\n".encode()

    def outcome(self) -> Outcome:
        """Tell the ledger who is odd, and return the step's end."""
        answers, parts = self._answers, tuple(self._part(host) for host in self._hosts)
        self._means.found(self._audited())
        undecided = [] if answers.is_decided else [StepStatus.WARNING]
        status = worst([part.status for part in parts] + undecided)
        told = [f"{part.key}: {part.message}" for part in parts if part.status is not StepStatus.SUCCEEDED]
        more = [f"and {len(told) - MOST_NAMED} more"] if len(told) > MOST_NAMED else []
        return Outcome(
            status=status,
            reason=status.value if status.is_bad else "",
            message="; ".join([self._heading, *told[:MOST_NAMED], *more]),
            rows=tuple(self._row(host) for host in self._hosts if host in self._said),
            facts=self._facts(),
            parts=parts,
        )

    @cached_property
    def _answers(self) -> Answers:
        answers = [
            Answer(host=host, exit_code=answer.exit_code or 0, stdout=answer.stdout)
            for host, answer in self._said.items()
        ]
        return group_answers(answers, self._expected)

    @cached_property
    def _groups(self) -> dict[str, Group]:
        return {host: group for group in self._answers.groups for host in group.hosts}

    @property
    def _heading(self) -> str:
        return heading(
            hosts=len(self._hosts),
            answered=len(self._said),
            odd=self._answers.odd,
            undecided="" if self._answers.is_decided else undecided_words(self._answers),
            is_expected=self._expected.is_said,
        )

    def _own(self, answer: HostAnswer) -> HostAnswer:
        """Return an answer without what the host's shell said before the command began."""
        _, is_there, own = answer.stdout.partition(f"{self._mark_of_begin}\n".encode())
        return replace(answer, stdout=own) if is_there else answer

    def _not_answered(self, answer: HostAnswer) -> NotRun | None:
        if answer.status is not None:
            last = last_line(answer, self._means.vault)
            return NotRun(status=answer.status, message=f"{answer.message}: {last}" if last else answer.message)
        if answer.exit_code is None:
            return NotRun(status=StepStatus.UNKNOWN, message=NEVER_TOLD)
        if answer.truncated and not self._expected.exit_codes:
            return NotRun(status=StepStatus.FAILED, message=TOO_LONG)
        return None

    def _part(self, host: str) -> Part:
        none = self._silent.get(host)
        if none is not None:
            return Part(key=host, status=none.status, message=none.message, facts=none.facts)
        answer, group = self._said[host], self._groups[host]
        facts = {"group": group.number, "exit_code": group.exit_code, "seconds": round(answer.seconds, 3)}
        if not group.is_odd:
            return Part(key=host, status=StepStatus.SUCCEEDED, facts=facts)
        if (host, self._mark(group)) in self._accepted:
            return Part(key=host, status=StepStatus.SUCCEEDED, message="differs, and that is accepted", facts=facts)
        return Part(key=host, status=StepStatus.WARNING, message=self._detail(host), facts=facts)

    def _detail(self, host: str) -> str:
        """Return what a host said, in one line."""
        exit_code = self._groups[host].exit_code
        said = self._first_line(host) or last_line(self._said[host], self._means.vault)
        end = [describe_exit(exit_code)] if exit_code or self._expected.exit_codes else []
        return cut(": ".join([*end, said] if said else [*end, "it said nothing"]))

    def _first_line(self, host: str) -> str:
        lines = self._text(self._said[host].stdout).split("\n")
        return cut(next((line.strip() for line in lines if line.strip()), ""))

    def _text(self, stdout: bytes) -> str:
        return printable(mask_bytes(stdout, self._means.vault).decode("utf-8", "replace")).rstrip()

    def _row(self, host: str) -> Row:
        group, answer = self._groups[host], self._said[host]
        return {
            "host": host,
            "group": group.number,
            "exit_code": group.exit_code,
            "line": self._first_line(host),
            "lines": len(answer.stdout.rstrip().splitlines()),
            "is_odd": group.is_odd,
        }

    def _facts(self) -> dict[str, Any]:
        return {
            "hosts": len(self._hosts),
            "answered": len(self._said),
            "groups": len(self._answers.groups),
            "odd": self._answers.odd,
            "is_decided": self._answers.is_decided,
            "answers": [
                {
                    "group": group.number,
                    "is_odd": group.is_odd,
                    "hosts": len(group.hosts),
                    "exit_code": group.exit_code,
                    "text": cut(self._text(group.stdout) or self._complaint(group), SHOWN_LENGTH),
                }
                for group in (*self._answers.groups[: MOST_GROUPS - 1], *self._answers.groups[MOST_GROUPS - 1 :][-1:])
            ],
        }

    def _complaint(self, group: Group) -> str:
        """Return what the first host of a group wrote to its standard error."""
        return self._text(self._said[group.hosts[0]].stderr)

    def _section(self, group: Group) -> bytes:
        word = "differs" if group.is_odd else "as it should be" if self._answers.is_decided else "one of many answers"
        count = f"{len(group.hosts)} {'host' if len(group.hosts) == 1 else 'hosts'}"
        head = f"=== {group.number}. {count}, {word}, exit code {group.exit_code}: {', '.join(group.hosts)}\n"
        complaint = self._said[group.hosts[0]].stderr if group.exit_code or not group.stdout else b""
        apart = f"--- standard error of {group.hosts[0]}\n".encode() if complaint else b""
        return head.encode() + self._shortened(group.stdout) + apart + self._shortened(complaint)

    def _shortened(self, stream: bytes) -> bytes:
        """Return the beginning of a stream, in whole lines; masked first, as a secret may be cut through."""
        masked = mask_bytes(stream, self._means.vault)
        left_out = len(masked) - GROUP_BYTES
        start = masked if left_out <= 0 else masked[:GROUP_BYTES] + f"\n[… {left_out} bytes left out …]".encode()
        return start if not start or start.endswith(b"\n") else start + b"\n"

    def _audited(self) -> Audited:
        """Return what is written down. Where nobody knows which answer is right, nothing was found out."""
        examined = frozenset({DIFFERS}) if self._answers.is_decided else frozenset[str]()
        return Audited(
            routine=self._call.routine,
            step=self._call.step,
            run=self._call.run_id,
            at=self._now,
            reports=tuple(
                HostReport(host=host, examined=examined, findings=self._findings(host))
                for host in self._hosts
                if host in self._said
            ),
            hosts=frozenset(self._hosts),
            causes={DIFFERS: self._cause()},
            tasks=self._options.tasks.rule,
            has_baseline=False,
        )

    def _findings(self, host: str) -> tuple[Finding, ...]:
        group = self._groups[host]
        if not group.is_odd:
            return ()
        return (
            Finding(
                host=host,
                cause=DIFFERS,
                subject=self._subject,
                severity=Severity.HIGH,
                detail=self._detail(host),
                mark=self._mark(group),
            ),
        )

    def _mark(self, group: Group) -> str:
        """Return what an acceptance of a group's answer holds for: another wrong answer comes up again."""
        said = b"" if self._expected.exit_codes else group.stdout
        asked = repr((self._options.run, self._expected)).encode()
        return hashlib.sha256(b"%s %d %s" % (asked, group.exit_code, said)).hexdigest()[:16]

    @property
    def _subject(self) -> str:
        """What tells this question from others where findings are listed and accepted: the words of its command."""
        words = " ".join(_UNPLAIN.sub(" ", self._means.vault.mask(self._options.run)).split())
        return words[:SUBJECT_LENGTH].rstrip()

    def _cause(self) -> Cause:
        command = " ".join(printable(self._means.vault.mask(self._options.run)).split())
        name = self._call.name or f"the answer to '{cut(command, COMMAND_LENGTH)}'"
        return Cause(name=DIFFERS, title=f"See why {name} differs", how="\n\n".join(self._how()))

    def _how(self) -> Iterator[str]:
        yield "This was asked:"
        yield fenced(printable(self._means.vault.mask(self._options.run)).strip())
        usual = next((group for group in reversed(self._answers.groups) if not group.is_odd), None)
        if self._expected.text is not None:
            yield "This should be in the answer:"
            yield fenced(printable(self._means.vault.mask(self._expected.text)).strip())
        elif self._expected.exit_codes:
            yield f"It should end with exit code {' or '.join(map(str, self._expected.exit_codes))}."
        elif usual is not None and self._answers.is_decided:
            yield f"Most say this, {shown_hosts(usual.hosts, most=MOST_HOSTS)}, with exit code {usual.exit_code}:"
            yield fenced(cut(self._text(usual.stdout), QUOTED_LENGTH) or "(nothing)")
        yield "Put it right where it is odd, or find out why the others are wrong."
