"""Fakes for the tests of sites and of opsrunner itself: time, mail and scripted failure. Nothing else is faked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import field
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any

from opsrunner.errors import MailFailed, StepFailed
from opsrunner.mail.transport import nothing
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.records import dataclass
from opsrunner.steps import kinds
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.kind import Kind, StepOptions


class FakeClock:
    """A clock that stands until it is moved. `monotonic` and `boottime` move with it, `step` moves only the wall."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._monotonic = 1000.0
        self._booted = 0.0
        self._boot = 1

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def boottime(self) -> float:
        return self._monotonic - self._booted

    def boot_id(self) -> str:
        return f"boot-{self._boot}"

    def reboot(self) -> None:
        """Let the machine start anew: what `boottime` told before compares with nothing."""
        self._boot += 1
        self._booted = self._monotonic

    def move(self, **how_far: float) -> datetime:
        """Let time pass (`hours=3`), and return the new moment."""
        delta = timedelta(**how_far)
        self._now += delta
        self._monotonic += delta.total_seconds()
        return self._now

    def set(self, now: datetime) -> None:
        """Let time pass until `now`; a moment in the past is a step of the wall clock alone."""
        self._monotonic += max(0.0, (now - self._now).total_seconds())
        self._now = now

    def step(self, **how_far: float) -> datetime:
        """Step the wall clock alone, as an administrator or NTP does."""
        self._now += timedelta(**how_far)
        return self._now


class MemoryMail:
    """A transport that keeps what it is handed, and fails as it is told: one answer of `script` a mail."""

    def __init__(self, *script: MailFailed | None) -> None:
        self.delivered: list[tuple[str, EmailMessage]] = []
        self._script = list(script)

    def deliver(self, message: EmailMessage, *, to: str, meanwhile: Callable[[], None] = nothing) -> None:
        meanwhile()
        failure = self._script.pop(0) if self._script else None
        if failure is not None:
            raise failure
        self.delivered.append((to, message))

    def close(self) -> None:
        return


class ScriptedOptions(StepOptions):
    """Options of the kind `scripted`."""

    say: str = ""


@dataclass
class ScriptedStep:
    """A step kind that does what it is told, one answer a try; the last one repeats.

    An answer is an Outcome, an exception, or a function of (call, means) that gives an Outcome.
    """

    answers: list[Outcome | BaseException | Callable[[StepCall, Means], Outcome]] = field(default_factory=list)
    calls: list[StepCall] = field(default_factory=list)

    def run(self, call: StepCall, means: Means) -> Outcome:
        """Give the next answer."""
        self.calls.append(call)
        if not self.answers:
            return Outcome(status=StepStatus.SUCCEEDED, message="scripted")
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer(call, means) if callable(answer) else answer

    def kind(self) -> Kind:
        """Return it as a line of the table of kinds."""
        return Kind(
            name="scripted",
            summary="Does what a test tells it.",
            options=ScriptedOptions,
            run=self.run,
            preview=lambda options: f"scripted {options.say}".strip(),
            writes_files=False,
        )


def failing(message: str, **kwargs: Any) -> StepFailed:
    """Return a failure for a script."""
    return StepFailed(message, **kwargs)


@contextmanager
def scripted_kind(step: ScriptedStep) -> Iterator[ScriptedStep]:
    """Let routines have steps `scripted: {say: …}`, which do what `step` says, for the length of a block."""
    table = kinds._TABLE  # widened here only; all others see it as `KINDS`
    table["scripted"] = step.kind()
    try:
        yield step
    finally:
        del table["scripted"]
