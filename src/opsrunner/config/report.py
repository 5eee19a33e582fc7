"""Collects the mistakes of one file, and says them in one go."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError

from opsrunner.config.mistakes import Mistake
from opsrunner.config.positions import Path, Positions, shown
from opsrunner.config.sentences import mistakes_of
from opsrunner.model.site import Problem


class Report:
    """The mistakes of one YAML file."""

    def __init__(self, file: str, text: str, *, first_line: int = 1) -> None:
        self.file = file
        self._lines_before = first_line - 1
        self._positions = Positions(text)
        self._mistakes: dict[tuple[Path, str], Mistake] = {}

    def add(self, path: Path, message: str, hint: str = "", *, on_key: bool = False) -> None:
        """Note one mistake; saying the same twice counts once."""
        mistake = Mistake(path=path, message=message, hint=hint, on_key=on_key)
        self._mistakes.setdefault((path, message), mistake)

    def add_validation(self, exc: ValidationError, *, data: Any, model: type[BaseModel], prefix: Path = ()) -> None:
        """Note all that pydantic found in `data`, which stands at `prefix` of the file."""
        for mistake in mistakes_of(exc, data=data, model=model):
            self.add((*prefix, *mistake.path), mistake.message, mistake.hint, on_key=mistake.on_key)

    def __bool__(self) -> bool:
        return bool(self._mistakes)

    def problems(self) -> tuple[Problem, ...]:
        """Return everything noted, in the order of the file."""
        found = [self._problem(mistake) for mistake in self._mistakes.values()]
        return tuple(sorted(found, key=lambda problem: (problem.line, problem.column)))

    def _problem(self, mistake: Mistake) -> Problem:
        path = self._positions.written(mistake.path)
        line, column = self._positions.of(path, on_key=mistake.on_key)
        return Problem(
            file=self.file,
            line=line + self._lines_before,
            column=column,
            path=shown(path),
            message=mistake.message,
            hint=mistake.hint,
        )
