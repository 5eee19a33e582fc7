import dataclasses
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from opsrunner.errors import SecretUnavailable, StepFailed
from opsrunner.fleet.fleet import Fleet
from opsrunner.fleet.host_keys import trust
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.model.site import Host
from opsrunner.secrets import MASK, SecretRef
from opsrunner.steps.base import HostAnswer, Means, StepCall
from opsrunner.steps.fan_out import select_hosts
from opsrunner.steps.ssh import KIND, Options, preview, run

from ...host_commands import CUT_THE_LINK

LOCAL = Host(name="local", address="127.0.0.1")
needs_sshd = pytest.mark.needs("sshd", "ssh-keygen")

Work = Callable[..., Outcome]


@pytest.fixture
def inventory() -> dict[str, Host]:
    """The hosts of the site; a test adds its own."""
    return {"local": LOCAL}


@pytest.fixture
def work(
    means: Means,
    make_call: Callable[..., StepCall],
    make_fleet: Callable[..., Fleet],
    inventory: dict[str, Host],
) -> Work:
    """Run the step: `work(hosts="local", run="true")`; what is no option goes to the call or the means."""

    def do(*, fleet: Fleet | None = None, stopping: threading.Event | None = None, **given: Any) -> Outcome:
        options = Options(**{name: given.pop(name) for name in list(given) if name in Options.model_fields})
        own = dataclasses.replace(
            means,
            hosts=inventory,
            fleet=fleet or make_fleet(),
            stopping=stopping or threading.Event(),
        )
        return run(make_call(options, **given), own)

    return do


