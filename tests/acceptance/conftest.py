"""The installed program, called as a person calls it: in a process of its own (`front_door.py`)."""

from __future__ import annotations

import email
import email.policy
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope

from ..front_door import Answer, FrontDoor

__all__ = ["Answer"]
SCRIPT = Path(sys.executable).with_name("opsrunner")


@pytest.fixture
def opsrunner(tmp_path: Path, front_door: FrontDoor) -> Callable[..., Answer]:
    """Run `opsrunner` with arguments and give back its exit code and what it printed.

    `site` becomes the working folder. `env` is added to a plain environment. Nothing is read from stdin.
    """

    def run(
        *arguments: str, site: Path | None = None, env: Mapping[str, str] | None = None, seconds: float = 60
    ) -> Answer:
        environment = {**plain_environment(tmp_path), **(env or {})}
        return front_door.call(*arguments, folder=site or tmp_path, environment=environment, seconds=seconds)

    return run


def plain_environment(home: Path) -> dict[str, str]:
    """Return what a fresh login has, and nothing of the shell that runs the tests."""
    return {
        "PATH": f"{SCRIPT.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "COLUMNS": "110",
    }


@dataclass
class Postbox:
    """A mail server on loopback. `on_data` is called when a mail has come and before it is answered for."""

    received: list[tuple[str, str]] = field(default_factory=list)
    """Message-ID and subject of each mail taken, in order."""
    on_data: Callable[[], None] = lambda: None
    port: int = 0

    async def handle_DATA(self, server: object, session: object, envelope: Envelope) -> str:  # noqa: N802 (its name)
        message = email.message_from_bytes(envelope.original_content or b"", policy=email.policy.default)
        self.received.append((str(message["Message-ID"]), str(message["Subject"])))
        self.on_data()
        return "250 OK"


@pytest.fixture
def open_postbox() -> Iterator[Callable[[], Postbox]]:
    """Start mail servers; a site reaches one by `{host: 127.0.0.1, port: …, security: none}`."""
    controllers: list[Controller] = []

    def build() -> Postbox:
        box = Postbox()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            box.port = probe.getsockname()[1]
        controllers.append(Controller(box, hostname="127.0.0.1", port=box.port, data_size_limit=50_000_000))
        controllers[-1].start()
        return box

    yield build
    for controller in controllers:
        controller.stop()
