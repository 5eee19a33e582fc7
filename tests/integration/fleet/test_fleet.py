import dataclasses
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opsrunner.errors import StepFailed
from opsrunner.fleet.fleet import Fleet
from opsrunner.fleet.host_keys import trust
from opsrunner.model.fleet import HostAnswer
from opsrunner.model.outcome import StepStatus
from opsrunner.model.site import Host

from ...host_commands import CUT_THE_LINK
from ...patience import raised, until, within

pytestmark = pytest.mark.needs("sshd", "ssh-keygen")

LOCAL = Host(name="local", address="127.0.0.1")
TEXT = st.text(st.characters(exclude_characters="\0", codec="utf-8"))

MakeFleet = Callable[..., Fleet]
PinnedHost = Callable[[int], Host]


def ask(fleet: Fleet, host: Host, command: str, **given: Any) -> HostAnswer:
    options = {"env": {}, "timeout_seconds": 20.0, "stopping": threading.Event(), **given}
    return fleet.run(host, command, **options)


def gone(process_id: bytes) -> bool:
    """Tell whether that process has ended, waiting a moment for its end."""
    state = Path(f"/proc/{int(process_id)}/stat")
    for _ in range(400):
        try:
            if state.read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


class TestEveryHost:
    """What holds on this machine as over SSH."""

    def test_it_answers_with_both_streams_and_the_exit_code(self, host: Host, make_fleet: MakeFleet) -> None:
        answer = ask(make_fleet(), host, "echo out; echo err >&2; exit 3")

        assert (answer.stdout, answer.stderr, answer.exit_code) == (b"out\n", b"err\n", 3)
        assert answer.status is None
        assert not answer.truncated

    def test_a_failure_inside_a_pipeline_is_not_lost(self, host: Host, make_fleet: MakeFleet) -> None:
        assert ask(make_fleet(), host, "(exit 7) | cat").exit_code == 7

    def test_the_command_is_the_authors_own_shell_string(self, host: Host, make_fleet: MakeFleet) -> None:
        answer = ask(make_fleet(), host, "name='a  b'\nfor i in 1 2; do echo \"$name $i\"; done # it's done")

        assert answer.stdout == b"a  b 1\na  b 2\n"

    @settings(max_examples=6, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(values=st.lists(TEXT, min_size=1, max_size=40))
    def test_values_arrive_byte_for_byte(self, host: Host, make_fleet: MakeFleet, values: list[str]) -> None:
        env = {f"VALUE_{number}": value for number, value in enumerate(values)}
        command = "printf '%s\\0' " + " ".join(f'"${name}"' for name in env)

        answer = ask(make_fleet(), host, command, env=env)

        assert answer.stdout.split(b"\0")[:-1] == [value.encode() for value in values]

    @pytest.mark.parametrize(
        "value",
        ["; touch P", "$(touch P)", "`touch P`", "\ntouch P\n", "'; touch P; '", '"; touch P; "', "\\'; touch P #"],
    )
    def test_a_value_is_never_run(self, host: Host, make_fleet: MakeFleet, tmp_path: Path, value: str) -> None:
        hostile = value.replace("P", str(tmp_path / "planted"))

        answer = ask(make_fleet(), host, 'printf %s "$VALUE"', env={"VALUE": hostile})

        assert answer.stdout == hostile.encode()
        assert not (tmp_path / "planted").exists()

    def test_a_variable_stands_in_no_process_list(self, host: Host, make_fleet: MakeFleet) -> None:
        answer = ask(make_fleet(), host, "cat /proc/[0-9]*/cmdline", env={"TOKEN": "canary-4711"})

        assert answer.stdout
        assert b"canary-4711" not in answer.stdout

    @pytest.mark.parametrize("name", ["A B", "1A", "A;touch P", "A\n", "", "Å"])
    def test_it_refuses_what_is_no_name_of_a_variable(self, host: Host, make_fleet: MakeFleet, name: str) -> None:
        with pytest.raises(StepFailed, match="is not a name of a variable") as refused:
            ask(make_fleet(), host, "true", env={name: "x"})
        assert refused.value.permanent

    def test_ten_megabytes_on_each_stream_are_capped_without_a_deadlock(
        self, host: Host, make_fleet: MakeFleet
    ) -> None:
        flood = "head -c 10000000 /dev/zero | tr '\\0' x"
        command = f"echo first; {flood}; echo last; {{ echo first; {flood}; echo last; }} >&2; exit 4"

        answer = ask(make_fleet(limit_bytes=10_000), host, command)

        assert answer.exit_code == 4
        assert answer.truncated
        for stream in (answer.stdout, answer.stderr):
            assert stream.startswith(b"first\n")
            assert stream.endswith(b"last\n")
            assert b"bytes left out" in stream
            assert len(stream) < 10_100

    def test_output_under_the_limit_is_complete(self, host: Host, make_fleet: MakeFleet) -> None:
        answer = ask(make_fleet(limit_bytes=3_000_000), host, "seq 300000")

        assert answer.stdout == "".join(f"{number}\n" for number in range(1, 300_001)).encode()

    def test_it_ends_a_command_and_its_children_at_the_time_limit(self, host: Host, make_fleet: MakeFleet) -> None:
        fleet = make_fleet()
        ask(fleet, host, "true")  # connecting is not to count
        answer = ask(fleet, host, "echo $$; sleep 600 & echo $!; sleep 600 & echo $!; wait", timeout_seconds=3)

        assert answer.status is StepStatus.TIMED_OUT
        assert answer.exit_code is None
        assert re.fullmatch(r"no end within [23] s; the command was ended", answer.message)
        assert [gone(process_id) for process_id in answer.stdout.split()] == [True] * 3

    def test_one_that_ends_well_because_it_was_told_to_end_has_not_ended_in_time(
        self, host: Host, make_fleet: MakeFleet
    ) -> None:
        fleet = make_fleet()
        ask(fleet, host, "true")
        answer = ask(fleet, host, "trap 'exit 0' TERM; while :; do sleep 0.1; done", timeout_seconds=3)

        assert answer.status is StepStatus.TIMED_OUT
        assert re.match("no end within [23] s", answer.message)

    def test_it_ends_a_command_when_the_run_is_stopped(self, host: Host, make_fleet: MakeFleet, tmp_path: Path) -> None:
        stopping, begun, told_at = threading.Event(), tmp_path / "begun", list[float]()

        def stop_it() -> None:
            until(begun.exists)
            told_at.append(time.monotonic())
            stopping.set()

        threading.Thread(target=stop_it).start()

        command = f"echo $$ >{begun}.; mv {begun}. {begun}; exec sleep 600"
        answer = ask(make_fleet(), host, command, stopping=stopping)

        assert answer.status is StepStatus.INTERRUPTED
        assert time.monotonic() - told_at[0] < 5
        assert gone(begun.read_bytes())

    def test_it_does_not_wait_for_a_daemon_that_the_command_leaves_behind(
        self, host: Host, make_fleet: MakeFleet
    ) -> None:
        def leave_one() -> HostAnswer:
            answer = ask(make_fleet(), host, "sleep 15 & echo left $!")
            with suppress(ProcessLookupError):
                os.kill(int(answer.stdout.split()[1]), signal.SIGKILL)
            return answer

        assert within(8, leave_one).exit_code == 0

    def test_a_command_that_a_signal_ended_has_the_exit_code_of_shells(self, host: Host, make_fleet: MakeFleet) -> None:
        answer = ask(make_fleet(), host, "kill -9 $$")

        assert (answer.exit_code, answer.stderr) == (137, b"")

    def test_standard_input_is_empty(self, host: Host, make_fleet: MakeFleet) -> None:
        assert ask(make_fleet(), host, "cat; echo end").stdout == b"end\n"


def test_each_host_runs_its_own_commands(make_fleet: MakeFleet, pinned_host: PinnedHost) -> None:
    hosts = [pinned_host(2), pinned_host(3)]

    assert [ask(make_fleet(), host, "echo $WEBHOST").stdout for host in hosts] == [b"web2\n", b"web3\n"]


def test_who_signs_in_does_not_hang_on_the_shell_that_we_were_started_in(
    make_fleet: MakeFleet, pinned_host: PinnedHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    host = dataclasses.replace(pinned_host(2), user="")

    assert ask(make_fleet(), host, "id -u").stdout == f"{os.geteuid()}\n".encode()


def test_a_link_that_is_cut_ends_as_unknown(make_fleet: MakeFleet, pinned_host: PinnedHost, tmp_path: Path) -> None:
    command = f"""
        echo $$ >{tmp_path}/pid; sleep 0.2
        {CUT_THE_LINK}
        sleep 30"""

    answer = ask(make_fleet(), pinned_host(2), command)
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)

    assert answer.status is StepStatus.UNKNOWN
    assert answer.exit_code is None
    assert answer.message == "no word from the host; the command may still run there"


def test_what_left_its_process_group_is_found_by_the_token_of_the_run(make_fleet: MakeFleet) -> None:
    command = "setsid sleep 600 & echo $!; sleep 600"

    answer = ask(make_fleet(), LOCAL, command, env={"OPS_RUN_TOKEN": "token-of-this-test"}, timeout_seconds=4)

    assert gone(answer.stdout)


def test_no_thread_outlives_the_fleet(make_fleet: MakeFleet, pinned_host: PinnedHost) -> None:
    before = set(threading.enumerate())
    fleet = make_fleet()

    ask(fleet, pinned_host(2), "true")
    fleet.close()

    for _ in range(400):
        left = set(threading.enumerate()) - before
        if not left:
            break
        time.sleep(0.05)
    assert left == set()


class TestHostKeys:
    def test_it_refuses_an_unknown_host_before_signing_in(self, make_fleet: MakeFleet, sshd_farm: Any) -> None:
        host = sshd_farm.host(104)
        (shown,) = sshd_farm.public_keys(host)

        with pytest.raises(StepFailed) as refused:
            ask(make_fleet(), host, "true")

        assert refused.value.message == (
            f"web104: unknown host key: it shows {shown.fingerprint} (ssh-ed25519), none is pinned; "
            "refused before signing in; if that is right, run: opsrunner hosts trust web104"
        )
        assert refused.value.permanent
        assert "ublickey" not in sshd_farm.log(host)

    def test_it_refuses_a_changed_key_before_signing_in_and_names_both(
        self, make_fleet: MakeFleet, sshd_farm: Any, known_hosts: Path
    ) -> None:
        host = sshd_farm.host(105)
        (shown,) = sshd_farm.public_keys(host)
        (pinned,) = sshd_farm.public_keys(sshd_farm.host(104))
        trust(known_hosts, host, [pinned])

        with pytest.raises(StepFailed) as refused:
            ask(make_fleet(), host, "true")

        assert refused.value.message.startswith(
            f"web105: the host key changed: it shows {shown.fingerprint} (ssh-ed25519), "
            f"pinned is {pinned.fingerprint} (ssh-ed25519)"
        )
        assert refused.value.facts == {
            "host": "web105",
            "fingerprint_shown": shown.fingerprint,
            "fingerprints_pinned": [pinned.fingerprint],
        }
        assert "ublickey" not in sshd_farm.log(host)

    def test_a_sign_in_would_have_been_logged(
        self, make_fleet: MakeFleet, pinned_host: PinnedHost, sshd_farm: Any
    ) -> None:
        ask(make_fleet(), pinned_host(6), "true")

        assert "Accepted publickey" in sshd_farm.log(sshd_farm.host(6))

    def test_it_reads_names_that_openssh_has_hashed(
        self, make_fleet: MakeFleet, pinned_host: PinnedHost, known_hosts: Path
    ) -> None:
        host = pinned_host(2)
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(known_hosts)], check=True, capture_output=True)
        assert host.address not in known_hosts.read_text()

        assert ask(make_fleet(), host, "echo fine").stdout == b"fine\n"

    def test_a_host_with_several_keys_shows_the_one_that_is_pinned(
        self, make_fleet: MakeFleet, sshd_farm: Any, known_hosts: Path
    ) -> None:
        host = sshd_farm.host(107, key_types=("ed25519", "ecdsa", "rsa"))
        trust(known_hosts, host, [key for key in sshd_farm.public_keys(host) if key.type == "ssh-rsa"])

        assert ask(make_fleet(), host, "echo fine").stdout == b"fine\n"

    def test_a_key_trusted_while_the_fleet_lives_counts_at_once(
        self, make_fleet: MakeFleet, sshd_farm: Any, known_hosts: Path
    ) -> None:
        fleet, host = make_fleet(), sshd_farm.host(3)
        with pytest.raises(StepFailed, match="unknown host key"):
            ask(fleet, host, "true")

        trust(known_hosts, host, sshd_farm.public_keys(host))

        assert ask(fleet, host, "true").exit_code == 0


