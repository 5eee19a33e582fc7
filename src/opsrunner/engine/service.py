"""The daemon as a process: its threads, its signals, its end."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Protocol

from opsrunner.clock import Clock
from opsrunner.engine.daemon import Daemon
from opsrunner.engine.heartbeat import Pinger
from opsrunner.engine.outage import Outage
from opsrunner.engine.state import StateLock
from opsrunner.engine.workers import Workers
from opsrunner.errors import StateError
from opsrunner.records import dataclass

LOGGER = logging.getLogger("opsrunner")
MAIL_SECONDS = 2.0
HEARTBEAT_LOOK_SECONDS = 1.0
ANNOUNCE_SECONDS = 5.0
LAST_MAIL_SECONDS = 5.0
FIRST_PROCESS = 1
NO_INIT = (
    "opsrunner is process 1 here, so nobody collects what programs of steps leave behind: dead processes pile up "
    "until no more can be started; give the container an init (docker run --init)"
)


class Face(Protocol):
    """What people look at while the daemon works: the page."""

    def start(self) -> None:
        """Begin, in threads of its own. Raises StateError."""

    def stop(self) -> None:
        """End within seconds."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """Everything that `serve` keeps going."""

    clock: Clock
    lock: StateLock
    daemon: Daemon
    outage: Outage
    workers: Workers
    deliver: Callable[[], int]
    """Hand over the mails that are due."""
    announce: Callable[[], int]
    """Look after maintenance windows and incidents; it may wait for sources."""
    pinger: Pinger
    """Tells the heartbeat's watcher that we live; one thread looks after it."""
    grace_seconds: Callable[[], float]
    draining: threading.Event
    hurry: threading.Event

    def run(self, face: Face | None = None) -> int:
        """Serve until a signal, then end what runs; return the exit code. The lock is held already."""
        self._listen()
        if os.getpid() == FIRST_PROCESS:
            LOGGER.warning(NO_INIT, extra={"action": "no_init"})
        threads = [
            threading.Thread(target=self._mail, name="mail", daemon=True),
            threading.Thread(target=self._announcements, name="announcements", daemon=True),
            threading.Thread(target=self._heartbeat, name="heartbeat", daemon=True),
        ]
        try:
            self.daemon.begin()
            for thread in threads:
                thread.start()
            self._show(face)
            self.daemon.loop()
        finally:
            self.draining.set()
            LOGGER.info("stopping", extra={"action": "stopping", "running": len(self.workers.busy())})
            is_over = self.workers.close(grace_seconds=self.grace_seconds(), hurry=self.hurry)
            if not is_over:
                _log_stuck(self.workers.busy())
            if threads[0].is_alive():
                threads[0].join(0 if self.hurry.is_set() else LAST_MAIL_SECONDS)
            if face is not None:
                face.stop()
        LOGGER.info("stopped", extra={"action": "stopped"})
        return 0 if is_over else 1

    def _show(self, face: Face | None) -> None:
        """Open the page. Routines matter more than it: where it cannot be, they go on without."""
        if face is None:
            return
        try:
            face.start()
        except StateError as exc:
            LOGGER.error("%s; everything else works", exc, extra={"action": "no_page"})  # noqa: TRY400 (a sentence is enough)

    def _listen(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
                signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """First: begin to stop. Second: stop at once."""
        del number, frame
        if self.draining.is_set():
            self.hurry.set()
        self.draining.set()

    def _mail(self) -> None:
        while True:
            ending = self.draining.is_set()
            self._quietly(self._deliver, "mail")
            if ending:
                return
            self.draining.wait(MAIL_SECONDS)

    def _deliver(self) -> None:
        """Hand over the mails that are due."""
        if not self.daemon.knows_the_time():
            return  # quiet hours, and how long a mail has been tried, are told by the clock
        self.deliver()

    def _announcements(self) -> None:
        """Look after windows and incidents, each time a little later."""
        while not self.draining.wait(ANNOUNCE_SECONDS):
            if self.daemon.knows_the_time():
                self._quietly(self.announce, "announcements")

    def _heartbeat(self) -> None:
        """Ping while planner passes succeed; silence is what the watcher listens for."""
        while not self.draining.wait(HEARTBEAT_LOOK_SECONDS):
            self._quietly(lambda: self.pinger.look(is_healthy=self.daemon.is_healthy()), "heartbeat")

    def _quietly(self, duty: Callable[[], object], name: str) -> None:
        """Do a duty whose failure must not end its thread."""
        try:
            duty()
        except StateError as exc:
            self.outage.failed(exc)
        except Exception as exc:  # noqa: BLE001 (a notifier never stops the daemon)
            LOGGER.error("%s: %s", name, exc, extra={"action": f"{name}_failed"})  # noqa: TRY400 (a sentence is enough)


def _log_stuck(runs: list[int]) -> None:
    words = ", ".join(str(run) for run in runs)
    LOGGER.error(
        "ending with runs %s not at a stop: the next start accounts for them", words, extra={"action": "stuck"}
    )
