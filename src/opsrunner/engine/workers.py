"""The threads that runs are walked in, and how they are ended."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import field
from math import ceil
from typing import Literal

from opsrunner.engine.course import Pause
from opsrunner.engine.runner import Runner, Walk
from opsrunner.engine.stopping import StopWord
from opsrunner.errors import OpsrunnerError
from opsrunner.model.routine import Routine
from opsrunner.model.run import Run, RunStatus
from opsrunner.records import dataclass

LOGGER = logging.getLogger("opsrunner")
LONGEST_UNWRITTEN_SECONDS = 0.2
"""How long the end of a step may wait to be written while steps that are due are entered."""
LAST_SECONDS = 10.0
FIRST_AWAKE = 1
"""Threads that are woken at once for starts that come together."""
WAKE_EVERY_SECONDS = 0.005
SOON_SECONDS = 0.05
"""More are woken where those that are awake would take longer than this for the starts that wait."""


@dataclass(kw_only=True)
class Work:
    """One run in the hands of the workers."""

    run_id: int
    stop: StopWord
    walk: Walk
    worked_at: float = field(default=0.0)
    is_leaving: bool = field(default=False)
    """Whether its walk is over: nobody can tell it to stop any more."""


class Workers:
    """A bounded pool; at most one thread walks a run.

    What is due is entered before the ends of others are written: a thread that comes back from a step turns to the
    starts that wait, for LONGEST_UNWRITTEN_SECONDS at most.
    """

    def __init__(self, runner: Runner, *, size: Callable[[], int]) -> None:
        """`size` is asked whenever a thread more might be of use."""
        self._runner = runner
        self._size = size
        self._works: dict[int, Work] = {}
        self._starts: deque[Work] = deque()
        self._ends: deque[Work] = deque()
        self._changed = threading.Condition()
        self._threads: set[threading.Thread] = set()
        self._idle = 0
        """Threads that wait for something to do."""
        self._late_writer: threading.Thread | None = None
        self._closing = False
        self._over = threading.Event()

    def start(self, run_id: int) -> bool:
        """Begin or take up a run that is `running`; False where a thread has it already."""
        if run_id in self._works:
            return False
        stop = StopWord()
        return self.hand_over([Work(run_id=run_id, stop=stop, walk=self._runner.again(run_id, stop))]) == 1

    def prepare(self, run: Run, routine: Routine) -> Work:
        """Make a run that is being claimed ready to be entered; `hand_over` it after the commit."""
        stop = StopWord()
        work = Work(run_id=run.id, stop=stop, walk=self._runner.fresh(run, routine, stop))
        try:
            next(work.walk, None)
        except OpsrunnerError:
            raise
        except Exception:  # one routine's trouble must not keep the others from being planned
            LOGGER.exception("run %s cannot be prepared", run.id, extra={"action": "fault", "run": run.id})
            work.walk = self._runner.again(run.id, stop)
        return work

    def hand_over(self, works: Iterable[Work]) -> int:
        """Let threads walk these; return how many were not in their hands before."""
        with self._changed:
            fresh = [work for work in works if work.run_id not in self._works]
            self._works.update({work.run_id: work for work in fresh})
            self._starts.extend(fresh)
            self._add_threads()
            self._changed.notify(min(len(fresh), FIRST_AWAKE))
        if len(fresh) > FIRST_AWAKE:
            self._wake_others()
        return len(fresh)

    def _wake_others(self) -> None:
        """Wake as many threads more as it takes to enter the starts that wait within SOON_SECONDS.

        All at once would queue for the interpreter, and each start would be late.
        """
        left = len(self._starts)
        pace = ceil(left * WAKE_EVERY_SECONDS / SOON_SECONDS)
        while left and self._idle and not self._closing:
            self._over.wait(WAKE_EVERY_SECONDS)
            before, left = left, len(self._starts)
            if (missing := pace - (before - left)) > 0:
                with self._changed:
                    self._changed.notify(missing)

    def make_room(self, count: int) -> None:
        """Have threads at hand for `count` starts that come in a moment."""
        with self._changed:
            self._add_threads(count)

    def stop(self, run_id: int, reason: Literal["shutdown", "asked"] = "asked") -> bool:
        """Tell a run to end; False where no thread has it."""
        with self._changed:
            work = self._works.get(run_id)
            if work is None or work.is_leaving:
                return False
            work.stop.say(reason)
            return True

    def busy(self) -> list[int]:
        """Return the runs that threads are working on, or will."""
        with self._changed:
            return list(self._works)

    def close(self, *, grace_seconds: float, hurry: threading.Event) -> bool:
        """Let running steps end for `grace_seconds` (or until `hurry`), then stop them, and wait for the threads.

        The runner drains by now, so that what was not begun is left. Returns False where a thread does not come
        back: the process has to end then, and the next start accounts for its run.
        """
        with self._changed:
            self._closing = True
            self._over.set()
            self._changed.notify_all()
        while self._starts:
            with suppress(IndexError):
                self._walk(self._starts.popleft())  # nothing is entered any more: it is left as it stands
        self._wait(grace_seconds, hurry)
        for run_id in self.busy():
            self.stop(run_id, "shutdown")
        return self._wait(LAST_SECONDS)

    def _wait(self, seconds: float, hurry: threading.Event | None = None) -> bool:
        """Wait until nothing is worked on; tell whether that came."""
        until = time.monotonic() + seconds
        with self._changed:
            while self._works and time.monotonic() < until and not (hurry and hurry.is_set()):
                self._changed.wait(0.1)
            return not self._works

    def _add_threads(self, coming: int = 0) -> None:
        wanted = min(self._size(), len(self._works) + coming)
        while len(self._threads) < wanted:
            thread = threading.Thread(target=self._loop, name=f"run-{len(self._threads)}", daemon=True)
            self._threads.add(thread)
            thread.start()

    def _loop(self) -> None:
        while (work := self._take()) is not None:
            if self._ends and not self._starts and self._idle:
                with self._changed:
                    self._changed.notify()  # who writes at the same time shares a commit
            self._walk(work)

    def _take(self) -> Work | None:
        """Return what is next, and wait for it; None where this thread is not needed any more."""
        if (work := self._next()) is not None:
            return work
        with self._changed:
            self._idle += 1  # told before the last look: who adds something after it wakes this thread
            try:
                while (work := self._next()) is None:
                    if self._closing or len(self._threads) > self._size():
                        self._threads.discard(threading.current_thread())
                        return None
                    self._changed.wait()
                return work
            finally:
                self._idle -= 1

    def _next(self) -> Work | None:
        """Take an end that is late, else a start, else an end.

        Without the lock: the threads that enter a thousand starts would queue for it.
        """
        while self._ends or (self._starts and not self._closing):
            try:
                if self._ends and (self._closing or not self._starts or _is_late(self._ends[0])):
                    return self._ends.popleft()
                return self._starts.popleft()
            except IndexError:  # another thread was faster
                continue
        return None

    def _walk(self, work: Work, *, enters: bool = True) -> None:
        """Walk a run to its end, or to where starts that are due come first; with `enters` False into no step."""
        try:
            for pause in work.walk:
                if pause is Pause.WORKED and self._starts and not self._closing:
                    self._put_back(work)
                    return
                if pause is Pause.READY and not enters and self._hand_back(work):
                    return
        except OpsrunnerError as exc:
            LOGGER.error("run %s stopped: %s", work.run_id, exc, extra={"action": "run_stopped", "run": work.run_id})  # noqa: TRY400 (a sentence is enough)
        except Exception:
            LOGGER.exception(
                "run %s stopped by a fault of opsrunner", work.run_id, extra={"action": "fault", "run": work.run_id}
            )
        self._let_go(work)

    def _put_back(self, work: Work) -> None:
        work.worked_at = time.monotonic()
        self._ends.append(work)
        if self._late_writer is None:
            with self._changed:
                if self._late_writer is None:
                    self._late_writer = threading.Thread(target=self._write_late_ends, name="run-ends", daemon=True)
                    self._late_writer.start()

    def _hand_back(self, work: Work) -> bool:
        """Let another thread enter the next step; False where the pool closes, and nothing is entered any more."""
        with self._changed:
            if self._closing:
                return False
            self._starts.append(work)
            self._changed.notify()
            return True

    def _write_late_ends(self) -> None:
        """Write the ends that all others are too long at work to write; enter nothing."""
        while True:
            try:
                late_at = self._ends[0].worked_at + LONGEST_UNWRITTEN_SECONDS
                if (seconds := late_at - time.monotonic()) > 0 and not self._over.wait(seconds):
                    continue
                work = self._ends.popleft()
            except IndexError:
                with self._changed:
                    self._late_writer = None  # said before the last look: who adds an end after it starts another one
                    if not self._ends:
                        return
                    self._late_writer = threading.current_thread()
            else:
                self._walk(work, enters=False)

    def _let_go(self, work: Work) -> None:
        with self._changed:
            work.is_leaving = True
        try:
            _log_end(self._runner.left(work.run_id, work.stop))
        except OpsrunnerError as exc:
            LOGGER.error("run %s: %s", work.run_id, exc, extra={"action": "run_stopped", "run": work.run_id})  # noqa: TRY400 (a sentence is enough)
        finally:
            with self._changed:
                del self._works[work.run_id]
                if self._closing:
                    self._changed.notify_all()


def _is_late(work: Work) -> bool:
    return time.monotonic() - work.worked_at > LONGEST_UNWRITTEN_SECONDS


def _log_end(run: Run) -> None:
    """Say how a run was left; one that a stopping daemon leaves `running` is told when it is taken up again."""
    if run.status is RunStatus.RUNNING:
        return
    is_fine = run.status in (RunStatus.SUCCEEDED, RunStatus.WAITING, RunStatus.CANCELLED)
    because = f" ({run.reason})" if run.reason else ""
    LOGGER.log(
        logging.INFO if is_fine else logging.WARNING,
        "run %d of %s: %s%s",
        run.id,
        run.routine,
        run.status.value,
        because,
        extra={"action": f"run_{run.status.value}", "run": run.id},
    )
