"""The page as a part of the daemon: one thread with uvicorn in it."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from opsrunner.app import App
from opsrunner.errors import StateError
from opsrunner.web.application import Web
from opsrunner.web.live import Changes

LOGGER = logging.getLogger("opsrunner")
LAST_SECONDS = 3


class _Server(uvicorn.Server):
    """Sleeps until it is told to end; uvicorn itself looks ten times a second, which an idle machine would notice."""

    def __init__(self, config: uvicorn.Config, changes: Changes) -> None:
        super().__init__(config)
        self._changes = changes
        self._ending: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    async def main_loop(self) -> None:
        event = asyncio.Event()
        self._ending = (asyncio.get_running_loop(), event)
        if not self.should_exit:
            await event.wait()
        await self._changes.end()

    def end(self) -> None:
        """Tell it from another thread to end."""
        self.should_exit = True
        if self._ending is not None:
            loop, event = self._ending
            with suppress(RuntimeError):  # it has ended by itself
                loop.call_soon_threadsafe(event.set)


class WebServer:
    """Serves the page of an opened site from `start` to `stop`."""

    def __init__(self, app: App, *, on_start: Callable[[str], None] | None = None) -> None:
        """`on_start` is told the page's address once it listens."""
        self._app, self._on_start = app, on_start
        self._web = Web(app)
        self._thread: threading.Thread | None = None
        config = uvicorn.Config(
            self._web.application(),
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,  # the guard writes it: uvicorn would wake up each second for it
            proxy_headers=False,
            lifespan="off",
            timeout_graceful_shutdown=LAST_SECONDS,
        )
        self._server = _Server(config, self._web.changes)

    @property
    def address(self) -> str:
        """The address that people open."""
        return self._web.place().address

    def start(self) -> None:
        """Listen where the site says. Raises StateError where that is not possible."""
        _retell_uvicorn()
        listening = _listen(self._app.site.web.listen)
        self._thread = threading.Thread(target=self._server.run, args=([listening],), name="web", daemon=True)
        self._thread.start()
        LOGGER.info("the page is at %s", self.address, extra={"action": "web"})
        if self._on_start is not None:
            self._on_start(self.address)

    def stop(self) -> None:
        """Let answers end that are under way, for LAST_SECONDS."""
        self._server.end()
        if self._thread is not None:
            self._thread.join(LAST_SECONDS + 1)


class _Retold(logging.Handler):
    """Says what uvicorn has to say as we say things: in our lines, masked, with what is long in the crash file."""

    def emit(self, record: logging.LogRecord) -> None:
        said = {"action": "web"}
        LOGGER.log(record.levelno, "the page: %s", record.getMessage(), exc_info=record.exc_info, extra=said)


def _retell_uvicorn() -> None:
    logger = logging.getLogger("uvicorn")
    logger.handlers = [_Retold()]
    logger.setLevel(logging.WARNING)
    logger.propagate = False


def _listen(address: str) -> socket.socket:
    """Return a socket that listens at `address:port`. Raises StateError with what to do."""
    host, _, port = address.rpartition(":")
    where = (host.strip("[]"), int(port))
    try:
        family = socket.getaddrinfo(*where, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server(where, family=family, backlog=256)
    except OSError as exc:
        number = exc.errno or 0  # those of getaddrinfo are below 0
        said = os.strerror(number) if number > 0 else exc.strerror
        raise StateError(f"the page cannot listen at {address}: {said}; set web.listen in opsrunner.yaml") from exc
    # Connections inherit it. asyncio sets it only where a socket was made with its protocol's number; without it the
    # end of a short page waits 40 ms for an acknowledgement (Nagle's algorithm, RFC 896, beside RFC 1122 4.2.3.2).
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
