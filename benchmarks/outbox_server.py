"""A mail server on loopback that takes every mail and keeps none."""

from __future__ import annotations

import signal
import socket

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope


class Sink:
    """Says yes."""

    async def handle_DATA(self, server: object, session: object, envelope: Envelope) -> str:  # noqa: N802, ARG002 (its name)
        return "250 OK"


def main() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(Sink(), hostname="127.0.0.1", port=port, data_size_limit=50_000_000)
    controller.start()
    print(port, flush=True)
    signal.sigwait({signal.SIGTERM})
    controller.stop()


if __name__ == "__main__":
    main()
