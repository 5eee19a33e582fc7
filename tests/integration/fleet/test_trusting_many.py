"""`hosts trust` of many hosts at once, by asking them and from what OpenSSH has pinned."""

import json
import os
import pwd
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from opsrunner.cli.main import opsrunner
from opsrunner.cli.session import Session
from opsrunner.fleet.host_keys import HostKey, KnownHosts, known_name, trust
from opsrunner.model.site import Host

pytestmark = pytest.mark.needs("sshd", "ssh-keygen")

HEAD = """\
site: Example Hosting
people:
  boss: {{name: The owner, email: owner@example.com, roles: [owner], login: {login}}}
hosts:
"""
NODES = 12


def say(*words: str, site: Path) -> Any:
    """Call a verb as a person does; return its result."""
    return CliRunner().invoke(opsrunner, [*words, "--site", str(site)], obj=Session(), standalone_mode=False)


@pytest.fixture
def nodes(sshd_farm: Any) -> list[Host]:
    found: list[Host] = sshd_farm.hosts_of_one(NODES)
    return found


@pytest.fixture
def site(nodes: list[Host], make_site: Callable[..., Path]) -> Path:
    """Give a site with hosts that answer, and one that does not."""
    lines = [f"  {node.name}: {{address: {node.address}, port: {node.port}, groups: [nodes]}}" for node in nodes]
    lines.append("  dead: {address: 127.0.9.200, port: 1}")
    head = HEAD.format(login=pwd.getpwuid(os.geteuid()).pw_name)
    return make_site({"opsrunner.yaml": head + "\n".join(lines) + "\n"})


def standings(answer: Any) -> dict[str, str]:
    return {one["host"]: one["standing"] for one in json.loads(answer.output)}


def test_all_hosts_are_asked_shown_and_pinned_at_once(site: Path, nodes: list[Host], sshd_farm: Any) -> None:
    unasked = say("hosts", "trust", "--all", site=site)
    none_yet = (site / "var/known_hosts").exists()
    answer = say("hosts", "trust", "--all", "--yes", site=site)
    again = say("hosts", "trust", "nodes", "--yes", "--json", site=site)

    (key,) = sshd_farm.public_keys(Host(name="shared", address=""))
    known = KnownHosts(site / "var/known_hosts")
    assert "12 hosts not trusted: compare the fingerprints, then say --yes" in str(unasked.exception)
    assert not none_yet
    assert answer.output.count(key.fingerprint) == NODES
    assert "could not connect to 127.0.9.200 port 1" in answer.output
    assert answer.return_value == 1
    assert all(known.keys_of(node) == (key,) for node in nodes)
    assert standings(again) == {node.name: "known" for node in nodes}
    assert again.return_value == 0


def test_a_host_whose_key_changed_is_named_and_not_taken_among_others(site: Path, nodes: list[Host]) -> None:
    other = HostKey(type="ssh-ed25519", public="AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
    trust(site / "var/known_hosts", nodes[0], [other])

    answer = say("hosts", "trust", "node1", "node2", "--yes", "--json", site=site)

    assert standings(answer) == {"node1": "changed", "node2": "new"}
    assert answer.return_value == 1
    assert KnownHosts(site / "var/known_hosts").keys_of(nodes[0]) == (other,)
    assert KnownHosts(site / "var/known_hosts").keys_of(nodes[1]) != ()


@pytest.mark.parametrize("is_hashed", [False, True])
def test_pins_come_from_the_known_hosts_of_openssh(
    site: Path, nodes: list[Host], tmp_path: Path, sshd_farm: Any, *, is_hashed: bool
) -> None:
    (key,) = sshd_farm.public_keys(Host(name="shared", address=""))
    pinned = tmp_path / "known_hosts"
    names = [known_name(nodes[0]), f"[{nodes[1].name}]:{nodes[1].port}"]
    pinned.write_text("".join(f"{key.line(name)}\n" for name in names))
    if is_hashed:
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(pinned)], check=True, capture_output=True)
        assert nodes[0].address not in pinned.read_text()

    answer = say(
        "hosts", "trust", "node1", "node2", "node3", "--yes", "--from-known-hosts", str(pinned), "--json", site=site
    )

    known = KnownHosts(site / "var/known_hosts")
    assert standings(answer) == {"node1": "new", "node2": "new", "node3": "none"}
    assert [known.keys_of(node) for node in nodes[:3]] == [(key,), (key,), ()]
    assert answer.return_value == 1


def test_a_file_that_is_not_there_and_nobody_named_are_told(site: Path, tmp_path: Path) -> None:
    gone = say("hosts", "trust", "--all", "--from-known-hosts", str(tmp_path / "none"), site=site)
    nobody = say("hosts", "trust", site=site)

    assert str(gone.exception) == f"{tmp_path / 'none'}: there is no such file"
    assert str(nobody.exception) == "name one or more hosts, or say --all"


@pytest.mark.parametrize("source", ["asked", "from known_hosts"])
def test_one_host_behind_a_jump_is_asked_through_it_and_pinned_there(
    nodes: list[Host], make_site: Callable[..., Path], sshd_farm: Any, tmp_path: Path, *, source: str
) -> None:
    bastion = sshd_farm.host(120)
    (key,) = sshd_farm.public_keys(Host(name="shared", address=""))
    head = HEAD.format(login=pwd.getpwuid(os.geteuid()).pw_name)
    at = f"address: {bastion.address}, port: {bastion.port}, user: {bastion.user}, key_file: {bastion.key_file}"
    behind = f"address: {nodes[0].address}, port: {nodes[0].port}, jump: bastion"
    site = make_site({"opsrunner.yaml": f"{head}  bastion: {{{at}}}\n  inner: {{{behind}}}\n"})
    pinned = tmp_path / "known_hosts"
    pinned.write_text(key.line(known_name(nodes[0])) + "\n")
    words = ["hosts", "trust", "inner", "--yes", *(["--from-known-hosts", str(pinned)] if source != "asked" else [])]

    without = say(*words, site=site)
    say("hosts", "trust", "bastion", "--yes", site=site)
    answer = say(*words, site=site)

    if source == "asked":
        assert "inner: no way through its jump host: bastion: unknown host key" in str(without.exception)
    assert answer.return_value == 0, answer.output
    lines = (site / "var/known_hosts").read_text().splitlines()
    assert key.line(f"[{nodes[0].address}@bastion]:{nodes[0].port}") in lines
    assert key.line(known_name(nodes[0])) not in lines
