"""Real hosts on loopback: one sshd a host, each with an address and host keys of its own."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
import time
import traceback
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from opsrunner.clock import SystemClock
from opsrunner.fleet.fleet import Fleet
from opsrunner.fleet.host_keys import HostKey, trust
from opsrunner.model.site import Host
from opsrunner.secrets import Vault

from ..process_trees import end_trees

SSHD = "/usr/sbin/sshd"
SSHD_CONFIG = """\
Port {port}
ListenAddress {address}
{host_keys}
AuthorizedKeysFile {folder}/authorized_keys
UsePAM no
StrictModes no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
PidFile none
MaxStartups 200
LogLevel VERBOSE
Subsystem sftp internal-sftp
SetEnv WEBHOST={name} SHLVL=2
"""
ONLY_SFTP = "ForceCommand internal-sftp\n"
# SHLVL: bash reads ~/.bashrc for a command of sshd unless it stands in another shell already, and what
# stands in the tester's own must not decide how a test ends.


class SshdFarm:
    """Starts hosts when they are asked for, and ends them all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.client_key = folder / "client_key"
        make_key(self.client_key)
        self._hosts: dict[str, Host] = {}
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True, mode=0o755)  # sshd insists on it when root starts it

    def host(self, number: int, *, key_types: tuple[str, ...] = ("ed25519",), settings: str = "") -> Host:
        """Return the running host `web<number>` on 127.0.0.<number>; `settings` are lines of sshd's beside ours."""
        name = f"web{number}"
        if name not in self._hosts:
            address = f"127.0.0.{number}"
            self._hosts[name] = self._start(name, address=address, key_types=key_types, settings=settings)
        return self._hosts[name]

    def public_keys(self, host: Host) -> list[HostKey]:
        """Return the keys of a host as they lie on its disk."""
        lines = [path.read_text() for path in sorted((self.folder / host.name).glob("host_*.pub"))]
        return [HostKey(type=line.split()[0], public=line.split()[1]) for line in lines]

    def log(self, host: Host) -> str:
        """Return what the host's sshd has logged."""
        return (self.folder / host.name / "log").read_text()

    def shared_keys(self) -> list[HostKey]:
        """Return the keys of the sshd behind `hosts_of_one`."""
        return self.public_keys(self._hosts["shared"])

    def running(self) -> list[Host]:
        """Return the hosts that run."""
        return list(self._hosts.values())

    def stop(self) -> None:
        end_trees(daemon.pid for daemon in self._daemons.values())
        for daemon in self._daemons.values():
            daemon.wait()

    def host_in(self, namespace: str, address: str) -> Host:
        """Return a running host in a network namespace of its own, where nothing of this one reaches it."""
        inside = ("ip", "netns", "exec", namespace)
        self._hosts[namespace] = self._start(namespace, address=address, key_types=("ed25519",), inside=inside)
        return self._hosts[namespace]

    def hosts_of_one(self, count: int) -> list[Host]:
        """Return hosts that share one sshd and its key, each with an address of its own, 127.0.9.1 and on."""
        if "shared" not in self._hosts:
            self._hosts["shared"] = self._start("shared", address="0.0.0.0", key_types=("ed25519",))
        shared = self._hosts["shared"]
        return [replace(shared, name=f"node{n}", address=f"127.0.9.{n}") for n in range(1, count + 1)]

    def stop_host(self, host: Host) -> None:
        """End one host before the others."""
        del self._hosts[host.name]
        daemon = self._daemons.pop(host.name)
        end_trees([daemon.pid])
        daemon.wait()

    def _start(
        self, name: str, *, address: str, key_types: tuple[str, ...], inside: tuple[str, ...] = (), settings: str = ""
    ) -> Host:
        folder = self.folder / name
        folder.mkdir()
        for key_type in key_types:
            make_key(folder / f"host_{key_type}", key_type)
        (folder / "authorized_keys").write_text(self.client_key.with_suffix(".pub").read_text())
        port = 2222 if inside else free_port(address)
        keys = "\n".join(f"HostKey {folder}/host_{key_type}" for key_type in key_types)
        config = folder / "sshd_config"
        common = SSHD_CONFIG.format(port=port, address=address, folder=folder, host_keys=keys, name=name)
        config.write_text(settings + common)  # sshd takes what it reads first
        with (folder / "log").open("wb") as log:
            self._daemons[name] = subprocess.Popen([*inside, SSHD, "-D", "-e", "-f", str(config)], stderr=log)
        if inside:
            wait_for_word("Server listening", log=folder / "log")
        else:
            wait_for_banner("127.0.0.1" if address == "0.0.0.0" else address, port, log=folder / "log")
        return Host(
            name=name,
            address=address,
            port=port,
            user=pwd.getpwuid(os.geteuid()).pw_name,
            key_file=str(self.client_key),
        )


