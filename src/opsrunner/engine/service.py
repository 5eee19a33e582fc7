"""The daemon as a process: its threads, its signals, its end."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

from opsrunner.clock import Clock
from opsrunner.engine.daemon import Daemon
from opsrunner.engine.state import StateLock
from opsrunner.engine.workers import Workers

LOGGER = logging.getLogger("opsrunner")
MAIL_SECONDS = 2.0
HEARTBEAT_SECONDS = 300.0
LAST_MAIL_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Service:
    """Everything that `serve` keeps going."""

    clock: Clock
    lock: StateLock
    daemon: Daemon
    workers: Workers
    deliver: Callable[[], int]
    """Hand over the mails that are due."""
    ping: Callable[[], object] | None
    """Tell the heartbeat's watcher that we live; None where there is none."""
    grace_seconds: Callable[[], float]
    draining: threading.Event
    hurry: threading.Event

    def run(self) -> int:
        """Serve until a signal, then end what runs; return the exit code. The lock is held already."""
        self._listen()
        threads = [threading.Thread(target=self._mail, name="mail", daemon=True)]
        if self.ping is not None:
            threads.append(threading.Thread(target=self._heartbeat, name="heartbeat", daemon=True))
        try:
            self.daemon.begin()
            for thread in threads:
                thread.start()
            self.daemon.loop()
        finally:
            self.draining.set()
            LOGGER.info("stopping", extra={"action": "stopping", "running": len(self.workers.busy())})
            self.workers.close(grace_seconds=self.grace_seconds(), hurry=self.hurry)
            if threads[0].is_alive():
                threads[0].join(0 if self.hurry.is_set() else LAST_MAIL_SECONDS)
        LOGGER.info("stopped", extra={"action": "stopped"})
        return 0

    def _listen(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
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
        """Hand over mails, and tell the heartbeat when those of a digest went."""
        if not self.daemon.knows_the_time():
            return  # quiet hours, and how long a mail has been tried, are told by the clock
        told = self.daemon.reported.is_set()
        self.deliver()
        if told:
            self.daemon.reported.clear()
            if self.ping is not None:
                self.ping()

    def _heartbeat(self) -> None:
        """Ping while planner passes succeed; silence is what the watcher listens for."""
        while not self.draining.is_set():
            if self.daemon.is_healthy() and self.ping is not None:
                self._quietly(self.ping, "heartbeat")
                self.draining.wait(HEARTBEAT_SECONDS)
            else:
                self.draining.wait(1)

    @staticmethod
    def _quietly(duty: Callable[[], object], name: str) -> None:
        """Do a duty whose failure must not end its thread."""
        try:
            duty()
        except Exception as exc:  # noqa: BLE001 (a notifier never stops the daemon)
            LOGGER.error("%s: %s", name, exc, extra={"action": f"{name}_failed"})  # noqa: TRY400
