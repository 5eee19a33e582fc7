"""The lines of a day: what comes often stands once, with how often; the terminal and the page fold alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

from opsrunner.engine.forecast import Forecast, ForecastTask
from opsrunner.engine.moment_words import count_words
from opsrunner.records import dataclass

MANY = 4
"""A routine that is due oftener than this on a day stands on one line for all that went alike."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a day: one occurrence, or all of a routine that are alike, in the order of time."""

    items: Sequence[Forecast]

    @property
    def first(self) -> Forecast:
        """The earliest of them."""
        return self.items[0]

    @property
    def times(self) -> int:
        """How many occurrences stand here."""
        return len(self.items)

    @property
    def people(self) -> str:
        """Say how many tasks open and for whom: `2 tasks for First technician`."""
        fixed, for_rows = _told_apart(self.first.tasks)
        often = " each time" if self.times > 1 else ""
        parts = (
            f"{count_words(len(fixed), 'task')}{often} for {self._joined(for_rows=False)}" if fixed else "",
            f"a task a row for {self._joined(for_rows=True)}" if for_rows else "",
        )
        return ", ".join(part for part in parts if part)

    @property
    def names(self) -> tuple[str, ...]:
        """Who holds the tasks, none twice: of several occurrences each may be another shift's."""
        return tuple(dict.fromkeys(task.assignee for item in self.items for task in item.tasks))

    def _joined(self, *, for_rows: bool) -> str:
        tasks = (task for item in self.items for task in _told_apart(item.tasks)[for_rows])
        return ", ".join(dict.fromkeys(task.assignee for task in tasks))


def lines_of_day(items: Sequence[Forecast]) -> list[Line]:
    """Return the occurrences of one day (in order of time) as lines, in the order of the first of each.

    Of a routine that comes oftener than MANY times, those with the same status, reason and shift are one line:
    what failed never hides behind what succeeded.
    """
    often = {routine for routine, times in Counter(item.routine for item in items).items() if times > MANY}
    found: dict[Hashable, list[Forecast]] = {}
    for number, item in enumerate(items):
        alike = (item.routine, item.status, item.reason, item.shift) if item.routine in often else number
        found.setdefault(alike, []).append(item)
    return [Line(items=same) for same in found.values()]


def _told_apart(tasks: Sequence[ForecastTask]) -> tuple[list[ForecastTask], list[ForecastTask]]:
    """Return the tasks that are certain, and those that open for each row of a step, which cannot be counted yet."""
    apart: tuple[list[ForecastTask], list[ForecastTask]] = ([], [])
    for task in tasks:
        apart["{{" in task.title or "{%" in task.title].append(task)
    return apart
