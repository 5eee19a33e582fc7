"""Streams: what a command writes reaches its taker whole, or the answer says that it did not."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from paramiko.packet import Packetizer

from opsrunner.errors import StepFailed, StoreFailed
from opsrunner.fleet import execution, session, watch
from opsrunner.fleet.fleet import Fleet
from opsrunner.model.fleet import HostAnswer
from opsrunner.model.outcome import StepStatus
from opsrunner.model.site import Host
from opsrunner.secrets import Vault

from ...host_commands import CUT_THE_LINK

pytestmark = pytest.mark.needs("sshd", "ssh-keygen")

LOCAL = Host(name="local", address="127.0.0.1")
MEBIBYTE = 1 << 20

MakeFleet = Callable[..., Fleet]
PinnedHost = Callable[[int], Host]
IsAlive = Callable[[int], bool]


class Taken:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.content = bytearray()

    def __call__(self, piece: bytes) -> None:
        self.content += piece


def stream(fleet: Fleet, host: Host, command: str, take: Callable[[bytes], None], **given: Any) -> HostAnswer:
    options = {"env": {}, "timeout_seconds": 30.0, "stopping": threading.Event(), **given}
    return fleet.stream(host, command, take=take, **options)


def gone(process_id: int, is_alive: IsAlive) -> bool:
    for _ in range(400):
        if not is_alive(process_id):
            return True
        time.sleep(0.05)
    return False


class TestEveryHost:
    """What holds on this machine as over SSH."""

    def test_every_byte_arrives_in_its_order_and_none_is_kept(
        self, host: Host, make_fleet: MakeFleet, tmp_path: Path
    ) -> None:
        file = tmp_path / "random"
        file.write_bytes(os.urandom(64 * MEBIBYTE))
        digest, sizes = hashlib.sha256(), []

        def take(piece: bytes) -> None:
            digest.update(piece)
            sizes.append(len(piece))

        answer = stream(make_fleet(limit_bytes=1000), host, 'cat "$FILE"', take, env={"FILE": str(file)})

        assert (answer.exit_code, answer.status, answer.stdout, answer.truncated) == (0, None, b"", False)
        assert sum(sizes) == 64 * MEBIBYTE
        assert max(sizes) <= MEBIBYTE
        assert digest.digest() == hashlib.sha256(file.read_bytes()).digest()

    def test_exit_code_and_standard_error_come_as_in_a_run(self, host: Host, make_fleet: MakeFleet) -> None:
        taken = Taken()

        answer = stream(make_fleet(), host, "echo out; echo err >&2; exit 3", taken)

        assert (bytes(taken.content), answer.stdout, answer.stderr, answer.exit_code) == (b"out\n", b"", b"err\n", 3)
        assert answer.status is None

    def test_a_flood_on_standard_error_is_capped_without_a_deadlock(self, host: Host, make_fleet: MakeFleet) -> None:
        taken = Taken()
        command = "head -c 4000000 /dev/zero | tr '\\0' x >&2; head -c 4000000 /dev/zero"

        answer = stream(make_fleet(limit_bytes=10_000), host, command, taken)

        assert (answer.exit_code, answer.truncated, len(taken.content)) == (0, True, 4_000_000)
        assert len(answer.stderr) < 10_100

    def test_a_secret_in_the_stream_is_not_masked(self, host: Host, make_fleet: MakeFleet, tmp_path: Path) -> None:
        vault, taken = Vault(tmp_path), Taken()
        vault.remember("canary-4711")

        answer = stream(
            make_fleet(vault=vault), host, 'echo "$TOKEN" >&2; echo "$TOKEN"', taken, env={"TOKEN": "canary-4711"}
        )

        assert bytes(taken.content) == b"canary-4711\n"
        assert b"canary" not in answer.stderr

    def test_a_slow_taker_holds_the_command_and_no_memory(
        self, host: Host, make_fleet: MakeFleet, tmp_path: Path, most_bytes_of: Callable[[Callable[[], object]], int]
    ) -> None:
        done = tmp_path / "done"

        def act() -> None:
            seen: list[bool] = []

            def take(piece: bytes) -> None:
                if not seen:
                    time.sleep(2)
                    seen.append(done.exists())

            answer = stream(make_fleet(), host, 'head -c 200M /dev/zero; touch "$DONE"', take, env={"DONE": str(done)})
            assert (answer.exit_code, answer.status, done.exists()) == (0, None, True)
            assert not seen[0]

        assert most_bytes_of(act) < 32 * MEBIBYTE

    def test_a_taker_that_takes_its_time_makes_no_host_silent(
        self, host: Host, make_fleet: MakeFleet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(watch, "ASK_AFTER_SECONDS", 0.5)
        monkeypatch.setattr(watch, "SILENT_SECONDS", 5.0)
        size = 0

        def take(piece: bytes) -> None:
            nonlocal size
            if size == 0:
                time.sleep(8)
            size += len(piece)

        answer = stream(make_fleet(), host, "head -c 32M /dev/zero", take)

        assert (answer.exit_code, answer.status, size) == (0, None, 32 * MEBIBYTE)

    def test_what_a_taker_raises_ends_the_command_and_its_children(
        self, host: Host, make_fleet: MakeFleet, is_alive: IsAlive
    ) -> None:
        taken = Taken()

        def take(piece: bytes) -> None:
            taken(piece)
            if taken.content.count(b"\n") >= 2:
                raise StoreFailed("no room left")

        with pytest.raises(StoreFailed, match="no room left"):
            stream(make_fleet(), host, "echo $$; sleep 600 & echo $!; sleep 600", take)

        assert [gone(int(process_id), is_alive) for process_id in taken.content.split()] == [True] * 2

    def test_a_taker_that_fails_is_asked_no_more(self, host: Host, make_fleet: MakeFleet) -> None:
        asked = 0

        def take(piece: bytes) -> None:
            nonlocal asked
            asked += 1
            raise ValueError("once")

        with pytest.raises(ValueError, match="once"):
            stream(make_fleet(), host, "yes", take)
        assert asked == 1

    def test_it_ends_a_command_and_its_children_at_the_time_limit(
        self, host: Host, make_fleet: MakeFleet, is_alive: IsAlive
    ) -> None:
        taken = Taken()

        fleet = make_fleet()
        stream(fleet, host, "true", taken)  # connecting is not to count
        answer = stream(fleet, host, "echo $$; sleep 600 & echo $!; sleep 600", taken, timeout_seconds=3)

        assert (answer.status, answer.exit_code) == (StepStatus.TIMED_OUT, None)
        assert re.fullmatch(r"no end within [23] s; the command was ended", answer.message)
        assert [gone(int(process_id), is_alive) for process_id in taken.content.split()] == [True] * 2

    def test_a_flood_ends_at_the_time_limit(self, host: Host, make_fleet: MakeFleet) -> None:
        fleet = make_fleet()
        stream(fleet, host, "true", lambda _: None)
        answer = stream(fleet, host, "yes", lambda _: None, timeout_seconds=2)

        assert (answer.status, answer.exit_code) == (StepStatus.TIMED_OUT, None)
        assert answer.seconds < 2 + 4

    def test_it_ends_a_command_when_the_run_is_stopped(
        self, host: Host, make_fleet: MakeFleet, is_alive: IsAlive
    ) -> None:
        stopping, taken = threading.Event(), Taken()

        def take(piece: bytes) -> None:
            taken(piece)
            threading.Timer(0.3, stopping.set).start()

        answer = stream(make_fleet(), host, "echo $$; sleep 600", take, stopping=stopping)

        assert (answer.status, answer.exit_code) == (StepStatus.INTERRUPTED, None)
        assert answer.seconds < 6
        assert gone(int(taken.content), is_alive)

    def test_bytes_that_come_late_from_what_the_command_left_are_taken_too(
        self, host: Host, make_fleet: MakeFleet
    ) -> None:
        taken = Taken()

        answer = stream(make_fleet(), host, "{ sleep 3; echo late; } & echo early", taken)

        assert (answer.exit_code, answer.status, bytes(taken.content)) == (0, None, b"early\nlate\n")

    def test_an_output_that_is_left_open_is_never_a_success(
        self, host: Host, make_fleet: MakeFleet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(session, "STREAM_QUIET_SECONDS", 1)
        monkeypatch.setattr(execution, "LEFTOVER_SECONDS", 1)
        taken = Taken()

        answer = stream(make_fleet(), host, "sleep 15 & echo $!", taken)
        with suppress(ProcessLookupError):
            os.kill(int(taken.content), signal.SIGKILL)

        assert (answer.exit_code, answer.status) == (None, StepStatus.UNKNOWN)
        assert answer.message == "the command ended, and the end of its output never came: some of it may be missing"

    def test_it_refuses_what_is_no_name_of_a_variable(self, host: Host, make_fleet: MakeFleet) -> None:
        with pytest.raises(StepFailed, match="is not a name of a variable"):
            stream(make_fleet(), host, "true", Taken(), env={"A B": "x"})


CUT = f"""
echo $$ >"$PID"; BEFORE
{CUT_THE_LINK}
sleep 30"""


@pytest.mark.parametrize("before", ["sleep 0.2", "head -c 20M /dev/zero"])
def test_a_link_that_is_cut_in_the_middle_ends_as_unknown(
    make_fleet: MakeFleet, pinned_host: PinnedHost, before: str, tmp_path: Path
) -> None:
    env = {"PID": str(tmp_path / "pid")}

    answer = stream(make_fleet(), pinned_host(2), CUT.replace("BEFORE", before), Taken(), env=env)
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)

    assert (answer.exit_code, answer.status) == (None, StepStatus.UNKNOWN)
    assert answer.message == "no word from the host; the command may still run there"


def test_a_stop_is_heard_while_a_slow_taker_has_a_window_full_before_it(
    make_fleet: MakeFleet, pinned_host: PinnedHost
) -> None:
    stopping = threading.Event()

    def take(_: bytes) -> None:
        stopping.set()
        time.sleep(0.5)

    answer = stream(make_fleet(), pinned_host(2), "yes", take, stopping=stopping)

    assert (answer.exit_code, answer.status) == (None, StepStatus.INTERRUPTED)
    assert answer.seconds < 6


def test_a_command_may_end_while_keys_are_exchanged_anew(
    make_fleet: MakeFleet, pinned_host: PinnedHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise so after every half gigabyte: the reader waited for itself, and the end came half a minute later."""
    monkeypatch.setattr(Packetizer, "REKEY_BYTES", 100_000)
    fleet, host = make_fleet(), pinned_host(2)
    for _ in range(20):
        taken = Taken()
        answer = stream(fleet, host, "head -c 1M /dev/zero", taken)
        assert (answer.status, answer.exit_code, len(taken.content)) == (None, 0, MEBIBYTE)
        assert answer.seconds < 20
