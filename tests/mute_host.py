"""A host that does not talk: it accepts a connection, and what should follow never comes."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from opsrunner.model.site import Host


class MuteHost:
    """Accepts connections and says no more than `banner`, whatever it is told, until it is closed."""

    def __init__(self, host: Host, *, banner: bytes) -> None:
        self._socket = socket.create_server((host.address, host.port))
        self._banner = banner
        self._accepted: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, name=f"{host.name}-listens")
        self._thread.start()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)  # wakes who accepts
        self._thread.join()
        for each in (self._socket, *self._accepted):
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):  # it was closed
            while True:
                connection, _ = self._socket.accept()
                self._accepted.append(connection)
                connection.sendall(self._banner)
