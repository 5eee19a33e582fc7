"""A host whose key changed, and one that nobody has trusted, from a real sshd to the words of the digest (B64)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from opsrunner.fleet.host_keys import trust

pytestmark = pytest.mark.needs("sshd", "ssh-keygen")

SITE = """\
site: Example Hosting
timezone: UTC
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner], login: boss}
mail: {from: ops@example.com}
hosts:
"""
ROUTINE = """\
name: Mail queues
accountable: owner
schedule: {every: day, at: "05:00"}
steps:
  - ssh: {hosts: all, run: echo fine}
"""


def test_the_digest_tells_both_fingerprints_and_nobody_signed_in(house: Callable[..., Any], sshd_farm: Any) -> None:
    fine, changed, unknown = (sshd_farm.host(number) for number in (2, 124, 125))
    lines = [
        f"  {host.name}: {{address: {host.address}, port: {host.port}, user: {host.user}, key_file: {host.key_file}}}\n"
        for host in (fine, changed, unknown)
    ]
    site = house({"queues": ROUTINE}, site=SITE + "".join(lines))
    trust(site.app.known_hosts, fine, sshd_farm.public_keys(fine))
    trust(site.app.known_hosts, changed, sshd_farm.public_keys(fine))
    (pinned,), (shown,), (new,) = (sshd_farm.public_keys(host) for host in (fine, changed, unknown))

    site.work()
    site.at("2026-11-21T05:00:01")
    made = site.app.digests.preview("daily", site.clock.now())

    for text in (made.text, made.html):
        words = " ".join(text.split())
        assert (
            f"The host key changed: it shows {shown.fingerprint} (ssh-ed25519), pinned is {pinned.fingerprint}" in words
        )
        assert f"Unknown host key: it shows {new.fingerprint} (ssh-ed25519), none is pinned" in words
        assert "opsrunner hosts trust web124" in words
    for host in (changed, unknown):
        assert "ublickey" not in sshd_farm.log(host)
