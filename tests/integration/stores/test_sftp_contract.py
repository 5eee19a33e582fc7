"""A folder of a real host as a store of copies: the contract, with and without a shell there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from opsrunner.fleet.fleet import Fleet
from opsrunner.fleet.host_keys import trust
from opsrunner.stores.base import Store
from opsrunner.stores.sftp import SftpFolder

from .contract import FolderContract

pytestmark = pytest.mark.needs("sshd", "ssh-keygen")


class TestSftpFolder(FolderContract):
    """On a host that gives us a shell."""

    @pytest.fixture
    def store(self, sshd_farm: Any, known_hosts: Path, make_fleet: Callable[..., Fleet], disk: Path) -> Iterator[Store]:
        host = sshd_farm.host(31)
        trust(known_hosts, host, sshd_farm.public_keys(host))
        fleet = make_fleet()
        with SftpFolder(str(disk / "copies"), connect=lambda: fleet.open_sftp(host)) as store:
            yield store


class TestSftpFolderWithoutShell(FolderContract):
    """On a host that lets us do nothing but SFTP."""

    @pytest.fixture
    def store(self, sshd_farm: Any, known_hosts: Path, make_fleet: Callable[..., Fleet], disk: Path) -> Iterator[Store]:
        host = sshd_farm.host(32, settings="ForceCommand internal-sftp\n")
        trust(known_hosts, host, sshd_farm.public_keys(host))
        fleet = make_fleet()
        with SftpFolder(str(disk / "copies"), connect=lambda: fleet.open_sftp(host)) as store:
            yield store