class TestNoConnection:
    """One line that says what to do, for each way of not getting in."""

    def host_like(self, host: Host, **changes: Any) -> Host:
        return Host(**{**host.__dict__, **changes})

    def test_a_user_who_is_not_let_in(self, make_fleet: MakeFleet, pinned_host: PinnedHost) -> None:
        host = self.host_like(pinned_host(2), user="nobody-here")

        with pytest.raises(StepFailed, match="web2: the host refuses user nobody-here with the key SHA256:") as failed:
            ask(make_fleet(), host, "true")
        assert failed.value.permanent

    def test_a_key_that_is_not_let_in(self, make_fleet: MakeFleet, pinned_host: PinnedHost, tmp_path: Path) -> None:
        make_key(tmp_path / "other")
        host = self.host_like(pinned_host(2), key_file="other")

        with pytest.raises(StepFailed, match=r"refuses user .* is it in that user's authorized_keys"):
            ask(make_fleet(), host, "true")

    def test_a_key_that_an_agent_or_the_user_s_home_holds_is_not_asked(
        self,
        make_fleet: MakeFleet,
        pinned_host: PinnedHost,
        sshd_farm: Any,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        agent: Path,
    ) -> None:
        (tmp_path / "home/.ssh").mkdir(parents=True, mode=0o700)
        shutil.copy(sshd_farm.client_key, tmp_path / "home/.ssh/id_ed25519")
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
        make_key(tmp_path / "other")
        host = self.host_like(pinned_host(2), key_file="other")
        subprocess.run(["ssh-add", "-q", str(sshd_farm.client_key)], check=True)
        assert can_sign_in(host, identity_file="none")
        assert can_sign_in(host, identity_file=str(tmp_path / "home/.ssh/id_ed25519"), agent="none")

        with pytest.raises(StepFailed, match=r"refuses user .* is it in that user's authorized_keys"):
            ask(make_fleet(), host, "true")

    def test_no_private_key(self, make_fleet: MakeFleet, pinned_host: PinnedHost) -> None:
        host = self.host_like(pinned_host(2), key_file=None)

        with pytest.raises(StepFailed, match="no private key at secrets/ssh_key; make one with: ssh-keygen"):
            ask(make_fleet(), host, "true")

    def test_a_private_key_that_others_may_read(
        self, make_fleet: MakeFleet, pinned_host: PinnedHost, tmp_path: Path
    ) -> None:
        make_key(tmp_path / "open")
        (tmp_path / "open").chmod(0o640)
        host = self.host_like(pinned_host(2), key_file="open")

        with pytest.raises(StepFailed, match="others may read the private key open; run: chmod 600"):
            ask(make_fleet(), host, "true")

    def test_a_private_key_with_a_passphrase(
        self, make_fleet: MakeFleet, pinned_host: PinnedHost, tmp_path: Path
    ) -> None:
        make_key(tmp_path / "locked", passphrase="long enough")
        host = self.host_like(pinned_host(2), key_file="locked")

        with pytest.raises(StepFailed, match="locked is protected by a passphrase"):
            ask(make_fleet(), host, "true")

    def test_a_file_that_is_no_key(self, make_fleet: MakeFleet, pinned_host: PinnedHost, tmp_path: Path) -> None:
        (tmp_path / "note").write_text("buy milk")
        host = self.host_like(pinned_host(2), key_file="note")

        with pytest.raises(StepFailed, match="note does not read as a private SSH key"):
            ask(make_fleet(), host, "true")

    def test_nobody_listens(self, make_fleet: MakeFleet, pinned_host: PinnedHost) -> None:
        host = self.host_like(pinned_host(2), port=1)

        with pytest.raises(StepFailed, match=r"web2: could not connect to .* port 1: connection refused") as failed:
            ask(make_fleet(), host, "true")
        assert not failed.value.permanent

    def test_a_host_that_says_nothing(self, make_fleet: MakeFleet, pinned_host: PinnedHost, silent_port: int) -> None:
        host = self.host_like(pinned_host(2), address="127.0.0.1", port=silent_port)

        with pytest.raises(StepFailed, match=r"no end of the key exchange in 0\.5 s"):
            ask(make_fleet(connect_seconds=0.5), host, "true")

    def test_a_stop_does_not_wait_for_a_host_that_says_nothing(
        self, make_fleet: MakeFleet, pinned_host: PinnedHost, silent_port: int
    ) -> None:
        host = self.host_like(pinned_host(2), address="127.0.0.1", port=silent_port)
        stopping = threading.Event()
        stopping.set()
        fleet = make_fleet(connect_seconds=30)

        failed = within(2, lambda: raised(StepFailed, lambda: ask(fleet, host, "true", stopping=stopping)))

        assert "stopped during key exchange" in failed.message
        assert failed.status == "interrupted"


