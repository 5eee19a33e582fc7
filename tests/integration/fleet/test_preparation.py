"""What `hosts prepare` prints, applied to a real sshd, lets commands run and nothing else."""

import json
import os
import pwd
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from opsrunner.cli.main import opsrunner
from opsrunner.cli.session import Session
from opsrunner.errors import StateError, StepFailed
from opsrunner.fleet.fleet import Fleet
from opsrunner.fleet.host_keys import trust
from opsrunner.fleet.private_keys import PrivateKeys, make_key
from opsrunner.model.site import Host

pytestmark = pytest.mark.needs("sshd", "ssh-keygen", "ssh")

SITE = """\
site: Example Hosting
people:
  boss: {{name: The owner, email: owner@example.com, roles: [owner], login: {login}}}
hosts:
  web1: {{address: {address}, port: {port}, user: {user}, groups: [shared]}}
  web2: {{address: {address}, port: {port}, user: {user}, groups: [shared]}}
"""
SUDO = """\
name: Backups of others
accountable: owner
steps:
  - backup_check: {expect: [alice], folder: /srv/backups, name: "{key}.tar.gz", host: web1, as_root: true}
  - ssh: {hosts: shared, run: sudo -n /usr/sbin/smartctl -H /dev/sda}
  - ssh: {hosts: shared, run: uptime}
"""


def say(*words: str, site: Path) -> Any:
    """Call a verb as a person does; return its result."""
    return CliRunner().invoke(opsrunner, [*words, "--site", str(site)], obj=Session(), standalone_mode=False)


@pytest.fixture
def site(sshd_farm: Any, make_site: Callable[..., Path]) -> Path:
    host: Host = sshd_farm.host(120)
    login = pwd.getpwuid(os.geteuid()).pw_name
    text = SITE.format(login=login, address=host.address, port=host.port, user=host.user)
    return make_site({"opsrunner.yaml": text, "routines/others.yaml": SUDO})


@pytest.fixture
def let_in(sshd_farm: Any) -> Iterator[Callable[[str], None]]:
    """Put one line, and no other, into the host's authorized_keys."""
    keys = sshd_farm.folder / "web120" / "authorized_keys"
    before = keys.read_text()
    yield lambda line: keys.write_text(line + "\n")
    keys.write_text(before)


def prepared(site: Path, *more: str) -> Any:
    answer = say("hosts", "prepare", "--make-key", "--json", *more, site=site)
    assert answer.return_value == 0, answer.output
    (found,) = json.loads(answer.output)
    return found


def test_a_step_works_through_the_key_line_that_is_printed(
    site: Path, let_in: Callable[[str], None], make_fleet: Callable[..., Fleet], pinned_host: Callable[[int], Host]
) -> None:
    line = prepared(site, "web1")["authorized_keys"]
    host = Host(**{**pinned_host(120).__dict__, "key_file": str(site / "secrets/ssh_key")})
    fleet = make_fleet()

    let_in("")
    with pytest.raises(StepFailed, match="refuses user"):
        fleet.run(host, "true", env={}, timeout_seconds=10, stopping=threading.Event())
    let_in(line)
    answer = fleet.run(host, "tty; echo $LIMIT", env={"LIMIT": "50"}, timeout_seconds=10, stopping=threading.Event())

    assert line.startswith("restrict ssh-ed25519 ")
    assert answer.stdout == b"not a tty\n50\n"


