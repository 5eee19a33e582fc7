"""Hosts that fall silent, at every moment of a connection: an end in time, and never a success or a lie."""

from __future__ import annotations

import dataclasses
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from opsrunner.errors import StepFailed
from opsrunner.fleet import watch
from opsrunner.fleet.fleet import Fleet
from opsrunner.fleet.host_keys import trust
from opsrunner.model.fleet import HostAnswer
from opsrunner.model.outcome import StepStatus
from opsrunner.model.site import Host

from ...patience import until, within

pytestmark = pytest.mark.needs("sshd", "ssh-keygen")
as_root = pytest.mark.needs("root")  # only root may make networks

MakeFleet = Callable[..., Fleet]
PinnedHost = Callable[[int], Host]


class Gorge:
    """A way to a host that swallows all that the host says after its first `pass_bytes`.

    The machine in between answers for it (TCP), so that only the host itself can be missed.
    """

    def __init__(self, host: Host, *, pass_bytes: int | None) -> None:
        self.left = pass_bytes
        self._target = (host.address, host.port)
        self._listener = socket.create_server((host.address, 0))
        self.port: int = self._listener.getsockname()[1]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        self._listener.settimeout(0.05)
        while not self._over.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            with client, socket.create_connection(self._target) as server:
                self._carry(client, server)

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        while not self._over.is_set():
            for source in select.select([client, server], [], [], 0.05)[0]:
                data = source.recv(65_536)
                if not data:
                    return
                if source is client:
                    server.sendall(data)
                    continue
                passed = data if self.left is None else data[: self.left]
                self.left = None if self.left is None else self.left - len(passed)
                client.sendall(passed)


@pytest.fixture
def gorge_to() -> Iterator[Callable[..., tuple[Host, Gorge]]]:
    """Give a host as seen through a gorge: `gorge_to(host, pass_bytes=21)`."""
    made: list[Gorge] = []

    def make(host: Host, *, pass_bytes: int | None) -> tuple[Host, Gorge]:
        gorge = Gorge(host, pass_bytes=pass_bytes)
        made.append(gorge)
        return dataclasses.replace(host, port=gorge.port), gorge

    yield make
    for gorge in made:
        gorge.close()


def ask(fleet: Fleet, host: Host, command: str, **given: Any) -> HostAnswer:
    options = {"env": {}, "timeout_seconds": 30.0, "stopping": threading.Event(), **given}
    return fleet.run(host, command, **options)


# How many bytes of the host get through, and what is under way then.
BEFORE_THE_COMMAND = [
    pytest.param(0, "no end of the key exchange in 1 s", id="right after the connection"),
    pytest.param(12, "no end of the key exchange in 1 s", id="in the middle of its greeting"),
    pytest.param(60, "no end of the key exchange in 1 s", id="after its greeting"),
    pytest.param(1_300, "no end of the key exchange in 1 s", id="in the middle of the key exchange"),
    pytest.param(1_500, "no end of the sign-in in 6 s", id="at sign-in"),
    pytest.param(1_850, "the host does not start a command: Timeout opening channel", id="after sign-in"),
]


@pytest.mark.parametrize(("pass_bytes", "message"), BEFORE_THE_COMMAND)
def test_a_host_that_falls_silent_before_a_command_ran_nothing(
    make_fleet: MakeFleet,
    pinned_host: PinnedHost,
    known_hosts: Path,
    gorge_to: Callable[..., tuple[Host, Gorge]],
    sshd_farm: Any,
    pass_bytes: int,
    message: str,
) -> None:
    host, _ = gorge_to(pinned_host(2), pass_bytes=pass_bytes)
    trust(known_hosts, host, sshd_farm.public_keys(host))
    connect_seconds, timeout_seconds = (1, 2) if pass_bytes < 1_500 else (6, 8)
    began = time.monotonic()
    with pytest.raises(StepFailed, match=message) as failed:
        ask(make_fleet(connect_seconds=connect_seconds), host, "true", timeout_seconds=timeout_seconds)
    assert time.monotonic() - began < timeout_seconds + 3
    assert (failed.value.status, failed.value.permanent) == ("failed", False)


