"""The hosts that other tests stand on are what they are said to be, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from opsrunner.errors import StepFailed
from opsrunner.fleet.fleet import Fleet
from opsrunner.model.fleet import HostAnswer
from opsrunner.model.site import Host

from ..farm import Farm, Manner, Quirks, farming
from ..process_trees import marked, processor_seconds

pytestmark = pytest.mark.needs("sshd")

MakeFleet = Callable[..., Fleet]


@pytest.fixture
def ask(make_fleet: MakeFleet, known_hosts: Path) -> Callable[..., HostAnswer]:
    """Run a command on a host of a farm, whose keys are pinned as they are to be."""

    def do(farm: Farm, name: str, command: str = 'echo "$WEBHOST"', *, seconds: float = 30) -> HostAnswer:
        farm.pin(known_hosts)
        fleet = make_fleet(connect_seconds=seconds)
        return fleet.run(farm.hosts[name], command, env={}, timeout_seconds=60, stopping=threading.Event())

    return do


def test_each_host_has_an_address_a_name_and_a_key_of_its_own(
    make_farm: Callable[..., Farm], ask: Callable[..., HostAnswer], known_hosts: Path
) -> None:
    farm = make_farm(3)

    answers = [ask(farm, name).stdout for name in farm.hosts]

    assert answers == [b"web1\n", b"web2\n", b"web3\n"]
    assert len({host.address for host in farm.hosts.values()}) == 3
    assert len({line.split()[2] for line in known_hosts.read_text().splitlines()}) == 3


@pytest.mark.parametrize(
    ("quirks", "message"),
    [
        pytest.param(Quirks(manner=Manner.DEAD), "connection refused", id="dead"),
        pytest.param(Quirks(manner=Manner.SILENT), "no end of the key exchange in 1.5 s", id="silent"),
        pytest.param(Quirks(manner=Manner.STALLING), "no end of the key exchange in 1.5 s", id="stalling"),
        pytest.param(Quirks(key_changed=True), "the host key changed", id="key changed"),
    ],
)
def test_a_host_that_is_not_fine_fails_in_its_own_way(
    make_farm: Callable[..., Farm], ask: Callable[..., HostAnswer], quirks: Quirks, message: str
) -> None:
    farm = make_farm(2, web2=quirks)

    with pytest.raises(StepFailed, match=message):
        ask(farm, "web2", seconds=1.5 if "1.5 s" in message else 30)
    assert ask(farm, "web1").stdout == b"web1\n"


def test_a_host_that_stalls_has_said_what_it_is(make_farm: Callable[..., Farm]) -> None:
    host: Host = make_farm(1, web1=Quirks(manner=Manner.STALLING)).hosts["web1"]

    with socket.create_connection((host.address, host.port), timeout=5) as connection:
        assert connection.recv(100).startswith(b"SSH-2.0-")
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)


def test_a_noisy_host_says_more_than_its_command(make_farm: Callable[..., Farm]) -> None:
    farm = make_farm(2, web2=Quirks(bashrc="echo 'welcome back'; echo 'and mind the step' >&2\n"))

    noisy, quiet = (_said_to_openssh(farm.hosts[name], 'echo "$WEBHOST"') for name in ("web2", "web1"))

    assert noisy == ("welcome back\nweb2\n", "and mind the step\n")
    assert quiet == ("web1\n", "")


def test_a_host_has_variables_and_commands_of_its_own(
    make_farm: Callable[..., Farm], ask: Callable[..., HostAnswer]
) -> None:
    command = 'uptime; echo "$LANG, $MOTTO"'
    farm = make_farm(
        2,
        web1=Quirks(
            commands={"uptime": "#!/bin/sh\necho 'up since yesterday'\n"},
            variables={"LANG": "de_DE.UTF-8", "MOTTO": "safe and sound"},
        ),
    )

    first = ask(farm, "web1", command).stdout
    farm.put_command("web1", "uptime", "#!/bin/sh\necho 'up since today'\n")
    second = ask(farm, "web1", command).stdout
    farm.take_command("web1", "uptime")
    third = ask(farm, "web1", command).stdout

    assert first == b"up since yesterday\nde_DE.UTF-8, safe and sound\n"
    assert second.startswith(b"up since today\n")
    assert b"load average" in third
    assert b"load average" in ask(farm, "web2", command).stdout


def test_a_host_stops_starts_and_comes_back_with_another_key(
    make_farm: Callable[..., Farm], ask: Callable[..., HostAnswer]
) -> None:
    farm = make_farm(1)

    farm.stop_host("web1")
    with pytest.raises(StepFailed, match="connection refused"):
        ask(farm, "web1")
    farm.start_host("web1")
    assert ask(farm, "web1").stdout == b"web1\n"
    farm.change_key("web1")
    with pytest.raises(StepFailed, match="the host key changed"):
        ask(farm, "web1")


def test_what_the_hosts_took_of_the_processors_is_told_with_sessions_that_are_over(
    make_farm: Callable[..., Farm], ask: Callable[..., HostAnswer]
) -> None:
    farm = make_farm(2)
    before = farm.processor_seconds()

    ask(farm, "web2", "sh -c 'ulimit -t 1; while :; do :; done'")  # a second of the processor, however long it takes

    busy = farm.processor_seconds() - before
    assert 0.1 < busy < 5  # others may use this machine


def test_nothing_is_left_of_a_farm_whose_test_failed(tmp_path: Path) -> None:
    folder = tmp_path / "farm"
    with pytest.raises(RuntimeError, match="the test failed"), farming(folder, 3) as farm:  # noqa: PT012
        host = farm.hosts["web2"]
        daemons = [int(line.split()[0]) for line in _sshd_lines(folder)]
        command = "setsid sleep 321 <&- >/dev/null 2>&1 & sleep 322"
        client = subprocess.Popen(_ssh(host, command), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while len(marked(f"OPS_FARM={folder}")) < 3:  # the shell, and both of its children
            time.sleep(0.02)
        raise RuntimeError("the test failed")

    assert client.wait(timeout=10) == 255
    assert len(daemons) == 3
    assert _sshd_lines(folder) == []
    assert processor_seconds(daemons) == 0
    assert marked(f"OPS_FARM={folder}") == []


def test_hosts_end_with_a_tester_who_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "farm"
    tester = os.fork()
    if tester == 0:
        with farming(folder, 2):
            os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    os.waitpid(tester, os.WUNTRACED)
    before = len(_sshd_lines(folder))

    os.kill(tester, signal.SIGKILL)
    os.waitpid(tester, 0)

    assert before == 2
    assert _are_gone(folder)


def _are_gone(folder: Path) -> bool:
    until = time.monotonic() + 10
    while _sshd_lines(folder) and time.monotonic() < until:
        time.sleep(0.05)
    return not _sshd_lines(folder)


def _sshd_lines(folder: Path) -> list[str]:
    listed = subprocess.run(["ps", "-eww", "-o", "pid,args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if f"-f {folder}/" in line]


def _said_to_openssh(host: Host, command: str) -> tuple[str, str]:
    """Return both streams as they come: ours may know how to keep such noise out."""
    done = subprocess.run(_ssh(host, command), capture_output=True, text=True, check=True, timeout=30)
    return done.stdout, done.stderr


def _ssh(host: Host, command: str) -> list[str]:
    unpinned = ["-q", "-oStrictHostKeyChecking=no", f"-oUserKnownHostsFile={os.devnull}", "-oBatchMode=yes"]
    return ["ssh", *unpinned, "-i", str(host.key_file), "-p", str(host.port), f"{host.user}@{host.address}", command]
