"""Ours in `fleet`: one command on all hosts at once, as a step of the kind `ssh` does it, in a process of its own.

`cold` asks them once, from the start of the process to its end. `inside` is what it takes in a daemon: all that is
loaded once has been, with a word to one host, before all are asked by a fleet that knows no connection yet, and then
asked again. It prints as JSON what every asking took, and what was said.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from opsrunner.clock import SystemClock
from opsrunner.fleet.fleet import Fleet
from opsrunner.model.host import Host
from opsrunner.secrets import Vault

PARALLEL = 10
"""How many a step asks at a time unless it says otherwise."""
TIMEOUT_SECONDS = 600
QUESTION = "question.json"


def write_question(folder: Path, hosts: Sequence[Host], command: str) -> None:
    """Write whom to ask what; beside it lies the file of pinned keys, `known_hosts`."""
    known = {"command": command, "hosts": [asdict(host) for host in hosts]}
    (folder / QUESTION).write_text(json.dumps(known), encoding="utf-8")


def main(how: str, folder: Path) -> None:
    known = json.loads((folder / QUESTION).read_text(encoding="utf-8"))
    hosts, command = [Host(**host) for host in known["hosts"]], known["command"]
    if how == "inside":
        with closing(make_fleet(folder)) as fleet:
            ask(fleet, hosts[:1], command)
    turns = []
    with closing(make_fleet(folder)) as fleet:
        for _ in range(2 if how == "inside" else 1):
            wall, processor = time.perf_counter(), time.process_time()
            said = ask(fleet, hosts, command)
            took = {"seconds": time.perf_counter() - wall, "processor_seconds": time.process_time() - processor}
            turns.append({**took, "said": said})
    print(json.dumps(turns))


def make_fleet(folder: Path) -> Fleet:
    """Return a fleet that knows no connection, only the pinned keys."""
    return Fleet(
        site_root=folder,
        known_hosts=folder / "known_hosts",
        clock=SystemClock(),
        limit_bytes=lambda: 1_000_000,
        vault=Vault(folder),
    )


def ask(fleet: Fleet, hosts: list[Host], command: str) -> list[str]:
    """Return what each host says, in their order."""

    def one(host: Host) -> str:
        env = {"OPS_HOST": host.name}
        answer = fleet.run(host, command, env=env, timeout_seconds=TIMEOUT_SECONDS, stopping=threading.Event())
        assert answer.exit_code == 0, f"{host.name}: {answer.message}"
        return answer.stdout.decode().strip()

    with ThreadPoolExecutor(max_workers=PARALLEL, thread_name_prefix="ssh") as pool:
        return list(pool.map(one, hosts))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
