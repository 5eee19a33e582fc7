"""Connections that stay open: used again, bounded, and never at the price of a command."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from opsrunner.errors import StepFailed
from opsrunner.fleet import lease, pool, watch
from opsrunner.fleet.fleet import Fleet
from opsrunner.fleet.host_keys import forget, trust
from opsrunner.fleet.transport import LeanTransport
from opsrunner.model.fleet import HostAnswer
from opsrunner.model.outcome import StepStatus
from opsrunner.model.site import Host

from ...host_commands import CUT_THE_LINK, OWN_SSHD
from ...patience import raised, until, within

pytestmark = pytest.mark.needs("sshd", "ssh-keygen")

MakeFleet = Callable[..., Fleet]
PinnedHost = Callable[[int], Host]


def ask(fleet: Fleet, host: Host, command: str, **given: Any) -> HostAnswer:
    options = {"env": {}, "timeout_seconds": 20.0, "stopping": threading.Event(), **given}
    return fleet.run(host, command, **options)


def open_connections() -> int:
    return len(active())


def active() -> list[LeanTransport]:
    return [thread for thread in threading.enumerate() if isinstance(thread, LeanTransport) and thread.is_active()]


@pytest.fixture
def sign_ins(sshd_farm: Any) -> Callable[[Host], int]:
    """Tell how often somebody has signed in on a host since the test began."""
    before = {host.name: sshd_farm.log(host).count("Accepted publickey") for host in sshd_farm.running()}

    def count(host: Host) -> int:
        now: int = sshd_farm.log(host).count("Accepted publickey")
        return now - int(before.get(host.name, 0))

    return count


SignIns = Callable[[Host], int]


class TestReuse:
    def test_the_next_command_goes_over_the_same_connection(
        self, make_fleet: MakeFleet, pinned_host: PinnedHost, sign_ins: SignIns
    ) -> None:
        fleet, host = make_fleet(), pinned_host(2)

        answers = [ask(fleet, host, f"echo {number}").stdout for number in range(5)]

        assert answers == [b"0\n", b"1\n", b"2\n", b"3\n", b"4\n"]
        assert sign_ins(host) == 1

    def test_commands_at_once_share_one_connection_even_where_none_is_open_yet(
        self, make_fleet: MakeFleet, pinned_host: PinnedHost, sign_ins: SignIns
    ) -> None:
        fleet, host = make_fleet(), pinned_host(2)

        with ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(lambda number: ask(fleet, host, f"sleep 0.3; echo {number}"), range(4)))

        assert [answer.stdout for answer in answers] == [b"0\n", b"1\n", b"2\n", b"3\n"]
        assert sign_ins(host) == 1

    def test_two_names_of_one_machine_share_a_connection_and_two_users_do_not(
        self, make_fleet: MakeFleet, pinned_host: PinnedHost, sign_ins: SignIns
    ) -> None:
        fleet, host = make_fleet(), pinned_host(2)

        ask(fleet, host, "true")
        ask(fleet, dataclasses.replace(host, name="the-same"), "true")
        assert sign_ins(host) == 1
        with pytest.raises(StepFailed, match="refuses user nobody-here"):
            ask(fleet, dataclasses.replace(host, user="nobody-here"), "true")

    def test_a_command_that_ran_out_of_its_time_leaves_the_connection_to_others(
        self, make_fleet: MakeFleet, pinned_host: PinnedHost, sign_ins: SignIns
    ) -> None:
        fleet, host = make_fleet(), pinned_host(2)

        with ThreadPoolExecutor(1) as threads:
            ask(fleet, host, "true")
            other = threads.submit(ask, fleet, host, "sleep 6; echo whole")
            answer = ask(fleet, host, "sleep 60", timeout_seconds=3)

        assert answer.status is StepStatus.TIMED_OUT
        assert other.result().stdout == b"whole\n"
        assert sign_ins(host) == 1


class TestABrokenConnection:
    """What happened to a connection while nobody used it never costs a command."""

    def test_one_that_the_host_has_ended(
        self, make_fleet: MakeFleet, pinned_host: PinnedHost, sign_ins: SignIns
    ) -> None:
        fleet, host = make_fleet(), pinned_host(2)
        os.kill(int(ask(fleet, host, OWN_SSHD).stdout), signal.SIGKILL)

        assert ask(fleet, host, "echo fine").stdout == b"fine\n"
        assert sign_ins(host) == 2

    def test_one_whose_host_does_not_answer_any_more(
        self, make_fleet: MakeFleet, pinned_host: PinnedHost, sign_ins: SignIns, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lease, "REUSE_SECONDS", 0.5)
        fleet, host = make_fleet(), pinned_host(2)
        stopped = int(ask(fleet, host, OWN_SSHD).stdout)
        os.kill(stopped, signal.SIGSTOP)
        try:
            answer = ask(fleet, host, "echo fine")
        finally:
            os.kill(stopped, signal.SIGKILL)

        assert answer.stdout == b"fine\n"
        assert sign_ins(host) == 2

    def test_a_command_that_may_have_begun_is_never_sent_again(
        self, make_fleet: MakeFleet, pinned_host: PinnedHost, tmp_path: Path, sign_ins: SignIns
    ) -> None:
        fleet, host = make_fleet(), pinned_host(2)
        ask(fleet, host, "true")

        answer = ask(fleet, host, f"echo began >>{tmp_path}/begun; echo $$; {CUT_THE_LINK}; sleep 20")
        with suppress(ProcessLookupError, ValueError):
            os.kill(int(answer.stdout), signal.SIGKILL)

        assert (answer.status, answer.exit_code) == (StepStatus.UNKNOWN, None)
        assert (tmp_path / "begun").read_text() == "began\n"
        assert sign_ins(host) == 1
        assert ask(fleet, host, "echo fine").stdout == b"fine\n"

    def test_a_silent_one_is_found_while_nobody_uses_it(
        self, make_fleet: MakeFleet, pinned_host: PinnedHost, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(watch, "LOOK_SECONDS", 0.1)
        monkeypatch.setattr(watch, "ASK_AFTER_SECONDS", 0.3)
        monkeypatch.setattr(watch, "SILENT_SECONDS", 6.0)
        before = active()
        fleet, host = make_fleet(), pinned_host(2)
        stopped = int(ask(fleet, host, OWN_SSHD).stdout)
        (ours,) = (one for one in active() if one not in before)
        link = ours.link
        heard_at = link.heard_at
        until(lambda: link.heard_at > heard_at + 0.25)  # it was asked, and answered
        os.kill(stopped, signal.SIGSTOP)
        try:
            until(lambda: not ours.is_active(), 30)
        finally:
            os.kill(stopped, signal.SIGKILL)


class TestTrust:
    """An open connection is no way round what a person has changed since."""

    def test_a_host_that_is_not_trusted_any_more(
        self, make_fleet: MakeFleet, pinned_host: PinnedHost, known_hosts: Path, sshd_farm: Any
    ) -> None:
        fleet, host = make_fleet(), pinned_host(2)
        ask(fleet, host, "true")

        forget(known_hosts, host)
        with pytest.raises(StepFailed, match="web2: unknown host key"):
            ask(fleet, host, "true")
        trust(known_hosts, host, sshd_farm.public_keys(sshd_farm.host(3)))
        with pytest.raises(StepFailed, match="web2: the host key changed"):
            ask(fleet, host, "true")

    def test_a_private_key_that_was_replaced_or_is_gone(
        self, make_fleet: MakeFleet, pinned_host: PinnedHost, tmp_path: Path, sshd_farm: Any
    ) -> None:
        key = tmp_path / "key"
        shutil.copy(sshd_farm.client_key, key)
        fleet, host = make_fleet(), dataclasses.replace(pinned_host(2), key_file="key")
        ask(fleet, host, "true")

        shutil.copy(sshd_farm.folder / "web2" / "host_ed25519", key)
        with pytest.raises(StepFailed, match="the host refuses user"):
            ask(fleet, host, "true")
        key.unlink()
        with pytest.raises(StepFailed, match="no private key at key"):
            ask(fleet, host, "true")


class TestBounds:
    def test_no_more_commands_run_at_once_than_the_host_allows(
        self, make_fleet: MakeFleet, pinned_host: PinnedHost, tmp_path: Path
    ) -> None:
        fleet, host = make_fleet(), dataclasses.replace(pinned_host(2), sessions=2)
        command = f"mkdir {tmp_path}/$$; ls {tmp_path} | grep -c '^[0-9]'; sleep 0.3; rmdir {tmp_path}/$$"

        with ThreadPoolExecutor(6) as threads:
            answers = list(threads.map(lambda _: ask(fleet, host, command), range(6)))

        assert max(int(answer.stdout) for answer in answers) == 2

    def test_waiting_for_a_place_counts_within_the_time_limit(
        self, make_fleet: MakeFleet, pinned_host: PinnedHost, tmp_path: Path
    ) -> None:
        fleet, host = make_fleet(), dataclasses.replace(pinned_host(2), sessions=1)
        over, begun = threading.Event(), tmp_path / "begun"
        with ThreadPoolExecutor(1) as threads:
            running = threads.submit(ask, fleet, host, f"touch {begun}; sleep 60", timeout_seconds=60, stopping=over)
            until(begun.exists)
            with pytest.raises(StepFailed) as failed:
                ask(fleet, host, "true", timeout_seconds=0.5)
            over.set()
            assert running.result().status is StepStatus.INTERRUPTED

        assert failed.value.status == StepStatus.TIMED_OUT
        assert (
            failed.value.message == "web2: not started within 0.5 s: 1 of 1 commands run there, and more have to wait"
        )

    def test_a_stop_ends_the_waiting(self, make_fleet: MakeFleet, pinned_host: PinnedHost, tmp_path: Path) -> None:
        fleet, host = make_fleet(), dataclasses.replace(pinned_host(2), sessions=1)
        stopping, over, begun = threading.Event(), threading.Event(), tmp_path / "begun"
        with ThreadPoolExecutor(1) as threads:
            running = threads.submit(ask, fleet, host, f"touch {begun}; sleep 60", timeout_seconds=60, stopping=over)
            until(begun.exists)

            def wait_for_a_place() -> StepFailed:
                stopping.clear()
                threading.Timer(0.2, stopping.set).start()
                return raised(StepFailed, lambda: ask(fleet, host, "true", stopping=stopping))

            failed = within(1, wait_for_a_place)
            over.set()
            assert running.result().status is StepStatus.INTERRUPTED

        assert (failed.message, failed.status) == ("web2: not started: the run was stopped", StepStatus.INTERRUPTED)

    def test_a_host_that_allows_fewer_sessions_gets_more_connections(
        self, make_fleet: MakeFleet, sshd_farm: Any, known_hosts: Path, sign_ins: SignIns
    ) -> None:
        host = sshd_farm.host(121, settings="MaxSessions 1\n")
        trust(known_hosts, host, sshd_farm.public_keys(host))
        fleet = make_fleet()

        with ThreadPoolExecutor(3) as threads:
            answers = list(threads.map(lambda number: ask(fleet, host, f"sleep 0.5; echo {number}"), range(3)))

        assert [answer.stdout for answer in answers] == [b"0\n", b"1\n", b"2\n"]
        assert 1 < sign_ins(host) <= 3

    def test_an_idle_connection_is_closed_after_its_time(
        self, make_fleet: MakeFleet, pinned_host: PinnedHost, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(watch, "LOOK_SECONDS", 0.05)
        monkeypatch.setattr(pool, "IDLE_SECONDS", 0.3)
        before = set(threading.enumerate())

        fleet, host = make_fleet(), pinned_host(2)
        assert ask(fleet, host, "sleep 1; echo not idle").stdout == b"not idle\n"

        until(lambda: set(threading.enumerate()) <= before)
        assert ask(fleet, host, "echo again").stdout == b"again\n"

    def test_only_so_many_stay_open(
        self, make_fleet: MakeFleet, sshd_farm: Any, known_hosts: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pool, "MOST_IDLE", 3)
        hosts = trusted_nodes(sshd_farm, known_hosts, 6)
        fleet, before = make_fleet(), open_connections()

        for host in hosts:
            ask(fleet, host, "true")

        until(lambda: open_connections() == before + 3)

    def test_nothing_is_left_when_it_is_closed_in_the_middle(
        self, make_fleet: MakeFleet, pinned_host: PinnedHost, tmp_path: Path
    ) -> None:
        before, started = set(threading.enumerate()), tmp_path / "started"
        fleet, hosts = make_fleet(), [pinned_host(2), pinned_host(3)]
        ask(fleet, hosts[1], "true")
        with ThreadPoolExecutor(1) as threads:
            running = threads.submit(
                ask, fleet, hosts[0], f"echo $$ >{started}.; mv {started}. {started}; exec sleep 20"
            )
            until(started.exists)
            fleet.close()
            answer = running.result()
        os.kill(int(started.read_text()), signal.SIGKILL)

        assert answer.status is StepStatus.UNKNOWN
        until(lambda: set(threading.enumerate()) <= before)
        with pytest.raises(StepFailed, match="web2: opsrunner is ending"):
            ask(fleet, hosts[0], "true")


def trusted_nodes(sshd_farm: Any, known_hosts: Path, count: int) -> list[Host]:
    nodes: list[Host] = sshd_farm.hosts_of_one(count)
    for node in nodes:
        trust(known_hosts, node, sshd_farm.shared_keys())
    return nodes


def test_dead_hosts_do_not_slow_the_others(
    make_fleet: MakeFleet, sshd_farm: Any, known_hosts: Path, silent_port: int
) -> None:
    """50 hosts, 5 of them dead: the living ones have answered long before the dead ones are given up (B67)."""
    before = set(threading.enumerate())
    nodes = trusted_nodes(sshd_farm, known_hosts, 50)
    hosts = [dataclasses.replace(node, port=silent_port) for node in nodes[:5]] + nodes[5:]
    fleet, began = make_fleet(connect_seconds=12), time.monotonic()
    ended: dict[str, float] = {}

    def one(host: Host) -> str:
        try:
            return ask(fleet, host, 'echo "$WEBHOST"').stdout.decode()
        except StepFailed as exc:
            return exc.message
        finally:
            ended[host.name] = time.monotonic() - began

    with ThreadPoolExecutor(10) as threads:
        said = list(threads.map(one, hosts))

    why = f"port {silent_port}: no end of the key exchange in 12 s"
    assert said == [f"{host.name}: could not connect to {host.address} {why}" for host in hosts[:5]] + ["shared\n"] * 45
    assert max(ended[host.name] for host in hosts[5:]) < 12
    assert max(ended.values()) < 12 + 3
    fleet.close()
    until(lambda: set(threading.enumerate()) <= before)
