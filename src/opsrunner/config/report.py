"""Collects the mistakes of one file, and says them in one go."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError

from opsrunner.config.mistakes import Mistake
from opsrunner.config.positions import Path, Positions, shown
from opsrunner.config.sentences import mistakes_of
from opsrunner.model.site import Problem

LONGEST_MESSAGE = 400
MOST_MISTAKES = 100
"""Of one file; whoever has more of them reads no further, and a file made to be slow gets no more of our time."""


class Report:
    """The mistakes of one YAML file, the first MOST_MISTAKES of them."""

    def __init__(self, file: str, text: str, *, first_line: int = 1) -> None:
        self.file = file
        self._lines_before = first_line - 1
        self._positions = Positions(text)
        self._mistakes: dict[tuple[Path, str], Mistake] = {}
        self._has_more = False

    def add(self, path: Path, message: str, hint: str = "", *, on_key: bool = False) -> None:
        """Note one mistake; saying the same twice counts once."""
        if (path, message) in self._mistakes:
            return
        if self.is_full():
            return
        self._mistakes[path, message] = Mistake(path=path, message=message, hint=hint, on_key=on_key)

    def add_validation(self, exc: ValidationError, *, data: Any, model: type[BaseModel], prefix: Path = ()) -> None:
        """Note all that pydantic found in `data`, which stands at `prefix` of the file."""
        for mistake in mistakes_of(exc, data=data, model=model):
            self.add((*prefix, *mistake.path), mistake.message, mistake.hint, on_key=mistake.on_key)

    def is_full(self) -> bool:
        """Tell whether nothing more is taken; who asks before noting one more may leave it at that."""
        self._has_more = self._has_more or len(self._mistakes) >= MOST_MISTAKES
        return self._has_more

    def __bool__(self) -> bool:
        return bool(self._mistakes)

    def problems(self) -> tuple[Problem, ...]:
        """Return everything noted, in the order of the file."""
        found: list[Problem] = []
        said: set[tuple[int, int, Path, str]] = set()
        for mistake in self._mistakes.values():
            problem = self._problem(mistake)
            about = (problem.line, problem.column, mistake.path[-1:], problem.message)
            if about not in said:  # what an anchor holds is read at each place that names it
                said.add(about)
                found.append(problem)
        found.sort(key=lambda problem: (problem.line, problem.column))
        if self._has_more:
            last = found[-1]
            more = f"there may be more mistakes than these {MOST_MISTAKES}"
            found.append(Problem(file=self.file, line=last.line, column=last.column, path="", message=more))
        return tuple(found)

    def _problem(self, mistake: Mistake) -> Problem:
        path = self._positions.written(mistake.path)
        line, column = self._positions.of(path, on_key=mistake.on_key)
        return Problem(
            file=self.file,
            line=line + self._lines_before,
            column=column,
            path=shown(path),
            message=_short(mistake.message),
            hint=_short(mistake.hint),
        )


def _short(message: str) -> str:
    """Return a message on one line, cut where it is long."""
    message = " ".join(message.split())
    return message if len(message) <= LONGEST_MESSAGE else f"{message[: LONGEST_MESSAGE - 1]}…"
