import base64
import hmac
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from opsrunner.errors import StateError
from opsrunner.fleet.host_keys import HostKey, KnownHosts, forget, known_name, trust, without_jump
from opsrunner.model.site import Host

FIRST = HostKey(type="ssh-ed25519", public="AAAAC3NzaC1lZDI1NTE5AAAAIMP+T1GNkAZgy0Ar8dtGdbH3hGGvHMsVQ1xq0Pc8ZqmT")
SECOND = HostKey(type="ssh-ed25519", public="AAAAC3NzaC1lZDI1NTE5AAAAIJ2WCMXZ1rNQqW5d1l3X5O4jQ6xOZ5M1oT9vQ0nJ8J2z")
WEB1 = Host(name="web1", address="192.0.2.10")
WEB2 = Host(name="web2", address="192.0.2.20", port=2222)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "var" / "known_hosts"


def test_a_host_is_unknown_until_it_is_trusted(file: Path) -> None:
    known = KnownHosts(file)
    assert known.keys_of(WEB1) == ()

    trust(file, WEB1, [FIRST])

    assert known.keys_of(WEB1) == (FIRST,)
    assert known.keys_of(WEB2) == ()


def test_trusting_again_replaces_the_keys_of_that_host_alone(file: Path) -> None:
    trust(file, WEB1, [FIRST])
    trust(file, WEB2, [FIRST])

    trust(file, WEB1, [SECOND])

    known = KnownHosts(file)
    assert known.keys_of(WEB1) == (SECOND,)
    assert known.keys_of(WEB2) == (FIRST,)


def test_forgetting_tells_whether_there_was_something_to_forget(file: Path) -> None:
    trust(file, WEB1, [FIRST, SECOND])

    assert forget(file, WEB1)
    assert not forget(file, WEB1)
    assert KnownHosts(file).keys_of(WEB1) == ()


def test_a_line_with_several_names_keeps_the_others(file: Path) -> None:
    file.parent.mkdir()
    file.write_text(f"# ours\nweb1.example.com,192.0.2.10 {FIRST.type} {FIRST.public} a comment\n")

    forget(file, WEB1)

    assert file.read_text() == f"# ours\nweb1.example.com {FIRST.type} {FIRST.public}\n"


def test_lines_that_pin_nothing_are_kept_and_ignored(file: Path) -> None:
    strange = [
        "@cert-authority *.example.com ssh-ed25519 AAAA",
        f"@revoked 192.0.2.10 {FIRST.type} {FIRST.public}",
        "192.0.2.10 ssh-ed25519",
        "192.0.2.10 ssh-ed25519 not*base64",
        "|1|nonsense ssh-ed25519 AAAA",
        "",
    ]
    file.parent.mkdir()
    file.write_text("".join(f"{line}\n" for line in strange))
    assert KnownHosts(file).keys_of(WEB1) == ()

    trust(file, WEB1, [SECOND])

    assert file.read_text().splitlines() == [*strange, f"192.0.2.10 {SECOND.type} {SECOND.public}"]


def test_the_file_is_for_its_owner_alone_under_any_umask(file: Path) -> None:
    before = os.umask(0)
    try:
        trust(file, WEB1, [FIRST])
    finally:
        os.umask(before)

    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in file.parent.iterdir()] == ["known_hosts"]


@pytest.mark.parametrize(
    ("host", "name"),
    [
        (WEB1, "192.0.2.10"),
        (WEB2, "[192.0.2.20]:2222"),  # as OpenSSH writes any port but 22
    ],
)
def test_the_name_is_what_openssh_looks_for(host: Host, name: str) -> None:
    assert known_name(host) == name


def test_hosts_with_one_address_behind_different_jumps_have_pins_of_their_own(file: Path) -> None:
    near = replace(WEB2, name="near", jump=WEB1)
    one, other = (Host(name="db", address="10.0.0.2", jump=jump) for jump in (WEB1, near))
    trust(file, one, [FIRST])
    trust(file, other, [SECOND])
    trust(file, without_jump(one), [SECOND, FIRST])

    known = KnownHosts(file)

    assert [known_name(host) for host in (one, other)] == [
        f"[10.0.0.2@{WEB1.name}]:22",
        f"[10.0.0.2@near@{WEB1.name}]:22",
    ]
    assert (known.keys_of(one), known.keys_of(other)) == ((FIRST,), (SECOND,))
    assert known.keys_of(without_jump(other)) == (SECOND, FIRST)
    assert forget(file, other)
    assert (KnownHosts(file).keys_of(one), KnownHosts(file).keys_of(other)) == ((FIRST,), ())


@pytest.mark.parametrize("name", ["192.0.2.10", "*", "192.0.2.99"])
def test_a_revoked_key_is_pinned_to_none_wherever_it_was_revoked(file: Path, name: str) -> None:
    trust(file, WEB1, [FIRST, SECOND])
    with file.open("a") as lines:
        lines.write(f"@revoked {FIRST.line(name)}\n")

    assert KnownHosts(file).keys_of(WEB1) == (SECOND,)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["a folder", "a pipe"])
def test_what_is_no_file_is_named_and_not_waited_for(file: Path, make: Callable[[Path], None]) -> None:
    file.parent.mkdir()
    make(file)

    for act in (lambda: KnownHosts(file).keys_of(WEB1), lambda: trust(file, WEB1, [FIRST]), lambda: forget(file, WEB1)):
        with pytest.raises(StateError, match="is no file"):
            act()


def test_plain_and_hashed_names_of_a_host_are_found_in_the_order_of_the_file(file: Path) -> None:
    salt = b"twenty bytes of salt"
    digest = hmac.digest(salt, b"192.0.2.10", "sha1")
    hashed = f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"
    file.parent.mkdir()
    file.write_text(f"{SECOND.line(hashed)}\n{FIRST.line('other,192.0.2.10')}\n{SECOND.line('[192.0.2.20]:2222')}\n")
    known = KnownHosts(file)

    assert known.keys_of(WEB1) == (SECOND, FIRST)
    assert known.keys_of(WEB1) == (SECOND, FIRST)  # as it was found the first time
    assert known.keys_of(WEB2) == (SECOND,)