@pytest.fixture
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The socket of an agent that holds no key yet."""
    path = tmp_path_factory.mktemp("agent") / "socket"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    until(path.exists)
    yield path
    process.terminate()
    process.wait()


def can_sign_in(host: Host, **settings: str) -> bool:
    """Tell whether OpenSSH's own client is let in, by the agent or a file."""
    known = {"identity_agent": settings.pop("agent", os.environ["SSH_AUTH_SOCK"]), **settings}
    words = [f"-o{name.replace('_', '')}={value}" for name, value in known.items()]
    command = ["ssh", "-F", "none", "-oBatchMode=yes", "-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null"]
    command += [*words, "-p", str(host.port), f"{host.user}@{host.address}", "true"]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


def test_strict_key_exchange_is_offered(
    make_fleet: MakeFleet, pinned_host: PinnedHost, sshd_farm: Any, known_hosts: Path
) -> None:
    """CVE-2023-48795: only where both sides name it does the numbering begin anew with the keys."""
    host = pinned_host(2)
    heard = bytearray()

    def listen() -> None:
        line, _ = listener.accept()
        with line, suppress(OSError):
            line.sendall(b"SSH-2.0-Listens\r\n")
            while piece := line.recv(65_536):
                heard.extend(piece)

    with socket.create_server((host.address, 0)) as listener:
        beyond = dataclasses.replace(host, port=listener.getsockname()[1])
        trust(known_hosts, beyond, sshd_farm.public_keys(host))
        listening = threading.Thread(target=listen)
        listening.start()
        with pytest.raises(StepFailed, match="no end of the key exchange"):
            ask(make_fleet(connect_seconds=1), beyond, "true")
        listening.join()
    assert b"curve25519-sha256" in heard
    assert b",kex-strict-c-v00@openssh.com" in heard


def make_key(path: Path, *, passphrase: str = "") -> None:
    command = f"ssh-keygen -q -t ed25519 -N {shlex.quote(passphrase)} -f {shlex.quote(str(path))}"
    subprocess.run(shlex.split(command), check=True, stdin=subprocess.DEVNULL)
