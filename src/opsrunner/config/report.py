"""Collects the mistakes of one file, and says them in one go."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from opsrunner.config.positions import Path, Positions, shown
from opsrunner.model.site import Problem


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """One thing that is wrong, by its path in the file; `on_key` points at the key, not at its value."""

    path: Path
    message: str
    hint: str = ""
    on_key: bool = False


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
        from opsrunner.config.sentences import mistakes_of

        for mistake in mistakes_of(exc, data=data, model=model):
            self.add((*prefix, *mistake.path), mistake.message, mistake.hint, on_key=mistake.on_key)

    def __bool__(self) -> bool:
        return bool(self._mistakes)

    def line_of(self, path: Path) -> int:
        """Return the line of the value at `path`, counted from 1."""
        return self._positions.of(path)[0] + self._lines_before

    def problems(self) -> tuple[Problem, ...]:
        """Return everything noted, in the order of the file."""
        found = [self._problem(mistake) for mistake in self._mistakes.values()]
        return tuple(sorted(found, key=lambda problem: (problem.line, problem.column)))

    def _problem(self, mistake: Mistake) -> Problem:
        line, column = self._positions.of(mistake.path, on_key=mistake.on_key)
        path = shown(mistake.path)
        return Problem(
            file=self.file,
            line=line + self._lines_before,
            column=column,
            path=path,
            message=mistake.message,
            hint=mistake.hint,
        )


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the hint that names the closest of `known`, or nothing."""
    from difflib import get_close_matches

    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else ""