class TestOneHost:
    def test_a_success_says_how_many_hosts_are_fine(self, work: Work) -> None:
        outcome = work(hosts="local", run="echo fine")

        assert outcome.status is StepStatus.SUCCEEDED
        assert outcome.message == "1 of 1 host fine"
        assert outcome.facts == {"hosts": 1, "ok": 1, "failed": 0, "unknown": 0}

    def test_a_failure_has_the_exit_code_and_the_last_line(self, work: Work) -> None:
        outcome = work(hosts="local", run="echo more; echo 'disk is full' >&2; exit 3")

        assert outcome.status is StepStatus.FAILED
        assert outcome.message == "0 of 1 host fine; local: exit code 3: disk is full"
        (part,) = outcome.parts
        assert (part.key, part.status, part.facts["exit_code"]) == ("local", StepStatus.FAILED, 3)

    @pytest.mark.parametrize(
        ("codes", "status"),
        [
            ({"ok_codes": [0, 3]}, StepStatus.SUCCEEDED),
            ({"warn_codes": [3]}, StepStatus.WARNING),
            ({"ok_codes": [1]}, StepStatus.FAILED),
        ],
    )
    def test_exit_codes_mean_what_the_step_says(
        self, work: Work, codes: dict[str, list[int]], status: StepStatus
    ) -> None:
        assert work(hosts="local", run="exit 3", **codes).status is status

    @pytest.mark.parametrize(
        ("rows_as", "command", "rows"),
        [
            ("lines", "echo 17", [{"host": "local", "line": "17"}]),
            ("lines", "printf 'a\\n\\nb\\n'", [{"host": "local", "line": "a"}, {"host": "local", "line": "b"}]),
            ("json", 'echo \'[{"n": 1}, {"n": 2}]\'', [{"host": "local", "n": 1}, {"host": "local", "n": 2}]),
            ("json", 'echo \'{"host": "liar"}\'', [{"host": "local"}]),  # which host it was is ours to say
            ("csv", "printf 'a,b\\n1,2\\n'", [{"host": "local", "a": "1", "b": "2"}]),
        ],
    )
    def test_output_becomes_rows_with_their_host(
        self, work: Work, rows_as: str, command: str, rows: list[dict[str, Any]]
    ) -> None:
        assert list(work(hosts="local", run=command, rows_as=rows_as).rows) == rows

    def test_output_that_is_no_rows_fails_that_host(self, work: Work) -> None:
        outcome = work(hosts="local", run="echo '{broken'", rows_as="json")

        assert outcome.status is StepStatus.FAILED
        assert outcome.message.startswith("0 of 1 host fine; local: the output is not JSON: line 1, column 2")

    def test_rows_are_never_made_of_half_an_output(self, work: Work, make_fleet: Callable[..., Fleet]) -> None:
        outcome = work(hosts="local", run="seq 10000", rows_as="lines", fleet=make_fleet(limit_bytes=1000))

        assert outcome.status is StepStatus.FAILED
        assert "the output is longer than limits.output, and rows need all of it" in outcome.message
        assert outcome.rows == ()

    def test_the_command_knows_host_run_and_folder(self, work: Work, tmp_path: Path) -> None:
        command = 'echo "$OPS_HOST $OPS_RUN_ID $OPS_ROUTINE $OPS_STEP $OPS_WORKDIR $LIMIT"'

        (row,) = work(hosts="local", run=command, rows_as="lines", env={"LIMIT": "50"}).rows

        assert row["line"] == f"local 7 nightly dump {tmp_path} 50"

    def test_nothing_of_our_own_environment_is_passed_on(self, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SMTP_PASSWORD", "canary-4711")

        (row,) = work(hosts="local", run='echo "[$SMTP_PASSWORD] $(command -v ls)"', rows_as="lines").rows

        assert row["line"].startswith("[] /")

    def test_a_secret_reaches_the_command_and_nothing_else(self, work: Work, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("canary-4711")
        (tmp_path / "secret").chmod(0o600)

        command = 'echo "length ${#TOKEN}"; echo "token $TOKEN"; echo "$TOKEN" >&2; exit 1'
        outcome = work(hosts="local", run=command, env={"TOKEN": SecretRef(file="secret")})

        written = (tmp_path / "output.log").read_text()
        assert "length 11\n" in written
        assert f"token {MASK}\n" in written
        assert "canary" not in written + repr(outcome)

    def test_a_step_that_is_stopped_ends_as_interrupted(self, work: Work) -> None:
        stopping = threading.Event()
        threading.Timer(0.3, stopping.set).start()

        outcome = work(hosts="local", run="sleep 60", stopping=stopping)

        assert outcome.status is StepStatus.INTERRUPTED

    @pytest.mark.parametrize("rows_as", ["json", "lines"])
    def test_of_what_a_host_said_before_it_was_cut_off_no_rows_are_made(self, work: Work, rows_as: str) -> None:
        stopping = threading.Event()
        threading.Timer(0.3, stopping.set).start()

        outcome = work(hosts="local", run="echo '[{'; sleep 30", rows_as=rows_as, stopping=stopping)

        assert (outcome.status, outcome.was_cut_off, outcome.rows) == (StepStatus.INTERRUPTED, True, ())

    def test_the_step_ends_at_its_time_limit(self, work: Work) -> None:
        outcome = work(hosts="local", run="sleep 60", timeout_seconds=0.5)

        assert outcome.status is StepStatus.TIMED_OUT
        assert outcome.reason == "timed_out"


def settles_at(threads: int) -> bool:
    """Tell whether no more than `threads` are left, waiting a moment for those that end."""
    for _ in range(400):
        if threading.active_count() <= threads:
            return True
        time.sleep(0.05)
    return False


@needs_sshd
class TestManyHosts:
    def test_one_dead_and_one_slow_host_stop_nobody(
        self,
        work: Work,
        make_fleet: Callable[..., Fleet],
        pinned_host: Callable[[int], Host],
        inventory: dict[str, Host],
        tmp_path: Path,
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            for number in range(11, 20):
                inventory[f"web{number}"] = dataclasses.replace(pinned_host(number), groups=("shared",))
            dead = dataclasses.replace(
                inventory["web11"], name="dead", address="127.0.0.1", port=silent.getsockname()[1]
            )
            inventory["dead"] = dead
            threads_before = threading.active_count()
            fleet, began = make_fleet(connect_seconds=10), time.monotonic()

            outcome = work(
                hosts=["shared", "dead", "web12"],
                run='[ "$OPS_HOST" != web15 ] || sleep 1.5; echo "$WEBHOST"',
                rows_as="lines",
                timeout_seconds=40,
                fleet=fleet,
            )
            took = time.monotonic() - began
            fleet.close()

        assert took < 35
        assert outcome.status is StepStatus.FAILED
        assert outcome.message == (
            f"9 of 10 hosts fine; dead: could not connect to 127.0.0.1 port {dead.port}: "
            "no end of the key exchange in 10 s"
        )
        assert outcome.facts == {"hosts": 10, "ok": 9, "failed": 1, "unknown": 0}
        assert [row["host"] for row in outcome.rows] == [f"web{number}" for number in range(11, 20)]
        assert [row["line"] for row in outcome.rows] == [row["host"] for row in outcome.rows]
        assert {part.key: part.status for part in outcome.parts}["web15"] is StepStatus.SUCCEEDED
        assert settles_at(threads_before)
        sections = [line for line in (tmp_path / "output.log").read_text().splitlines() if line.startswith("=== ")]
        assert [section.split()[1] for section in sections] == [*(f"web{n}" for n in range(11, 20)), "dead"]

    @pytest.mark.parametrize(
        "rounds", [pytest.param(3, id="3 rounds"), pytest.param(20, id="20 rounds", marks=pytest.mark.soak)]
    )
    def test_fifty_hosts_one_dead_and_one_slow_end_together_and_leave_nothing(
        self,
        work: Work,
        make_fleet: Callable[..., Fleet],
        sshd_farm: Any,
        known_hosts: Path,
        inventory: dict[str, Host],
        rounds: int,
    ) -> None:
        hosts = sshd_farm.hosts_of_one(49)
        (key,) = sshd_farm.public_keys(dataclasses.replace(hosts[0], name="shared"))
        for host in hosts:
            inventory[host.name] = host
            trust(known_hosts, host, [key])
        with socket.create_server(("127.0.0.1", 0)) as silent:
            inventory["dead"] = dataclasses.replace(
                hosts[0], name="dead", address="127.0.0.1", port=silent.getsockname()[1]
            )
            fleet = make_fleet(connect_seconds=10)
            threads_before = threading.active_count()
            descriptors: list[int] = []
            for number in range(rounds):
                began = time.monotonic()
                outcome = work(
                    hosts="all",
                    run='[ "$OPS_HOST" != node7 ] || sleep 1.5; echo "${SSH_CONNECTION% *}"',
                    rows_as="lines",
                    timeout_seconds=20,
                    max_parallel=10,
                    fleet=fleet,
                )
                took = time.monotonic() - began
                assert took < 1.5 + 30
                assert outcome.facts == {"hosts": 50, "ok": 49, "failed": 1, "unknown": 0}
                assert {part.key for part in outcome.parts if part.status is not StepStatus.SUCCEEDED} == {"dead"}
                assert {row["host"]: row["line"].split()[2] for row in outcome.rows} == {
                    host.name: host.address for host in hosts
                }
                assert settles_at(threads_before + 49 + 1)  # the connections that stay open, and who watches them
                descriptors.append(len(list(Path("/proc/self/fd").iterdir())))
                print(f"round {number + 1}: 50 hosts in {took:.1f} s; {descriptors[-1]} descriptors open after it")
        assert len(set(descriptors)) == 1
        fleet.close()
        assert settles_at(threads_before)

    def test_hosts_run_side_by_side(
        self, work: Work, pinned_host: Callable[[int], Host], inventory: dict[str, Host], tmp_path: Path
    ) -> None:
        inventory |= {f"web{number}": pinned_host(number) for number in (2, 3)}
        command = """
            echo > "$FOLDER/$OPS_HOST"
            for i in $(seq 80); do [ -e "$FOLDER/web2" ] && [ -e "$FOLDER/web3" ] && exit 0; sleep 0.1; done
            exit 1"""

        outcome = work(hosts="all", run=command, env={"FOLDER": str(tmp_path)})

        assert outcome.message == "2 of 2 hosts fine"

    def test_one_at_a_time_where_the_step_says_so(
        self, work: Work, pinned_host: Callable[[int], Host], inventory: dict[str, Host], tmp_path: Path
    ) -> None:
        inventory |= {f"web{number}": pinned_host(number) for number in (2, 3)}
        command = 'mkdir "$FOLDER/busy" && sleep 0.3 && rmdir "$FOLDER/busy"'

        outcome = work(hosts="all", run=command, max_parallel=1, env={"FOLDER": str(tmp_path)})

        assert outcome.message == "2 of 2 hosts fine"

    def test_hosts_that_the_time_did_not_reach_are_timed_out(
        self, work: Work, pinned_host: Callable[[int], Host], inventory: dict[str, Host]
    ) -> None:
        inventory |= {f"web{number}": pinned_host(number) for number in (2, 3)}

        outcome = work(hosts=["local", "web2"], run="sleep 30", max_parallel=1, timeout_seconds=0.5)

        assert [part.status for part in outcome.parts] == [StepStatus.TIMED_OUT] * 2
        assert outcome.parts[1].message == "not started: the step's time was over"
        assert outcome.parts[1].facts == {"reached": None}, "nobody asked it: it may be up or down"

    def test_a_link_that_is_cut_is_unknown_and_the_worst(
        self, work: Work, pinned_host: Callable[[int], Host], inventory: dict[str, Host], tmp_path: Path
    ) -> None:
        inventory["web2"] = pinned_host(2)
        command = f"""
            [ "$OPS_HOST" = web2 ] || exit 1; echo $$ >{tmp_path}/pid; sleep 0.2
            {CUT_THE_LINK}; sleep 30"""

        outcome = work(hosts=["local", "web2"], run=command)

        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
        assert outcome.status is StepStatus.UNKNOWN
        assert outcome.facts == {"hosts": 2, "ok": 0, "failed": 1, "unknown": 1}
        assert "the command may still run there" in outcome.parts[1].message

    @needs_sshd
    def test_a_cut_leaves_no_part_of_a_secret(
        self,
        work: Work,
        means: Means,
        make_fleet: Callable[..., Fleet],
        pinned_host: Callable[[int], Host],
        inventory: dict[str, Host],
        tmp_path: Path,
    ) -> None:
        inventory["web2"] = pinned_host(2)
        (tmp_path / "secret").write_text("canary4711" * 20)
        (tmp_path / "secret").chmod(0o600)
        fleet = make_fleet(limit_bytes=300, vault=means.vault)
        command = (
            """for n in 1 2 3 4 5 6 7; do printf '%s-' "$TOKEN"; done; tr '\\0' '\\n' < /proc/$$/cmdline; exit 1"""
        )

        outcome = work(hosts=["local", "web2"], run=command, env={"TOKEN": SecretRef(file="secret")}, fleet=fleet)

        written = (tmp_path / "output.log").read_text(errors="replace")
        assert "canary" not in written + outcome.message
        assert MASK in written

    def test_an_unknown_host_key_is_told_with_its_fingerprint(
        self, work: Work, sshd_farm: Any, inventory: dict[str, Host]
    ) -> None:
        inventory["web2"] = sshd_farm.host(2)

        outcome = work(hosts="web2", run="true")

        (key,) = sshd_farm.public_keys(sshd_farm.host(2))
        assert outcome.status is StepStatus.FAILED
        assert outcome.message.startswith(f"0 of 1 host fine; web2: unknown host key: it shows {key.fingerprint}")
        assert outcome.message.endswith("opsrunner hosts trust web2")
        assert outcome.parts[0].facts["fingerprint_shown"] == key.fingerprint
        assert outcome.parts[0].facts["reached"] is False


HOSTS = {
    "local": LOCAL,
    "web1": Host(name="web1", address="192.0.2.1", groups=("shared",)),
    "web2": Host(name="web2", address="192.0.2.2", groups=("shared", "edge")),
    "db1": Host(name="db1", address="192.0.2.3"),
}


class Stumbling:
    """A fleet that raises `error` on one host and does its work on all others."""

    def __init__(self, fleet: Fleet, *, on: str, error: Exception) -> None:
        self._fleet = fleet
        self._on = on
        self._error = error

    def run(self, host: Host, command: str, **given: Any) -> HostAnswer:
        if host.name == self._on:
            raise self._error
        return self._fleet.run(host, command, **given)


class TestFaultOfOurs:
    def test_it_costs_one_host_its_result_and_the_others_keep_theirs(
        self,
        work: Work,
        make_fleet: Callable[..., Fleet],
        inventory: dict[str, Host],
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        inventory["web2"] = Host(name="web2", address="192.0.2.2")
        fleet: Any = Stumbling(make_fleet(), on="web2", error=KeyError("hunter2"))

        outcome = work(hosts=["web2", "local"], run="echo fine", rows_as="lines", fleet=fleet)

        assert outcome.status is StepStatus.UNKNOWN
        assert [(part.key, part.status) for part in outcome.parts] == [
            ("web2", StepStatus.UNKNOWN),
            ("local", StepStatus.SUCCEEDED),
        ]
        assert outcome.parts[0].message == (
            "a fault of opsrunner (KeyError), and its log says where; nobody knows how far the command came"
        )
        assert list(outcome.rows) == [{"host": "local", "line": "fine"}]
        assert "\nfine\n" in (tmp_path / "output.log").read_text()
        (record,) = caplog.records
        assert record.getMessage() == "run 7: host web2 of step dump stopped by a fault of opsrunner"
        assert record.exc_info is not None

    def test_an_error_of_ours_beside_a_failed_step_is_told_as_it_is(
        self, work: Work, make_fleet: Callable[..., Fleet], inventory: dict[str, Host]
    ) -> None:
        inventory["web2"] = Host(name="web2", address="192.0.2.2")
        fleet: Any = Stumbling(make_fleet(), on="web2", error=SecretUnavailable("the key's word is not set"))

        outcome = work(hosts=["web2", "local"], run="true", fleet=fleet)

        assert outcome.message == "1 of 2 hosts fine; web2: the key's word is not set"
        assert outcome.status is StepStatus.FAILED


class TestSelection:
    @pytest.mark.parametrize(
        ("wanted", "names"),
        [
            ("web1", ["web1"]),
            ("local", ["local"]),
            ("shared", ["web1", "web2"]),
            ("all", ["web1", "web2", "db1"]),  # this machine is no host of the fleet
            (("edge", "shared", "local"), ["web2", "web1", "local"]),  # each once
        ],
    )
    def test_names_and_groups_mean_hosts(self, wanted: str | tuple[str, ...], names: list[str]) -> None:
        assert [host.name for host in select_hosts(wanted, HOSTS)] == names

    @pytest.mark.parametrize(
        ("wanted", "inventory", "message"),
        [
            ("shard", HOSTS, "there is no host or group 'shard', did you mean 'shared'?"),
            ("all", {"local": LOCAL}, "no host is meant: the inventory has none but this machine"),
        ],
    )
    def test_a_name_that_is_none_is_an_error(self, wanted: str, inventory: dict[str, Host], message: str) -> None:
        with pytest.raises(StepFailed) as failed:
            select_hosts(wanted, inventory)
        assert failed.value.message == message
        assert failed.value.permanent


def test_the_command_is_no_template_and_needs_asking_after_a_crash() -> None:
    assert KIND.verbatim == {"run"}
    assert not KIND.reads_only


@pytest.mark.parametrize(
    "options",
    [
        {"hosts": "all", "run": " "},
        {"hosts": "all"},
        {"hosts": "all", "run": "true", "max_parallel": 0},
        {"hosts": "all", "run": "true", "ok_codes": [1], "warn_codes": [1]},
        {"hosts": "all", "run": "true", "timout": 3},
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Options(**options)


def test_the_preview_is_the_whole_command() -> None:
    options = Options(hosts=("web1", "edge"), run="uptime\ndf -h")

    assert preview(options) == "on web1, edge: uptime\ndf -h"
