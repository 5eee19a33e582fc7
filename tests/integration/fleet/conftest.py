"""What holds on this machine as over SSH is tried on both."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from opsrunner.model.site import Host


@pytest.fixture(params=["local", "ssh"])
def host(request: pytest.FixtureRequest) -> Host:
    """Give this machine, then a real host."""
    if request.param == "local":
        return Host(name="local", address="127.0.0.1")
    pinned: Callable[[int], Host] = request.getfixturevalue("pinned_host")
    return pinned(2)
