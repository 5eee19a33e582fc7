"""Hosts that are reached through others."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opsrunner.errors import StepFailed
from opsrunner.fleet.fleet import Fleet
from opsrunner.fleet.host_keys import forget, trust
from opsrunner.model.fleet import HostAnswer
from opsrunner.model.outcome import StepStatus
from opsrunner.model.site import Host

from ...host_commands import OWN_SSHD
from ...patience import raised, until, within

pytestmark = pytest.mark.needs("sshd", "ssh-keygen")

MakeFleet = Callable[..., Fleet]
PinnedHost = Callable[[int], Host]
Through = Callable[[Host, Host], Host]


def ask(fleet: Fleet, host: Host, command: str, **given: Any) -> HostAnswer:
    options = {"env": {}, "timeout_seconds": 20.0, "stopping": threading.Event(), **given}
    return fleet.run(host, command, **options)


@pytest.fixture
def through(known_hosts: Path, sshd_farm: Any) -> Through:
    """Give a host as it is reached through another one, its key trusted there."""

    def lead(jump: Host, host: Host) -> Host:
        behind = dataclasses.replace(host, jump=jump)
        trust(known_hosts, behind, sshd_farm.public_keys(host))
        return behind

    return lead


def test_a_chain_of_jumps_leads_to_the_host_and_stays_open(
    make_fleet: MakeFleet, pinned_host: PinnedHost, through: Through, sshd_farm: Any
) -> None:
    first, second = pinned_host(3), pinned_host(4)
    inner = through(through(first, second), pinned_host(2))
    fleet = make_fleet()
    before = {host.name: sshd_farm.log(host).count("Accepted publickey") for host in (first, second, inner)}

    answers = [ask(fleet, inner, 'head -c 3000000 /dev/zero; echo "$WEBHOST" >&2') for _ in range(2)]

    assert [(answer.stderr, answer.truncated, answer.exit_code) for answer in answers] == [(b"web2\n", True, 0)] * 2
    assert {
        host.name: sshd_farm.log(host).count("Accepted publickey") - before[host.name]
        for host in (first, second, inner)
    } == {
        "web3": 1,
        "web4": 1,
        "web2": 1,
    }


def test_a_command_ends_as_unknown_when_its_jump_host_goes(
    make_fleet: MakeFleet, pinned_host: PinnedHost, through: Through, tmp_path: Path
) -> None:
    jump, begun = pinned_host(3), tmp_path / "begun"
    fleet, inner = make_fleet(), through(jump, pinned_host(2))
    jump_sshd = int(ask(fleet, jump, OWN_SSHD).stdout)

    def end_the_jump() -> None:
        until(begun.exists)
        os.kill(jump_sshd, signal.SIGKILL)

    threading.Thread(target=end_the_jump, daemon=True).start()

    answer = ask(fleet, inner, f"echo $$ >{begun}.; mv {begun}. {begun}; exec sleep 20")
    os.kill(int(begun.read_text()), signal.SIGKILL)

    assert (answer.status, answer.exit_code) == (StepStatus.UNKNOWN, None)
    assert answer.seconds < 10
    assert ask(fleet, inner, "echo fine").stdout == b"fine\n"


def test_the_host_behind_is_checked_as_strictly_as_any(
    make_fleet: MakeFleet, pinned_host: PinnedHost, through: Through, known_hosts: Path, sshd_farm: Any
) -> None:
    fleet, inner = make_fleet(), through(pinned_host(3), sshd_farm.host(2))
    forget(known_hosts, inner)
    before = sshd_farm.log(inner).count("ublickey")

    with pytest.raises(StepFailed, match="web2: unknown host key: it shows SHA256:") as failed:
        ask(fleet, inner, "true")

    assert failed.value.permanent
    assert sshd_farm.log(inner).count("ublickey") == before
    trust(known_hosts, inner, fleet.scan(inner))
    assert ask(fleet, inner, "echo fine").stdout == b"fine\n"


class TestWhichHopFailed:
    """One line names the host that is asked for, and the one that it failed at."""

    def test_the_key_of_the_jump_host_has_changed(
        self, make_fleet: MakeFleet, pinned_host: PinnedHost, through: Through, known_hosts: Path, sshd_farm: Any
    ) -> None:
        inner, jump = pinned_host(2), pinned_host(3)
        trust(known_hosts, jump, sshd_farm.public_keys(inner))

        with pytest.raises(StepFailed) as failed:
            ask(make_fleet(), through(jump, inner), "true")

        why = "web2: no way through its jump host: web3: the host key changed: it shows SHA256:"
        assert failed.value.message.startswith(why)
        assert (failed.value.permanent, failed.value.facts["host"]) == (True, "web3")

    def test_nobody_listens_at_the_jump_host(
        self, make_fleet: MakeFleet, pinned_host: PinnedHost, through: Through
    ) -> None:
        inner, jump = pinned_host(2), dataclasses.replace(pinned_host(3), port=1)

        with pytest.raises(StepFailed) as failed:
            ask(make_fleet(), through(jump, inner), "true")

        why = f"web3: could not connect to {jump.address} port 1: connection refused"
        assert failed.value.message == f"web2: no way through its jump host: {why}"
        assert not failed.value.permanent

    def test_nobody_listens_behind_it(self, make_fleet: MakeFleet, pinned_host: PinnedHost, through: Through) -> None:
        inner = dataclasses.replace(pinned_host(2), port=1)

        with pytest.raises(StepFailed) as failed:
            ask(make_fleet(), through(pinned_host(3), inner), "true")

        why = f"web3 does not connect on to {inner.address} port 1: Connect failed"
        assert failed.value.message == f"web2: no way through its jump host: {why}"

    def test_the_jump_host_forbids_it(
        self, make_fleet: MakeFleet, pinned_host: PinnedHost, through: Through, known_hosts: Path, sshd_farm: Any
    ) -> None:
        jump = sshd_farm.host(122, settings="AllowTcpForwarding no\n")
        trust(known_hosts, jump, sshd_farm.public_keys(jump))
        inner = pinned_host(2)

        with pytest.raises(StepFailed) as failed:
            ask(make_fleet(), through(jump, inner), "true")

        why = f"web122 does not connect on to {inner.address} port {inner.port}: Administratively prohibited"
        assert failed.value.message == f"web2: no way through its jump host: {why}"

    def test_the_host_behind_says_nothing(
        self, make_fleet: MakeFleet, pinned_host: PinnedHost, through: Through, silent_port: int
    ) -> None:
        inner = through(pinned_host(3), dataclasses.replace(pinned_host(2), port=silent_port))
        fleet = make_fleet(connect_seconds=4)

        failed = within(4 + 4, lambda: raised(StepFailed, lambda: ask(fleet, inner, "true")))

        assert re.match(r"web2: could not connect to .*: no end of the key exchange in 4 s", failed.message)


def test_no_thread_is_left(make_fleet: MakeFleet, pinned_host: PinnedHost, through: Through) -> None:
    before = set(threading.enumerate())
    fleet = make_fleet()
    ask(fleet, through(pinned_host(3), pinned_host(2)), "true")

    fleet.close()

    deadline = time.monotonic() + 5
    while set(threading.enumerate()) - before:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_files_come_through_it_too(
    make_fleet: MakeFleet, pinned_host: PinnedHost, through: Through, tmp_path: Path
) -> None:
    (tmp_path / "note").write_text("hello")
    session = make_fleet().open_sftp(through(pinned_host(3), pinned_host(2)))

    found = session.find(str(tmp_path / "note"))
    session.close()

    assert found is not None
    assert found.size_bytes == 5