def test_the_key_opens_no_terminal_and_forwards_nothing(
    site: Path, let_in: Callable[[str], None], pinned_host: Callable[[int], Host], known_hosts: Path
) -> None:
    host = pinned_host(120)
    let_in(prepared(site, "web1")["authorized_keys"])
    ssh = ["ssh", "-F", "none", "-i", str(site / "secrets/ssh_key"), "-o", f"UserKnownHostsFile={known_hosts}"]
    ssh += ["-o", "BatchMode=yes", "-p", str(host.port), f"{host.user}@{host.address}"]

    forwarded = subprocess.run(
        [*ssh[:1], "-W", f"{host.address}:{host.port}", *ssh[1:]],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    terminal = subprocess.run([*ssh, "-tt", "tty"], capture_output=True, text=True, timeout=20, check=False)

    assert forwarded.returncode != 0
    assert "administratively prohibited" in forwarded.stderr
    assert "PTY allocation request failed" in terminal.stderr


def test_a_key_that_is_let_in_from_elsewhere_alone_is_refused_from_here(
    site: Path, let_in: Callable[[str], None], make_fleet: Callable[..., Fleet], pinned_host: Callable[[int], Host]
) -> None:
    let_in(prepared(site, "web1", "--from", "192.0.2.0/24,2001:db8::1")["authorized_keys"])
    host = Host(**{**pinned_host(120).__dict__, "key_file": str(site / "secrets/ssh_key")})

    with pytest.raises(StepFailed, match="refuses user"):
        make_fleet().run(host, "true", env={}, timeout_seconds=10, stopping=threading.Event())
    assert say("hosts", "prepare", "--from", 'x"y', site=site).exit_code != 0


def test_a_key_is_made_once_for_its_owner_alone_and_never_written_over(site: Path) -> None:
    without = say("hosts", "prepare", "web1", site=site)
    first = prepared(site)
    key = site / "secrets/ssh_key"
    text, public = key.read_bytes(), key.with_name("ssh_key.pub").read_text()
    second = prepared(site)
    key.with_name("ssh_key.pub").unlink()
    derived = prepared(site)

    assert "make one with: ssh-keygen -t ed25519" in str(without.exception)
    assert key.read_bytes() == text
    assert key.stat().st_mode & 0o777 == 0o600
    assert first["authorized_keys"] == second["authorized_keys"] == derived["authorized_keys"]
    assert " ".join(public.split()[:2]) in first["authorized_keys"]
    told = subprocess.run(["ssh-keygen", "-y", "-f", str(key)], capture_output=True, text=True, check=True).stdout
    assert told.split()[:2] == public.split()[:2]


def test_what_lies_where_the_key_should_is_named_and_stays(tmp_path: Path) -> None:
    key, public = tmp_path / "secrets/ssh_key", tmp_path / "secrets/ssh_key.pub"
    (tmp_path / "secrets").write_text("a file")
    with pytest.raises(StateError, match=r"/secrets is no folder: see what it is, and move it away$"):
        make_key(tmp_path, "secrets/ssh_key")
    assert (tmp_path / "secrets").read_text() == "a file"
    (tmp_path / "secrets").unlink()
    key.parent.mkdir()
    key.symlink_to("/nowhere/mounted/ssh_key")
    with pytest.raises(StateError, match=r"ssh_key leads to /nowhere/mounted/ssh_key, which is not there: mount"):
        make_key(tmp_path, "secrets/ssh_key")
    assert key.is_symlink()
    key.unlink()
    key.mkdir()
    with pytest.raises(StateError, match=r"ssh_key is no file: see what it is"):
        make_key(tmp_path, "secrets/ssh_key")
    key.rmdir()
    public.symlink_to("/nowhere")
    with pytest.raises(StateError, match=r"ssh_key\.pub is there already, without its private key: move it away"):
        make_key(tmp_path, "secrets/ssh_key")
    assert [path.name for path in key.parent.iterdir()] == ["ssh_key.pub"]
    with pytest.raises(StateError, match="Not a directory"):
        make_key(Path("/dev/null"), "secrets/ssh_key")


def test_a_public_half_of_another_key_is_told(site: Path, tmp_path: Path) -> None:
    prepared(site)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True)
    (site / "secrets/ssh_key.pub").write_text((tmp_path / "other.pub").read_text())

    with pytest.raises(StepFailed, match=r"ssh_key\.pub does not belong to secrets/ssh_key"):
        PrivateKeys(site).public_key_of(Host(name="web1", address="192.0.2.1"))


