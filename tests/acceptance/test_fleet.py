"""Fifty real hosts and the real program: whoever is dead, slow or odd costs the others nothing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ..farm import Farm, Manner, Quirks

pytestmark = pytest.mark.needs("sshd")

MakeFarm = Callable[..., Farm]
MakeSite = Callable[..., Path]
Opsrunner = Callable[..., Any]
SCRIPT = Path(sys.executable).with_name("opsrunner")
SITE = """\
site: Example Hosting
timezone: UTC
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner]}
"""
SLOW_SECONDS, TIMEOUT_SECONDS = 3, 10
NAMES = """\
name: Names
accountable: owner
steps:
  - id: names
    ssh:
      hosts: shared
      max_parallel: 25
      run: |
        SLOW
        echo "$WEBHOST"
    rows: lines
    timeout: TIMEOUT
"""


@pytest.fixture
def house(make_site: MakeSite) -> Callable[..., Path]:
    """Make a site over a farm, its keys pinned, with the routine `names`; `slow` is how its hosts may dawdle."""

    def make(farm: Farm, *, slow: str = "true", timeout_seconds: int = TIMEOUT_SECONDS) -> Path:
        routine = NAMES.replace("SLOW", slow).replace("TIMEOUT", f"{timeout_seconds}s")
        site = make_site({"opsrunner.yaml": SITE + farm.inventory(), "routines/names.yaml": routine})
        farm.pin(site / "var" / "known_hosts")
        return site

    return make


@contextmanager
def serving(site: Path) -> Iterator[int]:
    """Serve a site, and give the number of the daemon's process."""
    log = site / "serve.log"
    with log.open("wb") as file:
        daemon = subprocess.Popen([SCRIPT, "serve", "--no-page"], cwd=site, stdout=file, stderr=file)
    try:
        until = time.monotonic() + 20
        while " in force" not in log.read_text():
            assert daemon.poll() is None and time.monotonic() < until, log.read_text()  # noqa: PT018
            time.sleep(0.05)
        yield daemon.pid
    finally:
        daemon.terminate()
        daemon.wait(timeout=30)


def run_names(opsrunner: Opsrunner, site: Path) -> tuple[float, dict[str, Any]]:
    """Run the routine by hand; return how long its step took, in seconds, and the step as it was written down."""
    ran = opsrunner("run", "names", site=site, seconds=110)
    assert "Run " in ran.stdout, ran
    (newest,) = json.loads(opsrunner("runs", "--limit", "1", "--json", site=site).stdout)
    shown = json.loads(opsrunner("show", str(newest["id"]), "--json", site=site).stdout)
    (step,) = shown["steps"]
    return step["seconds"], step


@pytest.mark.parametrize(
    ("count", "dead"),
    [
        pytest.param(50, ["web13"], id="50 hosts, one dead", marks=pytest.mark.soak),  # the gate has it in test_ssh.py
        pytest.param(200, ["web13", "web57", "web58", "web160", "web200"], id="200, five dead", marks=pytest.mark.soak),
    ],
)
def test_who_is_dead_or_slow_costs_the_others_nothing(
    make_farm: MakeFarm, house: Callable[..., Path], opsrunner: Opsrunner, count: int, dead: list[str]
) -> None:
    """B67."""
    farm = make_farm(count, **dict.fromkeys(dead, Quirks(manner=Manner.DEAD)))
    timeout_seconds = TIMEOUT_SECONDS * count // 50
    site = house(farm, slow=f'[ "$OPS_HOST" != web31 ] || sleep {SLOW_SECONDS}', timeout_seconds=timeout_seconds)

    with serving(site) as daemon:
        ends = [run_names(opsrunner, site)]
        threads_after_one = settled_threads(daemon)
        ends.append(run_names(opsrunner, site))
        threads_after_two = settled_threads(daemon)

    fine = [name for name in farm.hosts if name not in dead]
    for seconds, step in ends:
        ended = {part["key"]: (part["status"], part["message"]) for part in step["parts"]}
        assert SLOW_SECONDS <= seconds <= SLOW_SECONDS + timeout_seconds
        assert list(ended) == list(farm.hosts)
        assert {name for name, (status, _) in ended.items() if status != "succeeded"} == set(dead)
        assert all(re.search(r"could not connect to .*: connection refused$", ended[name][1]) for name in dead)
        assert [(row["host"], row["line"]) for row in step["rows"]] == [(name, name) for name in fine]
        assert step["message"].startswith(f"{len(fine)} of {count} hosts fine; web13: could not connect to ")
    assert threads_after_two <= threads_after_one


def test_every_odd_host_ends_in_time_with_its_own_reason(
    make_farm: MakeFarm, house: Callable[..., Path], opsrunner: Opsrunner
) -> None:
    """B67, with hosts that are worse than dead."""
    odd = {
        "web2": Quirks(manner=Manner.DEAD),
        "web3": Quirks(manner=Manner.SILENT),
        "web4": Quirks(manner=Manner.STALLING),
        "web5": Quirks(key_changed=True),
    }
    farm = make_farm(12, **odd, web7=Quirks(bashrc="echo 'be welcome' >&2\n"))
    site = house(farm, slow='[ "$OPS_HOST" != web6 ] || exec sleep 60')

    seconds, step = run_names(opsrunner, site)

    statuses = {part["key"]: part["status"] for part in step["parts"]}
    messages = {part["key"]: part["message"] for part in step["parts"]}
    assert TIMEOUT_SECONDS - 1 < seconds < TIMEOUT_SECONDS + 10  # the grace that a host has to end a command
    assert messages["web2"].endswith("connection refused")
    assert all("no end of the key exchange in " in messages[name] for name in ("web3", "web4"))
    assert messages["web5"].startswith("the host key changed: it shows SHA256:")
    assert re.fullmatch(r"no end within \d+ s; the command was ended", messages["web6"])
    assert [name for name, status in statuses.items() if status == "failed"] == list(odd)
    assert [name for name, status in statuses.items() if status == "timed_out"] == ["web6"]
    assert [name for name, status in statuses.items() if status == "succeeded"] == ["web1", *list(farm.hosts)[6:]]


def settled_threads(process: int) -> int:
    """Return how many threads a process has, once that is the same for a second."""
    counts: list[int] = []
    until = time.monotonic() + 30
    while time.monotonic() < until:
        counts.append(len(list(Path(f"/proc/{process}/task").iterdir())))
        if len(counts) >= 10 and len(set(counts[-10:])) == 1:
            break
        time.sleep(0.1)
    return counts[-1]
