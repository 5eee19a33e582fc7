"""Fifty real hosts, one of which differs: `opsrunner ask` finds it, and ticks its task when it is mended."""

from __future__ import annotations

import json
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
"""
COUNT = 50
VERSION = "#!/bin/sh\necho 'PHP 8.{} (cli)'\n"
ASK = ("ask", "php -v", "--as", "boss", "--hosts", "shared")


def open_tasks(opsrunner: Opsrunner, site: Path) -> dict[str, str]:
    """Return the titles of the open tasks by their keys."""
    return {task["key"]: task["title"] for task in json.loads(opsrunner("tasks", "--json", site=site).stdout)}


def test_the_one_of_fifty_that_differs_is_found_and_mended(
    make_farm: Callable[..., Farm], make_site: Callable[..., Path], opsrunner: Opsrunner
) -> None:
    """One is odd, one dead, one has another key, and one talks before it answers."""
    odd = {"web7": Quirks(commands={"php": VERSION.format(1)}), "web9": Quirks(manner=Manner.DEAD)}
    farm = make_farm(
        COUNT, **odd, web11=Quirks(key_changed=True), web13=Quirks(bashrc="echo be welcome; echo '!' >&2\n")
    )
    for name in farm.hosts:
        if name not in odd:
            farm.put_command(name, "php", VERSION.format(2))
    site = make_site({"opsrunner.yaml": SITE + farm.inventory()})
    farm.pin(site / "var" / "known_hosts")

    first = opsrunner(*ASK, "--open-task", site=site, seconds=110)

    assert (first.returncode, first.stderr) == (1, "")
    lines = first.stdout.splitlines()
    assert lines[0] == "50 hosts asked: 47 say the same, 1 differs, 2 did not answer"
    assert lines[2:4] == ["! web7  exit code 0", "    PHP 8.1 (cli)"]
    assert [line for line in lines if line.startswith("✕")] == ["✕ web9  failed", "✕ web11  failed"]
    assert lines.index("✕ web11  failed") < lines.index("    PHP 8.2 (cli)")
    title = "See why the answer to 'php -v' differs on web7"
    dead = {name: f"Look at why 'Ask: php -v' failed for {name}" for name in ("web9", "web11")}
    assert open_tasks(opsrunner, site) == {"differs": title, **dead}

    farm.put_command("web7", "php", VERSION.format(2))
    farm.start_host("web9")
    farm.put_command("web9", "php", VERSION.format(1))
    second = opsrunner(*ASK, site=site, seconds=110)

    assert second.stdout.startswith("50 hosts asked: 48 say the same, 1 differs, 1 did not answer\n")
    tasks = open_tasks(opsrunner, site)
    assert tasks == {"differs": title.replace("web7", "web9"), "web11": dead["web11"]}

    farm.put_command("web9", "php", VERSION.format(2))
    opsrunner("hosts", "trust", "web11", "--yes", site=site)
    third = opsrunner(*ASK, site=site, seconds=110)

    assert (third.returncode, third.stdout.splitlines()[0]) == (0, "50 hosts asked: all say the same")
    assert open_tasks(opsrunner, site) == {}
