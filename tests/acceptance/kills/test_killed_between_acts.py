"""The process that makes a backup is killed right after each single act on its old copy and its new one.

The next run goes on by itself, says nothing of others who removed anything, and leaves one whole copy, as `keep` says.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ..conftest import Answer, plain_environment

SITE = """\
site: Example Hosting
timezone: UTC
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner, sysadmin]}
stores:
  away: {local: {path: $STATE/copies}}
"""
NIGHTLY = """\
name: Nightly
accountable: sysadmin
steps:
  - id: copy
    backup: {from: "head -c 1000 /dev/urandom", as: x.sql, to: away, keep: {last: 1}}
    after_crash: AFTER
"""
DIES = """\
import os, signal, sys
from opsrunner.archives.copying import Copying
from opsrunner.cli.main import main
from opsrunner.ledger.copies import Copies
from opsrunner.stores.local import LocalFolder

home = {"Copying": Copying, "Copies": Copies, "LocalFolder": LocalFolder}[sys.argv.pop(1)]
name, left = sys.argv.pop(1), int(sys.argv.pop(1))
act = getattr(home, name)

def act_and_die(self, *given, **named):
    global left
    answer = act(self, *given, **named)
    left -= bool(given[0])  # an empty list of notes is no act
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    return answer

setattr(home, name, act_and_die)
main()
"""
ACTS = [
    pytest.param("Copying.finish", 1, id="the new copy has its manifest"),
    pytest.param("Copies.note", 1, id="the new copy is known"),
    pytest.param("LocalFolder.remove", 1, id="the old copy has lost its manifest"),
    pytest.param("LocalFolder.remove", 2, id="the old copy has lost its index, too"),
    pytest.param("LocalFolder.remove", 3, id="nothing of the old copy is there"),
    pytest.param("Copies.note", 2, id="the old copy is noted as gone"),
]
Run = Callable[..., Answer]


@pytest.mark.needs("zstd")
@pytest.mark.parametrize("after", ["rerun", "ask"])
@pytest.mark.parametrize(("act", "number"), ACTS)
def test_the_next_run_goes_on_after_a_kill(
    act: str, number: int, after: str, make_site: Callable[[Mapping[str, str]], Path], opsrunner: Run
) -> None:
    site = make_site({"opsrunner.yaml": SITE, "routines/nightly.yaml": NIGHTLY.replace("AFTER", after)})
    assert opsrunner("run", "nightly", "--as", "boss", site=site).returncode == 0
    words = [*act.split("."), str(number), "run", "nightly", "--as", "boss"]
    killed = subprocess.run(
        [sys.executable, "-c", DIES, *words], cwd=site, env=plain_environment(site), capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr

    before = datetime.now(UTC).isoformat()
    done = opsrunner("run", "nightly", "--as", "boss", site=site)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "somebody else" not in done.stdout + done.stderr
    listed = json.loads(opsrunner("backups", "list", "--json", site=site).stdout)
    assert [copy["state"] for copy in listed] == ["good"]
    assert listed[0]["made_at"] > before, "the newest stays"
    assert opsrunner("backups", "verify", listed[0]["name"], site=site).returncode == 0
    names = sorted(path.name for path in (site / "var/copies").rglob("*") if path.is_file())
    assert [name.rpartition(".")[2] for name in names] == ["zst", "json", "zst"], names
