"""A farm of real hosts on loopback: one sshd each, with an address, a host key, a PATH and quirks of its own."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count as counting
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from opsrunner.fleet.host_keys import HostKey, known_name
from opsrunner.model.host import Host

from .mute_host import MuteHost
from .process_trees import descendants, end_trees, marked, processor_seconds, signal_all, stat_fields

SSHD = "/usr/sbin/sshd"
UNTIL_WE_END = ("setpriv", "--pdeathsig", "TERM")
"""A host ends with the thread that started it, however that ends (prctl(2), PR_SET_PDEATHSIG)."""
WITH_OWN_PROCESSES = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
"""What runs on a host sees the processes of this host alone, in proc(5) too, as on a machine of its own. Needs root."""
START_SECONDS = 60
GROUP = "shared"
_BANNER = b"SSH-2.0-OpenSSH_9.2p1\r\n"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SSHD_CONFIG = """\
Port {port}
ListenAddress {address}
HostKey {folder}/host_key
AuthorizedKeysFile {authorized_keys}
UsePAM no
UseDNS no
StrictModes no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
PrintMotd no
PidFile none
MaxStartups 1000
LogLevel VERBOSE
Subsystem sftp internal-sftp
SetEnv {variables}
"""


class Manner(StrEnum):
    """How a host answers who connects to it."""

    FINE = "fine"
    DEAD = "dead"
    """Nothing listens."""
    SILENT = "silent"
    """It accepts the connection, and says nothing."""
    STALLING = "stalling"
    """It says what it is, and nothing in the key exchange that should follow."""


@dataclass(frozen=True, kw_only=True)
class Quirks:
    """What is odd about one host; as it stands here, nothing."""

    manner: Manner = Manner.FINE
    key_changed: bool = False
    """Another key is pinned than it shows."""
    bashrc: str = ""
    """What the account's ~/.bashrc does there before each command; its home is one of the host's own then."""
    commands: Mapping[str, str] = field(default_factory=dict)
    """Scripts that stand in front of its PATH, by name."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """What each of its sessions finds in its environment, besides WEBHOST."""
    settings: str = ""
    """Lines of sshd_config besides ours."""


PLAIN = Quirks()
_blocks = counting()


class Farm:
    """Hosts `web1` and on, all with one port and one account, each on an address of its own."""

    def __init__(
        self, folder: Path, *, quirks: Mapping[str, Quirks], hosts: Sequence[Host], own_processes: bool = False
    ) -> None:
        """`folder` is an empty one; `farming` makes what is needed and ends it."""
        self.hosts = {host.name: host for host in hosts}
        self._folder = folder
        self._quirks = quirks
        self._wrapper = (*UNTIL_WE_END, *(WITH_OWN_PROCESSES if own_processes else ()))
        self._pinned: dict[str, HostKey] = {}
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._listeners: dict[str, MuteHost] = {}

    def pin(self, known_hosts: Path) -> None:
        """Write the file of pinned keys, of all hosts, in the form of OpenSSH."""
        lines = [self._pinned[name].line(known_name(host)) for name, host in self.hosts.items()]
        known_hosts.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        known_hosts.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        known_hosts.chmod(0o600)

    def inventory(self) -> str:
        """Return the `hosts:` of opsrunner.yaml."""
        lines = [
            f"  {host.name}: {{address: {host.address}, port: {host.port}, user: {host.user}, "
            f"key_file: {host.key_file}, groups: [{', '.join(host.groups)}]}}\n"
            for host in self.hosts.values()
        ]
        return "".join(["hosts:\n", *lines])

    def put_command(self, name: str, command: str, script: str) -> None:
        """Put a script in front of a host's PATH, from its next command on; it may stand there already."""
        path = self._folder_of(name) / "bin" / command
        new = path.with_suffix(".new")  # a script that runs is never written to
        new.write_text(script, encoding="utf-8")
        new.chmod(0o755)
        new.replace(path)

    def take_command(self, name: str, command: str) -> None:
        """Take it away again."""
        (self._folder_of(name) / "bin" / command).unlink()

    def log(self, name: str) -> str:
        """Return what a host's sshd has logged."""
        return (self._folder_of(name) / "log").read_text(encoding="utf-8", errors="replace")

    def processor_seconds(self) -> float:
        """Return what all hosts together have had of the processors, with sessions that are over."""
        roots = [daemon.pid for daemon in self._daemons.values()]
        return processor_seconds([*roots, *descendants(roots)])

    def is_quiet(self) -> bool:
        """Tell whether nobody is connected to any of them."""
        return not descendants(daemon.pid for daemon in self._daemons.values())

    def stop_host(self, name: str) -> None:
        """End a host, with what runs on it: from now on nothing listens there."""
        if name in self._listeners:
            self._listeners.pop(name).close()
        if name in self._daemons:
            daemon = self._daemons.pop(name)
            end_trees([daemon.pid])
            daemon.wait()

    def start_host(self, name: str) -> None:
        """Start a host again that was stopped, or was dead from the start; it has a key of its own still."""
        self._launch(name)
        self._wait_for([name])

    def change_key(self, name: str) -> None:
        """Give a host another key, as a machine that was set up anew has; what `pin` writes stays."""
        self.stop_host(name)
        make_key(self._folder_of(name) / "host_key")
        self.start_host(name)

    def begin(self) -> None:
        """Start all hosts, and wait until each listens."""
        for name in self.hosts:
            self._prepare(name)
        for name in self.hosts:
            match self._quirks.get(name, PLAIN).manner:
                case Manner.FINE:
                    self._launch(name)
                case Manner.SILENT | Manner.STALLING as manner:
                    banner = _BANNER if manner is Manner.STALLING else b""
                    self._listeners[name] = MuteHost(self.hosts[name], banner=banner)
        self._wait_for(self._daemons)

    def end(self) -> None:
        """End all hosts and every process that came of them."""
        for name in list(self._listeners):
            self.stop_host(name)
        roots = [daemon.pid for daemon in self._daemons.values()]
        hosts = descendants(roots)  # those with processes of their own stand one lower
        end_trees(roots)
        for daemon in self._daemons.values():
            daemon.wait()
        self._daemons.clear()
        while any(stat_fields(pid)[:1] not in ([], ["Z"]) for pid in hosts):
            time.sleep(0.01)
        while left := marked(f"OPS_FARM={self._folder}"):  # what commands have left behind
            signal_all(left, signal.SIGKILL)
            time.sleep(0.01)

    def _folder_of(self, name: str) -> Path:
        return self._folder / name

    def _prepare(self, name: str) -> None:
        folder, host, quirks = self._folder_of(name), self.hosts[name], self._quirks.get(name, PLAIN)
        (folder / "bin").mkdir(parents=True)
        shown = make_key(folder / "host_key")
        self._pinned[name] = make_key(folder / "former_key") if quirks.key_changed else shown
        for command, script in quirks.commands.items():
            self.put_command(name, command, script)
        if quirks.bashrc:
            (folder / ".bashrc").write_text(quirks.bashrc, encoding="utf-8")
        config = SSHD_CONFIG.format(
            port=host.port,
            address=host.address,
            folder=folder,
            authorized_keys=self._folder / "client_key.pub",
            variables=self._variables(name, quirks),
        )
        (folder / "sshd_config").write_text(config + quirks.settings, encoding="utf-8")

    def _variables(self, name: str, quirks: Quirks) -> str:
        """Return what stands in the one SetEnv of a host: sshd heeds no second.

        bash reads ~/.bashrc for a command of sshd unless it stands in another shell already, and what stands in the
        tester's own must not decide how a test ends: hence SHLVL.
        """
        folder = self._folder_of(name)
        home = {"HOME": str(folder), "SHLVL": "0"} if quirks.bashrc else {"SHLVL": "2"}
        ours = {"WEBHOST": name, "OPS_FARM": str(self._folder), "PATH": f"{folder}/bin:{PATH}", **home}
        return " ".join(f'"{variable}={value}"' for variable, value in {**ours, **quirks.variables}.items())

    def _launch(self, name: str) -> None:
        folder = self._folder_of(name)
        with (folder / "log").open("wb") as log:
            command = [*self._wrapper, SSHD, "-D", "-e", "-f", str(folder / "sshd_config")]
            self._daemons[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log)

    def _wait_for(self, names: Sequence[str] | Mapping[str, object]) -> None:
        until = time.monotonic() + START_SECONDS
        for name in names:
            while "Server listening" not in self.log(name):
                if self._daemons[name].poll() is not None or time.monotonic() > until:
                    raise AssertionError(f"the sshd of {name} did not start: {self.log(name)}")
                time.sleep(0.01)


