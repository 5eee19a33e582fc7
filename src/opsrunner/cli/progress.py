"""Live progress of runs: lines as steps end, and on a terminal what is being done now."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from opsrunner.cli.escapes import printable
from opsrunner.cli.screen import SIGNS, Screen
from opsrunner.engine.moment_words import count_words, duration_words
from opsrunner.engine.status_words import status_word, tone_of

if TYPE_CHECKING:
    from rich.status import Status

    from opsrunner.engine.events import RunEvent

SHORTEST_SHOWN = 0.1
FINE = frozenset({"succeeded", "skipped"})


class Progress:
    """Told of every event of a run; use as a context.

    `each_step` prints a line a step (one routine); else only what is not fine (many routines).
    """

    def __init__(self, screen: Screen, *, each_step: bool) -> None:
        self._screen = screen
        self._each_step = each_step
        self._stack = ExitStack()
        self._status: Status | None = None
        self._tasks = 0
        self._seconds = 0.0
        self._unfinished: list[RunEvent] = []
        self._failure: OSError | None = None

    def __enter__(self) -> Progress:
        if self._screen.is_terminal:
            self._status = self._stack.enter_context(self._screen.console.status("", spinner="dots"))
        return self

    def __exit__(self, kind: object, *_error: object) -> None:
        """Raise what kept the screen from being written, unless something worse happened."""
        self._stack.close()
        if self._failure is not None and kind is None:
            raise self._failure

    def __call__(self, event: RunEvent) -> None:
        """Show one event. A run goes on where nobody can be shown it: a closed pipe, a full disk behind `>`."""
        if self._failure is not None:
            return
        try:
            self._show(event)
        except OSError as exc:
            self._failure = exc

    def _show(self, event: RunEvent) -> None:
        if event.kind == "run_started":
            self._tasks, self._seconds, self._unfinished = 0, 0.0, []
        elif event.kind == "step_started" and self._status is not None:
            self._status.update(f"{printable(event.name)}: {printable(event.step)}".replace("[", r"\["))
        elif event.kind == "task_opened":
            self._tasks += 1
            if self._each_step:
                self._screen.line(f"  task for people: {event.message}", tone="live")
        elif event.kind == "step_finished":
            self._step(event)
        elif event.kind in ("run_finished", "run_waiting") and not self._each_step:
            self._routine(event)

    def _step(self, event: RunEvent) -> None:
        self._seconds += event.seconds
        if self._each_step:
            self._screen.line(_step_line(event), tone=tone_of(event.status))
        elif event.status not in FINE:
            self._unfinished.append(event)

    def _routine(self, event: RunEvent) -> None:
        status = "waiting for people" if event.kind == "run_waiting" else status_word(event.status)
        tasks = count_words(self._tasks, "task") if self._tasks else ""
        took = duration_words(self._seconds) if self._seconds >= SHORTEST_SHOWN else ""
        facts = ", ".join(fact for fact in (status, tasks, took) if fact)
        tone = tone_of("waiting" if event.kind == "run_waiting" else event.status)
        if tone == "live" and self._unfinished:
            tone = tone_of(self._unfinished[0].status)
        self._screen.line(f"{event.name}: {facts}", tone=tone, sign=True)
        for step in self._unfinished:
            self._screen.line(f"    {step.step}: {step.message or status_word(step.status)}", tone=tone_of(step.status))


def _step_line(event: RunEvent) -> str:
    took = f", {duration_words(event.seconds)}" if event.seconds >= SHORTEST_SHOWN else ""
    said = f": {event.message}" if event.message else ""
    return f"  {SIGNS[tone_of(event.status)]} {event.step}  {status_word(event.status)}{took}{said}"
