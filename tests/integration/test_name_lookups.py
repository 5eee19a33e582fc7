"""Names asked of a real DNS server (unbound, with zones of our own), and of servers that are none."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from opsrunner.audits.block_lists import judge_block_lists, names_to_ask
from opsrunner.name_lookups import Lookup, Server, look_up

ZONE, REFUSING = "bl.example.org", "refusing.example.org"
CONFIGURATION = """\
server:
  interface: 127.0.0.1
  port: {port}
  do-daemonize: no
  chroot: ""
  username: ""
  directory: "{folder}"
  pidfile: "{folder}/pid"
  use-syslog: no
  logfile: ""
  do-not-query-localhost: no
  module-config: "iterator"
  local-zone: "example.org." static
  local-data: "2.0.0.127.bl.example.org. A 127.0.0.2"
  local-data: "4.4.8.8.bl.example.org. A 127.0.0.4"
  local-data: "4.4.8.8.bl.example.org. A 127.0.0.11"
  local-data: "5.4.8.8.bl.example.org. TXT only-words"
  local-zone: "refusing.example.org." redirect
  local-data: "refusing.example.org. A 127.255.255.254"
  local-zone: "denied.example.net." refuse
  local-zone: "silent.example.net." deny
remote-control:
  control-enable: no
forward-zone:
  name: "broken.example.com."
  forward-addr: 127.0.0.1@{dead_port}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Unbound, on a port of its own; a zone behind it has no server at all."""
    from ..conftest import find_program  # noqa: PLC0415

    program = find_program("unbound")
    assert program
    folder = tmp_path_factory.mktemp("unbound")
    port = free_port()
    (folder / "unbound.conf").write_text(
        CONFIGURATION.format(port=port, folder=folder, dead_port=free_port()), encoding="utf-8"
    )
    running = subprocess.Popen([program, "-d", "-c", str(folder / "unbound.conf")], stderr=subprocess.DEVNULL)
    try:
        wait_until_it_answers(Server(address="127.0.0.1", port=port))
        yield Server(address="127.0.0.1", port=port)
    finally:
        running.terminate()
        running.wait(10)


@pytest.mark.needs("unbound")
def test_what_a_server_says_is_told_apart_from_what_it_does_not(server: Server) -> None:
    names = {
        f"4.4.8.8.{ZONE}": ("127.0.0.11", "127.0.0.4"),
        f"9.9.8.8.{ZONE}": (),  # no such name
        f"5.4.8.8.{ZONE}": (),  # a name without an address
        "x.denied.example.net": None,  # REFUSED
        "x.broken.example.com": None,  # SERVFAIL
        "x.silent.example.net": None,  # no answer
        "x..example.org": None,  # no name at all
        "y" * 300: None,
    }

    silent = "x.silent.example.net"
    found = {
        **look_up([name for name in names if name != silent], servers=[server], one_seconds=30),
        **look_up([silent], servers=[server], one_seconds=1),
    }

    assert {name: lookup.addresses for name, lookup in found.items()} == names
    assert found["x.silent.example.net"].reason == "no DNS server answered in time"
    assert found["x.denied.example.net"].reason == "the DNS servers could not tell"
    assert found["x..example.org"].reason == "it cannot be asked for"


@pytest.mark.needs("unbound")
def test_a_host_is_judged_by_what_real_lists_answer(server: Server) -> None:
    def judged(address: str, zone: str) -> tuple[list[str], bool, tuple[str, ...]]:
        seconds = 1 if zone.startswith("silent") else 30
        found = look_up(names_to_ask([address], [zone]), servers=[server], one_seconds=seconds)
        answers = {name: lookup.addresses for name, lookup in found.items()}
        report = judge_block_lists("web3", [address], [zone], answers)
        return [finding.subject for finding in report.findings], bool(report.examined), report.problems

    assert judged("8.8.4.4", ZONE) == ([f"{ZONE} 8.8.4.4"], True, ())
    assert judged("8.8.9.9", ZONE) == ([], True, ())
    for zone, words in {
        REFUSING: "refuses to answer",
        "gone.example.org": "its own test entry is missing",
        "silent.example.net": "did not answer",
    }.items():
        found, examined, problems = judged("8.8.9.9", zone)
        assert (found, examined) == ([], False)
        assert words in problems[0]


def test_a_port_that_nobody_listens_on_is_no_proof_of_anything() -> None:
    found = look_up(["a.example.org"], servers=[Server(address="127.0.0.1", port=free_port())], one_seconds=1)

    assert found["a.example.org"].addresses is None


def test_a_silent_server_costs_each_name_its_time_and_no_more() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        began = time.monotonic()

        found = look_up(
            [f"{number}.example.org" for number in range(8)],
            servers=[Server(address="127.0.0.1", port=silent.getsockname()[1])],
            one_seconds=1,
        )

    assert time.monotonic() - began < 7
    assert {lookup.addresses for lookup in found.values()} == {None}
    assert {lookup.reason for lookup in found.values()} == {"no DNS server answered in time"}


@pytest.mark.parametrize("answer", [b"", b"\0" * 12, b"\xff" * 600], ids=["empty", "zeros", "noise"])
def test_a_server_that_answers_with_nonsense_proves_nothing(answer: bytes) -> None:
    with answering(lambda question: question[:2] + answer) as server:
        assert look_up(["a.example.org"], servers=[server], one_seconds=1)["a.example.org"].addresses is None


def test_what_was_not_asked_before_the_stop_is_not_known() -> None:
    stopping = threading.Event()
    stopping.set()

    found = look_up(["a.example.org"], servers=[Server(address="127.0.0.1", port=1)], stopping=stopping)

    assert found == {"a.example.org": Lookup(name="a.example.org", addresses=None, reason="stopped")}


class answering:  # noqa: N801 - a context manager
    """A server on UDP that makes its answer out of the question."""

    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        self._answer = answer
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.1)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Server:
        self._thread.start()
        return Server(address="127.0.0.1", port=self._socket.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._socket.close()

    def _work(self) -> None:
        while not self._over.is_set():
            try:
                question, sender = self._socket.recvfrom(4096)
            except TimeoutError:
                continue
            self._socket.sendto(self._answer(question), sender)


def free_port() -> int:
    """Return a port that is free for UDP and for TCP: unbound listens on both."""
    while True:
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port: int = tcp.getsockname()[1]
            with suppress(OSError):
                udp.bind(("127.0.0.1", port))
                return port


def wait_until_it_answers(server: Server) -> None:
    for _ in range(50):
        if look_up([f"2.0.0.127.{ZONE}"], servers=[server], one_seconds=0.5)[f"2.0.0.127.{ZONE}"].addresses:
            return
        time.sleep(0.1)
    raise AssertionError("unbound does not answer")
