"""Where a drill restores to: an empty folder of the run that goes afterwards, and the commands that work in it."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType

from opsrunner.errors import NotStored, StepFailed
from opsrunner.model.fleet import Stopping
from opsrunner.model.outcome import Outcome
from opsrunner.model.sizes import size_words
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.environment import host_environment
from opsrunner.steps.host_end import end_words
from opsrunner.steps.output import OutputSink
from opsrunner.steps.step_time import StepTime
from opsrunner.stores.base import Store, check_surveyed
from opsrunner.work_folder import remove_folder

KEPT_BYTES, KEPT_SHARE = 500_000_000, 50
"""What a drill leaves free: so much, or a fiftieth of a smaller disk."""
NOTHING: Mapping[str, str] = MappingProxyType({})


class NoRoom(StepFailed):
    """The disk is too full to tell whether a backup is right."""


class NotPassed(StepFailed):
    """A command went to its end, and says that what was restored is not right."""


class DrillBench:
    """The folder, while the drill goes on. Raises StepFailed where it cannot be made, or is full."""

    def __init__(self, call: StepCall, means: Means, time: StepTime) -> None:
        self._call, self._means, self._time = call, means, time
        self.folder = call.workdir / f"restored-{call.step}"
        self.fetched = call.workdir / f"fetched-{call.step}"
        self._sink = OutputSink(call.output, limit_bytes=call.output_limit_bytes, vault=means.vault)

    def __enter__(self) -> DrillBench:
        self._clear()  # what a try left that was killed
        try:
            self.folder.mkdir(mode=0o700)
        except OSError as exc:
            self._sink.close()
            raise self._failed(exc) from exc
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clear()
        self._sink.close()
        if isinstance(error, OSError):
            raise self._failed(error) from error

    def require_room(self, needed_bytes: int) -> None:
        """Raise StepFailed where the disk has not that much room."""
        free = shutil.disk_usage(self.folder).free
        if needed_bytes > free:
            room = f"{self.folder.parent} has {size_words(free)} free, and it takes {size_words(needed_bytes)}"
            raise NoRoom(f"no room for the drill: {room}")

    def fetch(self, store: Store, name: str) -> None:
        """Fetch what a survey of a store told of into the folder `fetched`, under its own name. Raises StoreFailed.

        Whoever may write to the store chooses the name: before anything is made, one that leads out is refused.
        """
        path = self.fetched / check_surveyed(name)
        if not path.resolve().is_relative_to(self.fetched.resolve()):
            raise NotStored(f"{name!r} is no name that can be fetched")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("xb") as file:
            for piece in store.fetch(name):
                file.write(piece)

    def judged(self, outcome: Outcome) -> Outcome:
        """Return the step's end, as a warning where its output could not be kept."""
        return self._sink.judged(outcome)

    def say(self, line: str) -> None:
        """Write a line of the step's output."""
        self._sink.write(f"{line}\n".encode())

    def check(self, then: str | tuple[str, ...], *, env: Mapping[str, str] = NOTHING) -> None:
        """Run a check over what was restored, if there is one. Raises NotPassed, and StepFailed where it is ended."""
        if then:
            self.run(then, env=env, called="the check", failed="what was restored does not pass the check")

    def run(self, command: str | tuple[str, ...], *, env: Mapping[str, str], called: str, failed: str) -> None:
        """Run a command of this machine, which finds the folder as `$OPS_RESTORED`. Raises NotPassed, StepFailed."""
        host, room = self._means.hosts["local"], _Room(self._means.stopping, self._call.workdir)
        if room.is_set() and room.is_short:
            raise NoRoom(f"no room for the drill: {room.words}")
        answer = self._means.fleet.run(
            host,
            command if isinstance(command, str) else shlex.join(command),
            env={
                **host_environment(host, self._call, self._means.vault),
                **env,
                "OPS_RESTORED": str(self.folder),
            },
            timeout_seconds=self._time.left_seconds,
            stopping=room,
        )
        self._sink.write(answer.stdout + answer.stderr)
        if room.is_short:
            raise NoRoom(f"{called} was ended: {room.words}")
        if answer.status is not None:
            raise StepFailed(f"{called}: {answer.message}", status=answer.status.value)
        if answer.exit_code != 0:
            raise NotPassed(f"{failed}: {end_words(answer, self._means.vault)}")

    def _clear(self) -> None:
        for folder in (self.folder, self.fetched):
            remove_folder(folder)

    def _failed(self, error: OSError) -> StepFailed:
        return StepFailed(f"{self.folder}: {(error.strerror or str(error)).lower()}")


class _Room:
    """The word to stop, which comes too where what is restored fills the disk that the ledger lies on."""

    def __init__(self, stopping: Stopping, folder: Path) -> None:
        self._stopping, self._folder = stopping, folder
        self._kept = min(KEPT_BYTES, shutil.disk_usage(folder).total // KEPT_SHARE)
        self.is_short = False

    @property
    def words(self) -> str:
        """Why."""
        return f"less than {size_words(self._kept)} are free where {self._folder} lies"

    def is_set(self) -> bool:
        """Tell whether the command is to end now."""
        self.is_short = self.is_short or shutil.disk_usage(self._folder).free < self._kept
        return self.is_short or self._stopping.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the word from outside, at most `timeout` seconds; tell whether to stop."""
        return self._stopping.wait(timeout) or self.is_set()
