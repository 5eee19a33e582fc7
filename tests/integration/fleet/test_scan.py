import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opsrunner.clock import SystemClock
from opsrunner.errors import StepFailed
from opsrunner.fleet.fleet import Fleet
from opsrunner.fleet.host_keys import known_name, trust
from opsrunner.fleet.scan import scan
from opsrunner.model.site import Host

pytestmark = pytest.mark.needs("sshd", "ssh-keygen")


def test_it_shows_every_key_of_a_host_without_signing_in(sshd_farm: Any) -> None:
    host = sshd_farm.host(108, key_types=("ed25519", "ecdsa", "rsa"))

    found = scan(host, clock=SystemClock())

    assert {key.type for key in found} == {"ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"}
    assert set(found) == set(sshd_farm.public_keys(host))
    assert "ublickey" not in sshd_farm.log(host)


def test_what_was_scanned_and_trusted_lets_commands_run(
    sshd_farm: Any, known_hosts: Path, make_fleet: Callable[..., Fleet]
) -> None:
    host = sshd_farm.host(2)

    trust(known_hosts, host, scan(host, clock=SystemClock()))

    answer = make_fleet().run(host, "echo fine", env={}, timeout_seconds=10, stopping=threading.Event())
    assert answer.stdout == b"fine\n"


def test_openssh_finds_a_trusted_host_with_the_same_fingerprint(sshd_farm: Any, known_hosts: Path) -> None:
    host = sshd_farm.host(2)
    (key,) = scan(host, clock=SystemClock())
    trust(known_hosts, host, [key])

    command = ["ssh-keygen", "-l", "-F", known_name(host), "-f", str(known_hosts)]
    found = subprocess.run(command, check=True, capture_output=True, text=True)

    assert key.fingerprint in found.stdout


def test_a_host_that_does_not_answer_is_named(sshd_farm: Any) -> None:
    host = Host(**{**sshd_farm.host(2).__dict__, "port": 1})

    with pytest.raises(StepFailed, match="web2: could not connect"):
        scan(host, clock=SystemClock())