@pytest.fixture
def quick_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lose patience with silence after two seconds instead of 45."""
    monkeypatch.setattr(watch, "ASK_AFTER_SECONDS", 0.5)
    monkeypatch.setattr(watch, "SILENT_SECONDS", 2.0)


@pytest.mark.usefixtures("quick_watch")
def test_a_host_whose_machine_still_answers_is_missed_all_the_same(
    make_fleet: MakeFleet,
    pinned_host: PinnedHost,
    known_hosts: Path,
    gorge_to: Callable[..., tuple[Host, Gorge]],
    sshd_farm: Any,
    tmp_path: Path,
) -> None:
    host, gorge = gorge_to(pinned_host(2), pass_bytes=None)
    trust(known_hosts, host, sshd_farm.public_keys(host))
    started = tmp_path / "started"

    def fall_silent() -> None:
        _wait_for(started)
        gorge.left = 0

    threading.Thread(target=fall_silent).start()

    answer = ask(make_fleet(), host, f"echo $$ >{started}.; mv {started}. {started}; exec sleep 20")

    os.kill(int(started.read_text()), signal.SIGKILL)
    assert (answer.status, answer.exit_code) == (StepStatus.UNKNOWN, None)
    assert answer.message == "no word from the host; the command may still run there"
    assert answer.seconds < 8


@pytest.mark.usefixtures("quick_watch")
def test_a_host_that_has_nothing_to_say_is_asked_and_not_given_up(
    make_fleet: MakeFleet, pinned_host: PinnedHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "SILENT_SECONDS", 5.0)
    answer = ask(make_fleet(), pinned_host(2), "sleep 7; echo done")

    assert (answer.exit_code, answer.stdout) == (0, b"done\n")


DEAF = {
    "deaf to TERM": ("trap '' TERM; while :; do sleep 0.2; done", "no end within 3 s; the command was ended"),
    "stopped, with what should end it": (
        "kill -STOP 0",
        "no word from the host; the command may still run there",
    ),
}


def test_a_command_that_does_not_end_is_left_ten_seconds_after_its_time(
    make_fleet: MakeFleet, pinned_host: PinnedHost
) -> None:
    fleet, host = make_fleet(), pinned_host(2)
    ask(fleet, host, "true")  # connecting is not to count

    def ask_the_deaf() -> None:
        with ThreadPoolExecutor() as pool:
            asked = {
                name: pool.submit(ask, fleet, host, f"echo $$; {command}", timeout_seconds=2.5)
                for name, (command, _) in DEAF.items()
            }
        for name, (_, message) in DEAF.items():
            answer = asked[name].result()
            with suppress(ProcessLookupError):
                os.killpg(os.getpgid(int(answer.stdout)), signal.SIGKILL)  # with what should have ended it
            assert answer.message == message, name

    within(2.5 + 10, ask_the_deaf)


CLIENT = """
import json, sys, threading
from pathlib import Path
from opsrunner.clock import SystemClock
from opsrunner.errors import StepFailed
from opsrunner.fleet.fleet import Fleet
from opsrunner.model.site import Host
from opsrunner.secrets import Vault
from opsrunner.fleet import sockets, watch
root, host, command, pace = Path(sys.argv[1]), Host(**json.loads(sys.argv[2])), sys.argv[3], float(sys.argv[4])
sockets.UNACKNOWLEDGED_MILLISECONDS = int(sockets.UNACKNOWLEDGED_MILLISECONDS * pace)
watch.ASK_AFTER_SECONDS *= pace
watch.SILENT_SECONDS *= pace
fleet = Fleet(site_root=root, known_hosts=root / "var" / "known_hosts", clock=SystemClock(), limit_bytes=lambda: 9999,
    vault=Vault(root), connect_seconds=15 * pace)
try:
    for words in ("true", command):  # the second goes over the connection that the first has opened
        answer = fleet.run(host, words, env={}, timeout_seconds=600, stopping=threading.Event())
    print(json.dumps([answer.status, answer.seconds, answer.message]))
except StepFailed as exc:
    print(json.dumps([exc.status, 0, exc.message]))