def test_only_what_the_sites_steps_ask_of_root_is_named(site: Path, make_site: Callable[..., Path]) -> None:
    login = pwd.getpwuid(os.geteuid()).pw_name
    text = SITE.format(login=login, address="192.0.2.1", port=22, user="opsrunner")
    (found,) = json.loads(
        say(
            "hosts",
            "prepare",
            "--make-key",
            "--json",
            site=make_site({"opsrunner.yaml": text, "routines/others.yaml": SUDO}),
        ).output
    )

    assert [(right["step"], right["rule"], right["hosts"]) for right in found["rights"]] == [
        ("others/backup_check", "opsrunner ALL=(root) NOPASSWD: /usr/bin/find", ["web1"]),
        ("others/ssh", "", ["web1", "web2"]),
    ]
    assert "useradd -m -s /bin/sh" in found["script"]
    assert "#   opsrunner hosts trust web1 web2" in found["script"]


@pytest.mark.needs("root", "useradd", "userdel")
def test_the_script_makes_the_account_and_saying_it_twice_changes_nothing_more(
    make_site: Callable[..., Path],
) -> None:
    user = f"opsr{os.getpid()}"
    login = pwd.getpwuid(os.geteuid()).pw_name
    text = SITE.format(login=login, address="192.0.2.1", port=22, user=user)
    found = prepared(make_site({"opsrunner.yaml": text}))
    try:
        for _ in range(2):
            done = subprocess.run(["sh"], input=found["script"], capture_output=True, text=True, check=False)
            assert (done.returncode, done.stderr) == (0, "")
        home = Path(pwd.getpwnam(user).pw_dir)
        keys = home / ".ssh/authorized_keys"
        assert keys.read_text() == found["authorized_keys"] + "\n"
        assert (keys.stat().st_mode & 0o777, keys.owner()) == (0o600, user)
        assert ((home / ".ssh").stat().st_mode & 0o777, (home / ".ssh").owner()) == (0o700, user)
        key = found["authorized_keys"].removeprefix("restrict ")
        keys.write_text(f"{key}\nssh-ed25519 AAAAother somebody")
        subprocess.run(["sh"], input=found["script"], capture_output=True, text=True, check=True)
        assert keys.read_text() == "ssh-ed25519 AAAAother somebody\n" + found["authorized_keys"] + "\n"
        assert sorted(path.name for path in keys.parent.iterdir()) == ["authorized_keys"]
    finally:
        subprocess.run(["userdel", "-r", user], capture_output=True, check=False)


def test_a_jump_host_is_prepared_to_lead_to_the_hosts_behind_it_and_nowhere_else(
    site: Path,
    let_in: Callable[[str], None],
    make_fleet: Callable[..., Fleet],
    pinned_host: Callable[[int], Host],
    known_hosts: Path,
    sshd_farm: Any,
) -> None:
    inner, elsewhere, bastion = pinned_host(121), pinned_host(122), pinned_host(120)
    settings = site / "opsrunner.yaml"
    behind = f"  inner: {{address: {inner.address}, port: {inner.port}, user: {inner.user}, jump: web1}}\n"
    settings.write_text(settings.read_text() + behind)
    line = prepared(site, "web1")["authorized_keys"]
    let_in(line)
    by_key = replace(bastion, key_file=str(site / "secrets/ssh_key"))
    inner_behind = replace(inner, jump=by_key)
    trust(known_hosts, inner_behind, sshd_farm.public_keys(inner))
    fleet = make_fleet()

    answer = fleet.run(inner_behind, "echo $WEBHOST", env={}, timeout_seconds=20, stopping=threading.Event())

    assert line.startswith(f'restrict,port-forwarding,permitopen="{inner.address}:{inner.port}" ssh-ed25519 ')
    assert answer.stdout == b"web121\n"
    with pytest.raises(StepFailed, match="web120"):
        fleet.run(replace(elsewhere, jump=by_key), "true", env={}, timeout_seconds=20, stopping=threading.Event())