@contextmanager
def farming(
    folder: Path, count: int, *, quirks: Mapping[str, Quirks] | None = None, own_processes: bool = False
) -> Iterator[Farm]:
    """Run `count` hosts (at most 60,000) whose files lie in an empty folder, `quirks` by name; several farms may run.

    With `own_processes` each host sees its own alone, which needs root; nobody counts what such hosts do then.
    When it ends, whatever happened, no process of it is left.
    """
    folder.mkdir(exist_ok=True, mode=0o700)
    make_key(folder / "client_key")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True, mode=0o755)  # sshd insists on it when root starts it
    addresses, account, port = _addresses(count), pwd.getpwuid(os.geteuid()).pw_name, _free_port()
    hosts = [
        Host(
            name=f"web{number}",
            address=address,
            port=port,
            user=account,
            groups=(GROUP,),
            key_file=str(folder / "client_key"),
        )
        for number, address in enumerate(addresses, start=1)
    ]
    unknown = set(quirks or {}) - {host.name for host in hosts}
    assert not unknown, f"the farm has no {', '.join(sorted(unknown))}"
    farm = Farm(folder, quirks=quirks or {}, hosts=hosts, own_processes=own_processes)
    try:
        farm.begin()
        yield farm
    finally:
        farm.end()


def make_key(path: Path) -> HostKey:
    """Write a new Ed25519 key and its public half (`.pub`), as ssh-keygen does it, and return the latter."""
    key = Ed25519PrivateKey.generate()
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    path.with_suffix(".pub").write_text(f"{public}\n", encoding="utf-8")
    kind, encoded = public.split()
    return HostKey(type=kind, public=encoded)


def _addresses(count: int) -> list[str]:
    """Return addresses that no other farm has: a process has a block of them (127.64.0.0 to 127.127.0.0) for each."""
    block = 64 + (os.getpid() + next(_blocks) * 7) % 64
    return [f"127.{block}.{number // 250}.{number % 250 + 1}" for number in range(count)]


def _free_port() -> int:
    """Return a port that is free on every address of this machine."""
    with socket.socket() as probe:
        probe.bind(("0.0.0.0", 0))
        port: int = probe.getsockname()[1]
        return port
