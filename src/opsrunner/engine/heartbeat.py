"""Tells a watcher elsewhere that this program lives, so that its silence is noticed."""

from __future__ import annotations

import logging
import threading
from urllib.parse import urlsplit

from opsrunner.errors import SecretUnavailable
from opsrunner.model.site import Heartbeat
from opsrunner.secrets import SecretRef, Vault

PING_SECONDS = 10
"""For a whole ping: names, connection, TLS and answer together."""

_ACTION = {"action": "heartbeat"}
_log = logging.getLogger(__name__)


class Pinger:
    """Calls the heartbeat's URL and never fails: whoever keeps the routines must not suffer from it.

    The URL is a secret of its own (whoever knows it can keep the watcher quiet), so only its host is
    ever logged, once when pings stop getting through and once when they do again. Nothing but the
    bare request is sent.
    """

    def __init__(self, heartbeat: Heartbeat, *, vault: Vault, limit_seconds: float = PING_SECONDS) -> None:
        self._heartbeat = heartbeat
        self._vault = vault
        self._limit_seconds = limit_seconds
        self._failing = False
        self._under_way: threading.Thread | None = None

    def ping(self) -> bool:
        """Ping once, within the limit whatever the other side does; tell whether it got through."""
        failure = self._try()
        if failure and not self._failing:
            _log.warning("the heartbeat does not get through (said once): %s", failure, extra=_ACTION)
        if self._failing and not failure:
            _log.info("the heartbeat gets through again", extra=_ACTION)
        self._failing = bool(failure)
        return not failure

    def _try(self) -> str:
        """Ping, and return why it did not get through, in words that hold no part of the URL but its host."""
        try:
            url = self._url()
        except SecretUnavailable as exc:
            return exc.message
        return self._ask(url)

    def _url(self) -> str:
        url = self._heartbeat.url
        if isinstance(url, SecretRef):
            return self._vault.resolve(url)
        self._vault.remember(url)
        return url

    def _ask(self, url: str) -> str:
        """Wait for the answer in a thread: no library bounds look-up, TLS and a dripping answer together."""
        host = _host(url)
        if self._under_way is not None and self._under_way.is_alive():
            return f"{host} still holds the ping before this one"
        failures: list[str] = []
        self._under_way = threading.Thread(target=_request, args=(url, failures), daemon=True, name="heartbeat")
        self._under_way.start()
        self._under_way.join(self._limit_seconds)
        if self._under_way.is_alive():
            return f"{host} did not answer within {self._limit_seconds:g} s"
        return f"{host}: {failures[0]}" if failures else ""


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or "its host"
    except ValueError:
        return "its host"


def _request(url: str, failures: list[str]) -> None:
    import httpx2  # noqa: PLC0415 - heavy, and only a daemon pings

    logging.getLogger("httpx2").setLevel(logging.WARNING)  # at INFO it writes whole URLs into the log
    try:
        with httpx2.Client(timeout=PING_SECONDS) as client, client.stream("GET", url) as answer:
            if not answer.is_success:
                failures.append(f"it answered {answer.status_code}")
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as exc:
        failures.append(type(exc).__name__)
