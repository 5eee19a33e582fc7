"""Tells a watcher elsewhere that this program lives, so that its silence is noticed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

from opsrunner.clock import Clock
from opsrunner.errors import NoAnswer, SecretUnavailable
from opsrunner.exchange import Ask, Exchange
from opsrunner.model.mail import QueuedMail
from opsrunner.model.site import Heartbeat
from opsrunner.secrets import SecretRef, Vault

PING_SECONDS = 10
"""For a whole ping: names, connection, TLS and answer together."""
EVERY_SECONDS = 300
DIGEST = "digest "

_ACTION = {"action": "heartbeat"}
_log = logging.getLogger(__name__)


class Pinger:
    """Calls the heartbeat's URL and never fails: whoever keeps the routines must not suffer from it.

    The URL is a secret of its own (whoever knows it can keep the watcher quiet), so only its host is
    ever logged, once when pings stop getting through and once when they do again. Nothing but the
    bare request is sent: no log, no name of the site, no version. `look` and `ping` are for one thread.
    """

    def __init__(
        self,
        heartbeat: Callable[[], Heartbeat | None],
        *,
        vault: Vault,
        clock: Clock,
        limit_seconds: float = PING_SECONDS,
    ) -> None:
        """`heartbeat` says what the site in force asks for, if anything."""
        self._heartbeat = heartbeat
        self._vault = vault
        self._clock = clock
        self._limit_seconds = limit_seconds
        self._digest_went = threading.Event()
        self._told: Heartbeat | None = None
        self._told_seconds = 0.0
        self._failing = False
        self._under_way: Exchange | None = None

    def mail_went(self, mail: QueuedMail) -> None:
        """Take note of a mail that was handed over: one of a digest is told at the next look. For any thread."""
        if mail.about.startswith(DIGEST):
            self._digest_went.set()

    def look(self, *, is_healthy: bool) -> None:
        """Ping where it is time: every five minutes, after a digest went, and at an address that is new."""
        heartbeat = self._heartbeat()
        if heartbeat is None or not is_healthy:
            return
        now = self._clock.monotonic()
        is_time = heartbeat != self._told or now - self._told_seconds >= EVERY_SECONDS
        if not is_time and not self._digest_went.is_set():
            return
        self._digest_went.clear()
        self._told, self._told_seconds = heartbeat, now
        self.ping(heartbeat)

    def ping(self, heartbeat: Heartbeat) -> bool:
        """Ping once, within the limit whatever the other side does; tell whether it got through."""
        failure = self._try(heartbeat)
        if failure and not self._failing:
            _log.warning("the heartbeat does not get through (said once): %s", failure, extra=_ACTION)
        if self._failing and not failure:
            _log.info("the heartbeat gets through again", extra=_ACTION)
        self._failing = bool(failure)
        return not failure

    def _try(self, heartbeat: Heartbeat) -> str:
        """Ping, and return why it did not get through, in words that hold no part of the URL but its host."""
        try:
            url = self._url(heartbeat)
        except SecretUnavailable as exc:
            return exc.message
        host = _host(url)
        if self._under_way is not None and not self._under_way.is_over:
            return f"{host} still holds the ping before this one"
        self._under_way = Exchange(Ask(url=url, most_bytes=0), clock=self._clock)
        try:
            reply = self._under_way.run(timeout_seconds=self._limit_seconds)
        except NoAnswer as exc:
            return self._words(exc, host)
        return "" if 200 <= reply.status < 300 else f"{host}: it answered {reply.status}"

    def _words(self, failure: NoAnswer, host: str) -> str:
        if failure.kind == "timed_out":
            return f"{host} did not answer within {self._limit_seconds:g} s"
        if failure.kind == "unsendable":  # the library's words quote the URL
            return f"{host}: its address cannot be used"
        return f"{host}: {failure.message}"

    def _url(self, heartbeat: Heartbeat) -> str:
        url = heartbeat.url
        if isinstance(url, SecretRef):
            return self._vault.resolve(url)
        self._vault.remember(url)
        return url


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or "its host"
    except ValueError:
        return "its host"
