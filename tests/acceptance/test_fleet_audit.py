"""Fifty real hosts are audited, and the digest tells exactly what is wrong with them: no more, no less."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ..farm import Farm, Manner, Quirks

pytestmark = pytest.mark.needs("sshd")

Opsrunner = Callable[..., Any]
SITE = """\
site: Example Hosting
timezone: UTC
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner]}
  ops1: {name: First technician, email: ops1@example.com, roles: [sysadmin]}
"""
AUDIT = """\
name: Security updates
accountable: sysadmin
steps:
  - id: audit
    name: security updates
    patch_audit: {hosts: shared, causes: [security], max_parallel: 20}
    timeout: 60s
"""
# What apt answers, so that fifty hosts differ where the test says so; the script that asks it is the real one.
CURRENT = "#!/bin/sh\nexit 0\n"
WAITING = """\
#!/bin/sh
echo 'Inst openssl [3.0.15-1~deb12u1] (3.0.17-1~deb12u2 Debian-Security:12/stable-security [amd64])'
"""
QUIET = Quirks(commands={"apt-get": CURRENT})
ODD = {
    "web13": Quirks(manner=Manner.DEAD),
    "web21": Quirks(key_changed=True),
    "web30": Quirks(commands={"apt-get": CURRENT}, bashrc="echo '=== opsrunner'; echo 'welcome to web30'\n"),
}


@pytest.fixture
def farm(make_farm: Callable[..., Farm]) -> Farm:
    return make_farm(50, **{f"web{number}": ODD.get(f"web{number}", QUIET) for number in range(1, 51)})


@pytest.fixture
def site(farm: Farm, make_site: Callable[..., Path]) -> Path:
    made = make_site({"opsrunner.yaml": SITE + farm.inventory(), "routines/security.yaml": AUDIT})
    farm.pin(made / "var" / "known_hosts")
    return made


def audit(opsrunner: Opsrunner, site: Path) -> dict[str, Any]:
    """Run the audit and return its step as it was written down."""
    ran = opsrunner("run", "security", "--as", "ops1", site=site, seconds=100)
    assert "Traceback" not in ran.stderr
    (newest,) = json.loads(opsrunner("runs", "--limit", "1", "--json", site=site).stdout)
    (step,) = json.loads(opsrunner("show", str(newest["id"]), "--json", site=site).stdout)["steps"]
    found: dict[str, Any] = step
    return found


def open_tasks(opsrunner: Opsrunner, site: Path) -> dict[str, str]:
    """Return the titles of the open tasks by their keys."""
    return {task["key"]: task["title"] for task in json.loads(opsrunner("tasks", "--json", site=site).stdout)}


def test_the_digest_tells_exactly_what_an_audit_of_fifty_hosts_found(
    opsrunner: Opsrunner, site: Path, farm: Farm
) -> None:
    first = audit(opsrunner, site)
    statuses = {part["key"]: part["status"] for part in first["parts"]}
    assert list(statuses) == list(farm.hosts)
    assert [name for name, status in statuses.items() if status != "succeeded"] == ["web13", "web21"]
    assert first["message"].startswith("48 of 50 hosts audited; web13: could not connect")
    (changed,) = [part["message"] for part in first["parts"] if part["key"] == "web21"]
    fingerprints = re.findall(r"SHA256:[A-Za-z0-9+/]{43}", changed)
    assert len(set(fingerprints)) == 2
    failing = {
        "web13": "Look at why security updates of Security updates failed for web13",
        "web21": "Look at why security updates of Security updates failed for web21",
    }
    assert open_tasks(opsrunner, site) == failing

    for name in ("web5", "web9"):
        farm.put_command(name, "apt-get", WAITING)
    second = audit(opsrunner, site)
    assert [(row["host"], row["name"], row["is_new"]) for row in second["rows"]] == [
        ("web5", "security:openssl", True),
        ("web9", "security:openssl", True),
    ]
    title = "Install the security updates on web5 and web9"
    assert open_tasks(opsrunner, site) == {**failing, "security": title}
    digest = opsrunner("digest", "--json", site=site).stdout
    text = " ".join(json.loads(digest)["text"].split())
    assert title in text
    assert all(fingerprint in text for fingerprint in fingerprints)
    named = set(re.findall(r"\bweb\d+\b", text))
    assert named == {"web5", "web9", "web13", "web21"}

    farm.take_command("web9", "apt-get")
    farm.put_command("web9", "apt-get", CURRENT)
    third = audit(opsrunner, site)
    assert third["facts"]["gone"] == 1
    assert open_tasks(opsrunner, site)["security"] == "Install the security updates on web5"
    accepted = opsrunner(
        "accept", "security", "--until", "+5d", "--reason", "moves on Friday", "--as", "ops1", site=site
    )
    assert accepted.returncode == 0, accepted.stderr
    assert open_tasks(opsrunner, site) == failing
    calm = opsrunner("findings", site=site)
    assert calm.returncode == 1, "two hosts were never audited"
    assert "Never audited: 2 hosts (web13, web21)" in calm.stdout
    assert opsrunner("findings", "--hosts", "web5,web9", site=site).returncode == 0
    assert "moves on Friday" in opsrunner("findings", "--accepted", site=site).stdout
    taken = opsrunner("accept", "security:openssl", "--take-back", "--as", "ops1", site=site)
    assert taken.returncode == 0, taken.stderr
    assert opsrunner("findings", site=site).returncode == 1
    farm.put_command("web5", "apt-get", CURRENT)
    audit(opsrunner, site)
    assert open_tasks(opsrunner, site) == failing