"""


class TwoNetworks:
    """This side, a router, and a host beyond it, each in a network namespace of its own."""

    def __init__(self) -> None:
        name = uuid.uuid4().hex[:8]
        self.here, self.router, self.there = (f"ops-{name}-{place}" for place in ("here", "router", "there"))
        self.address = "10.213.2.2"

    def build(self) -> None:
        for namespace in (self.here, self.router, self.there):
            _ip("netns", "add", namespace)
        for number, namespace in ((1, self.here), (2, self.there)):
            _ip(
                "link",
                "add",
                "out",
                "netns",
                namespace,
                "type",
                "veth",
                "peer",
                "name",
                f"to{number}",
                "netns",
                self.router,
            )
            for where, link, address in ((namespace, "out", 2), (self.router, f"to{number}", 1)):
                _ip("-n", where, "address", "add", f"10.213.{number}.{address}/24", "dev", link)
                _ip("-n", where, "link", "set", link, "up")
            _ip("-n", namespace, "route", "add", "default", "via", f"10.213.{number}.1")
        self.set_forwarding(on=True)

    def set_forwarding(self, *, on: bool) -> None:
        """Let packets through, or drop each of them without a word; no link goes down for anybody."""
        _ip("netns", "exec", self.router, "sysctl", "-qw", f"net.ipv4.ip_forward={int(on)}")

    def remove(self) -> None:
        for namespace in (self.here, self.router, self.there):
            subprocess.run(["ip", "netns", "del", namespace], check=False, capture_output=True)


@pytest.fixture
def networks() -> Iterator[TwoNetworks]:
    made = TwoNetworks()
    try:
        made.build()
        yield made
    finally:
        made.remove()


PACES = [
    pytest.param(0.4, id="twice as quick and more"),
    pytest.param(1, id="in earnest", marks=pytest.mark.soak),
]


@as_root
@pytest.mark.needs("ip", "sysctl")
@pytest.mark.parametrize("pace", PACES)
def test_a_link_that_falls_silent_ends_in_a_minute_as_unknown(
    networks: TwoNetworks, sshd_farm: Any, known_hosts: Path, tmp_path: Path, pace: float
) -> None:
    host: Host = sshd_farm.host_in(networks.there, networks.address)
    trust(known_hosts, host, sshd_farm.public_keys(host))
    commands = {
        "waits": f"echo $$ >{tmp_path}/waits; sleep {20 * pace}; touch {tmp_path}/went-on; exec sleep 300",
        "floods": f"echo $$ >{tmp_path}/floods; exec yes",
    }

    def start(command: str) -> subprocess.Popen[str]:
        words = [sys.executable, "-c", CLIENT, str(tmp_path), json.dumps(dataclasses.asdict(host)), command, str(pace)]
        inside = ["ip", "netns", "exec", networks.here]
        return subprocess.Popen([*inside, *words], stdout=subprocess.PIPE, text=True)

    clients = {name: start(command) for name, command in commands.items()}
    for name in commands:
        _wait_for(tmp_path / name)
    networks.set_forwarding(on=False)
    began = time.monotonic()
    late = start("true")
    try:
        for name, client in clients.items():
            status, _, message = json.loads(client.communicate(timeout=70)[0])
            took = time.monotonic() - began
            print(f"{name}: {status} {took:.1f} s after the link fell silent")
            assert took < 60 * pace
            assert (status, message) == ("unknown", "no word from the host; the command may still run there"), name
        status, _, message = json.loads(late.communicate(timeout=1)[0])
        why = f"could not connect to {host.address} port {host.port}: no answer in {15 * pace:g} s"
        assert (status, message) == ("failed", f"{host.name}: {why}")
        assert (tmp_path / "went-on").exists()  # it did still run there
    finally:
        for client in (*clients.values(), late):
            client.kill()
            client.wait()
        for name in commands:
            _end(int((tmp_path / name).read_text()))
        sshd_farm.stop_host(host)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def _wait_for(path: Path) -> None:
    until(lambda: path.exists() and path.read_text().endswith("\n"))


def _end(process_id: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process_id, signal.SIGKILL)
