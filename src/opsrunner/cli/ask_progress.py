"""How far a question is: on a terminal, how many of the hosts are back."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from opsrunner.engine.hosts import inventory
from opsrunner.engine.outputs import output_file
from opsrunner.steps.ask import BEGIN
from opsrunner.steps.fan_out import select_hosts

if TYPE_CHECKING:
    from rich.text import Text

    from opsrunner.cli.screen import Screen
    from opsrunner.engine.events import RunEvent
    from opsrunner.model.routine import Routine
    from opsrunner.open_site import OpenSite

READ_BYTES = 200_000


class AskProgress:
    """Told of every event of the run; use as a context. It reads what the step writes, whoever runs it."""

    def __init__(self, screen: Screen, app: OpenSite, routine: Routine) -> None:
        self._screen, self._state = screen, app.state
        wanted = routine.steps[0].options["hosts"]
        wanted = wanted if isinstance(wanted, str) else tuple(wanted)
        self._total = len(select_hosts(wanted, inventory(app.site)))
        self._output: Path | None = None
        self._stack = ExitStack()

    def __enter__(self) -> AskProgress:
        self._stack.enter_context(self._screen.console.status(self, spinner="dots"))
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def __call__(self, event: RunEvent) -> None:
        """Note where the step writes."""
        if event.kind == "step_started":
            self._output = output_file(self._state, event.run, event.step)

    def __rich__(self) -> Text:
        """Return the line as it is now; rich asks for it again and again."""
        from rich.text import Text

        return Text(f"{self.back} of {self._total} {'host is' if self._total == 1 else 'hosts are'} back")

    @property
    def back(self) -> int:
        """How many hosts are back, in their order: one that is slow holds up the count of those behind it."""
        if self._output is None:
            return 0
        try:
            with self._output.open("rb") as file:
                line = file.readline(READ_BYTES)
        except OSError:
            return 0
        return len(line.removeprefix(BEGIN).split()) if line.startswith(BEGIN) else 0
