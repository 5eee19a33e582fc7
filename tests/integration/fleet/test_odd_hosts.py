"""Hosts that are set up in their own way: startup files that print, other languages, wrong clocks, sudo that asks."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opsrunner.errors import StepFailed
from opsrunner.fleet import session
from opsrunner.fleet.fleet import Fleet
from opsrunner.fleet.host_keys import trust
from opsrunner.model.fleet import HostAnswer
from opsrunner.model.outcome import StepStatus
from opsrunner.model.site import Host

from ...patience import within

pytestmark = pytest.mark.needs("sshd", "ssh-keygen", "root")  # as root, the login shell and its home are known: bash

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
MakeFleet = Callable[..., Fleet]
HostWith = Callable[..., Host]


def ask(fleet: Fleet, host: Host, command: str, **given: Any) -> HostAnswer:
    options = {"env": {}, "timeout_seconds": 20.0, "stopping": threading.Event(), **given}
    return fleet.run(host, command, **options)


@pytest.fixture
def host_with(sshd_farm: Any, known_hosts: Path, tmp_path: Path) -> Callable[..., Host]:
    """Give a host whose commands get variables of their own, and whose login shell reads this ~/.bashrc."""

    def make(number: int, *, bashrc: str = "", **variables: str) -> Host:
        home = sshd_farm.folder / f"home-{number}"
        home.mkdir(exist_ok=True)
        (home / ".bashrc").write_text(bashrc)
        words = {"WEBHOST": f"web{number}", "SHLVL": "0", "HOME": str(home), **variables}
        set_env = " ".join(f'{name}="{value}"' for name, value in words.items())
        host: Host = sshd_farm.host(number, settings=f"SetEnv {set_env}\n")
        trust(known_hosts, host, sshd_farm.public_keys(host))
        return host

    return make


NOISE = """
echo "Welcome to $WEBHOST"
printf 'no end of line'
echo 'stty: standard input: not a terminal' >&2
alias ls='ls --color=always'
export FROM_BASHRC=yes
"""


CUT = (
    "web{}: the host does not start a command: "
    "a startup file of the account reads it away; none may read from standard input"
)


class TestStartupFiles:
    def test_what_one_prints_is_no_output_of_the_command(self, make_fleet: MakeFleet, host_with: HostWith) -> None:
        host = host_with(131, bashrc=NOISE)

        answer = ask(make_fleet(), host, 'echo out "$FROM_BASHRC"; echo err >&2; exit 3')

        assert (answer.stdout, answer.stderr, answer.exit_code) == (b"out yes\n", b"err\n", 3)

    def test_nor_is_it_of_a_stream(self, make_fleet: MakeFleet, host_with: HostWith) -> None:
        host, taken = host_with(131, bashrc=NOISE), bytearray()

        answer = make_fleet().stream(
            host, "head -c 300000 /dev/zero", env={}, timeout_seconds=20, stopping=threading.Event(), take=taken.extend
        )

        assert (answer.exit_code, answer.stderr, bytes(taken)) == (0, b"", bytes(300_000))

    def test_a_flood_before_the_command_is_not_kept(self, make_fleet: MakeFleet, host_with: HostWith) -> None:
        host = host_with(132, bashrc="head -c 5000000 /dev/zero; head -c 5000000 /dev/zero >&2")

        answer = ask(make_fleet(limit_bytes=1000), host, "echo fine")

        assert (answer.stdout, answer.stderr, answer.truncated) == (b"fine\n", b"", False)

    def test_one_that_ends_the_shell_is_told_with_what_it_said(
        self, make_fleet: MakeFleet, host_with: HostWith
    ) -> None:
        host = host_with(133, bashrc="echo; echo 'This account is closed.'; exit 1")

        with pytest.raises(StepFailed) as failed:
            ask(make_fleet(), host, "true")

        assert failed.value.message == (
            "web133: the host does not start a command: "
            "its login shell ended with exit code 1 and said: This account is closed."
        )

    @pytest.mark.parametrize("lines", [1, 2, 3, 4, 6])
    def test_where_one_reads_the_first_lines_away_it_is_known_whether_the_command_ran(
        self, make_fleet: MakeFleet, host_with: HostWith, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: int
    ) -> None:
        monkeypatch.setattr(session, "BEGIN_SECONDS", 1)
        number = 140 + lines
        host = host_with(number, bashrc=f"sleep 0.3; for n in {'x ' * lines}; do read -r line; done")

        told, began = "", time.monotonic()
        try:
            ask(make_fleet(), host, f"touch {tmp_path}/ran", env={"A": "1"}, timeout_seconds=600)
        except StepFailed as exc:
            told = exc.message

        assert time.monotonic() - began < 15
        assert (told == CUT.format(number)) is not (tmp_path / "ran").exists()

    def test_one_that_is_slow_costs_the_command_neither_its_run_nor_the_word_to_stop(
        self, make_fleet: MakeFleet, host_with: HostWith, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(session, "BEGIN_SECONDS", 0.2)
        host, stopping, taken = host_with(139, bashrc="sleep 1"), threading.Event(), bytearray()

        assert ask(make_fleet(), host, "echo fine; cat").stdout == b"fine\n"

        def take(piece: bytes) -> None:
            taken.extend(piece)
            stopping.set()

        answer = make_fleet().stream(
            host, "echo begun; sleep 60", env={}, timeout_seconds=60, stopping=stopping, take=take
        )
        assert (answer.status, bytes(taken)) == (StepStatus.INTERRUPTED, b"begun\n")
        assert answer.seconds < 8

    def test_one_that_never_ends_is_left_at_the_time_limit(self, make_fleet: MakeFleet, host_with: HostWith) -> None:
        host, fleet = host_with(134, bashrc="sleep 300"), make_fleet()

        answer = within(1 + 10, lambda: ask(fleet, host, "true", timeout_seconds=1))

        assert answer.status in (StepStatus.UNKNOWN, StepStatus.TIMED_OUT)


@pytest.mark.needs("faketime")
def test_another_language_and_a_clock_an_hour_off_change_nothing(make_fleet: MakeFleet, host_with: HostWith) -> None:
    host = host_with(135, LC_ALL="nb_NO.UTF-8", LANG="nb_NO.UTF-8", LD_PRELOAD=FAKETIME, FAKETIME="-1h")
    fleet = make_fleet()

    answer = ask(fleet, host, 'date +%s; printf "%s" "$VALUE"', env={"VALUE": "blåbær ☃"})
    seconds, _, value = answer.stdout.partition(b"\n")

    assert time.time() - int(seconds) == pytest.approx(3600, abs=60)
    assert (value.decode(), answer.exit_code) == ("blåbær ☃", 0)
    assert ask(fleet, host, "exit 7").exit_code == 7
    assert ask(fleet, host, "sleep 60", timeout_seconds=1).status is StepStatus.TIMED_OUT


@pytest.mark.needs("sudo", "setpriv")
def test_sudo_that_asks_for_a_password_fails_at_once(make_fleet: MakeFleet, pinned_host: Callable[[int], Host]) -> None:
    answer = ask(make_fleet(), pinned_host(2), "setpriv --reuid=65534 --regid=65534 --clear-groups sudo id")

    assert answer.exit_code == 1
    assert answer.seconds < 10
    assert b"a password is required" in answer.stderr


def test_a_command_that_a_key_is_bound_to_says_that_it_is_the_answer(
    make_fleet: MakeFleet, sshd_farm: Any, known_hosts: Path
) -> None:
    forced = r"ForceCommand printf '\036opsrunner begins\036\n'; echo audited; echo odd >&2; exit 3"
    host = sshd_farm.host(137, settings=f"{forced}\n")
    trust(known_hosts, host, sshd_farm.public_keys(host))

    answer = ask(make_fleet(), host, "true")

    assert (answer.stdout, answer.stderr, answer.exit_code) == (b"audited\n", b"odd\n", 3)


def test_a_host_that_lets_no_commands_run_is_told(make_fleet: MakeFleet, sshd_farm: Any, known_hosts: Path) -> None:
    host = sshd_farm.host(136, settings="ForceCommand echo 'backups only'\n")
    trust(known_hosts, host, sshd_farm.public_keys(host))

    with pytest.raises(StepFailed) as failed:
        ask(make_fleet(), dataclasses.replace(host), "true")

    why = "its login shell ended with exit code 0 and said: backups only"
    assert failed.value.message == f"web136: the host does not start a command: {why}"
