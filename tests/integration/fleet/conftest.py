"""What holds on this machine as over SSH is tried on both."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

from opsrunner.model.site import Host


@pytest.fixture(params=["local", "ssh"])
def host(request: pytest.FixtureRequest) -> Host:
    """Give this machine, then a real host."""
    if request.param == "local":
        return Host(name="local", address="127.0.0.1")
    pinned: Callable[[int], Host] = request.getfixturevalue("pinned_host")
    return pinned(2)


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port of all our addresses where connections are taken and never a word is said."""
    with socket.create_server(("0.0.0.0", 0), backlog=50) as listener:
        yield listener.getsockname()[1]