def make_key(path: Path, key_type: str = "ed25519") -> None:
    command = ["ssh-keygen", "-q", "-t", key_type, "-N", "", "-C", "", "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_banner(address: str, port: int, *, log: Path) -> None:
    for _ in range(1500):
        with suppress(OSError), socket.create_connection((address, port), timeout=5) as connection:
            if connection.recv(4) == b"SSH-":
                return
        time.sleep(0.02)
    raise AssertionError(f"sshd did not start: {log.read_text()}")


@pytest.fixture
def most_bytes_of() -> Callable[[Callable[[], object]], int]:
    """Do something in a process of its own, and tell the most that Python held at once there, in bytes.

    Here other threads, and what earlier tests of the worker left to be collected, would count too.
    """

    def measure(act: Callable[[], object]) -> int:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os._exit(_tell_most_bytes(act, writing))
        os.close(writing)
        with os.fdopen(reading) as answer:
            said = answer.read()
        _, status = os.waitpid(child, 0)
        assert status == 0, "its traceback stands above"
        return int(said)

    return measure


def _tell_most_bytes(act: Callable[[], object], writing: int) -> int:
    try:
        tracemalloc.start()
        act()
        os.write(writing, str(tracemalloc.get_traced_memory()[1]).encode())
    except BaseException:  # noqa: BLE001 (nobody else would hear of it: what follows is the end of the process)
        traceback.print_exc()
        return 1
    return 0


@pytest.fixture
def is_alive() -> Callable[[int], bool]:
    """Tell whether a process is there and not only waiting to be collected."""

    def alive(pid: int) -> bool:
        try:
            os.kill(pid, 0)
            return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()
        except (ProcessLookupError, FileNotFoundError):
            return False

    return alive


def wait_for_word(word: str, *, log: Path) -> None:
    for _ in range(1500):
        if word in log.read_text():
            return
        time.sleep(0.02)
    raise AssertionError(f"sshd did not start: {log.read_text()}")


@pytest.fixture(scope="session")
def sshd_farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshdFarm]:
    """Hosts with a real sshd: `sshd_farm.host(2)` is `web2` on 127.0.0.2. Mark tests with needs("sshd")."""
    farm = SshdFarm(tmp_path_factory.mktemp("sshd"))
    yield farm
    farm.stop()


@pytest.fixture
def known_hosts(tmp_path: Path) -> Path:
    """The file of pinned keys; nothing is pinned yet."""
    return tmp_path / "var" / "known_hosts"


@pytest.fixture
def pinned_host(sshd_farm: SshdFarm, known_hosts: Path) -> Callable[[int], Host]:
    """Give a running host by number, its key already trusted."""

    def pinned(number: int) -> Host:
        host = sshd_farm.host(number)
        trust(known_hosts, host, sshd_farm.public_keys(host))
        return host

    return pinned


@pytest.fixture
def make_fleet(tmp_path: Path, known_hosts: Path) -> Iterator[Callable[..., Fleet]]:
    """Make a fleet that trusts what `known_hosts` pins; it is closed after the test."""
    made: list[Fleet] = []

    def make(*, limit_bytes: int = 1_000_000, connect_seconds: float = 5, vault: Vault | None = None) -> Fleet:
        fleet = Fleet(
            site_root=tmp_path,
            known_hosts=known_hosts,
            clock=SystemClock(),
            limit_bytes=lambda: limit_bytes,
            vault=vault or Vault(tmp_path),
            connect_seconds=connect_seconds,
        )
        made.append(fleet)
        return fleet

    yield make
    for fleet in made:
        fleet.close()
