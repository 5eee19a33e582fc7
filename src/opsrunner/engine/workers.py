"""The threads that runs run in, and how they are ended."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Literal

from opsrunner.engine.events import RunEvent, ignore
from opsrunner.engine.runner import Runner
from opsrunner.engine.stopping import StopWord
from opsrunner.errors import OpsrunnerError
from opsrunner.model.run import Run, RunStatus

LOGGER = logging.getLogger("opsrunner")


@dataclass(frozen=True, kw_only=True)
class _Work:
    stop: StopWord
    future: Future[None]


class Workers:
    """A bounded pool; at most one thread works on a run."""

    def __init__(self, runner: Runner, *, size: int, finished: Callable[[], None]) -> None:
        """`finished` is called after each run was left, from its thread."""
        self._runner = runner
        self._pool = ThreadPoolExecutor(max_workers=size, thread_name_prefix="run")
        self._works: dict[int, _Work] = {}
        self._lock = threading.Lock()
        self._finished = finished

    def start(self, run_id: int, tell: Callable[[RunEvent], None] = ignore) -> bool:
        """Begin or take up a run; False where a thread has it already."""
        with self._lock:
            if run_id in self._works:
                return False
            stop = StopWord()
            future = self._pool.submit(self._work, run_id, stop, tell)
            self._works[run_id] = _Work(stop=stop, future=future)
        return True

    def stop(self, run_id: int, reason: Literal["shutdown", "asked"] = "asked") -> bool:
        """Tell a run to end; False where no thread has it."""
        with self._lock:
            work = self._works.get(run_id)
        if work is None:
            return False
        work.stop.say(reason)
        return True

    def busy(self) -> list[int]:
        """Return the runs that threads are working on."""
        with self._lock:
            return list(self._works)

    def close(self, *, grace_seconds: float, hurry: threading.Event) -> None:
        """Let running steps end for `grace_seconds` (or until `hurry`), then stop them, and wait for the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        waited = 0.0
        while self._futures() and waited < grace_seconds and not hurry.is_set():
            wait(self._futures(), timeout=0.2)
            waited += 0.2
        for run_id in self.busy():
            self.stop(run_id, "shutdown")
        wait(self._futures(), timeout=10)

    def _futures(self) -> list[Future[None]]:
        with self._lock:
            return [work.future for work in self._works.values() if not work.future.done()]

    def _work(self, run_id: int, stop: StopWord, tell: Callable[[RunEvent], None]) -> None:
        try:
            _log_end(self._runner.execute(run_id, stop, tell))
        except OpsrunnerError as exc:
            LOGGER.error("run %s stopped: %s", run_id, exc, extra={"action": "run_stopped", "run": run_id})  # noqa: TRY400
        except Exception:
            LOGGER.exception("run %s stopped by a fault of opsrunner", run_id, extra={"action": "fault", "run": run_id})
        finally:
            with self._lock:
                self._works.pop(run_id, None)
            self._finished()


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
