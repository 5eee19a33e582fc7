"""Those who ask a fleet beside us, each told of the same hosts, account and pinned keys, and of nothing to hurry by.

ansible has its pipelining, which is a setting of its own, and 50 forks; of OpenSSH's client 50 run at a time. Both
check the keys of hosts, as they do unless told otherwise.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fleet_turn import write_question
from benchmarks.turns import ROOT
from tests.farm import Farm

ANSIBLE = ROOT / ".venv-peers" / "bin" / "ansible"
COMMAND = 'echo "$WEBHOST"'
PARALLEL = 50
CURVE = ("-o", "KexAlgorithms=curve25519-sha256")
QUIET_SECONDS = 10
CONFIG = """\
[defaults]
inventory = {folder}/inventory
forks = {forks}
[ssh_connection]
pipelining = True
control_path_dir = {folder}/masters
ssh_common_args = -o UserKnownHostsFile={folder}/known_hosts
"""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What asking all hosts once took of the machine: of who asked, and of the hosts."""

    seconds: float
    processor_seconds: float
    megabytes: float
    said: str
    server_seconds: float


class Askers:
    """Commands that ask every host of a farm the same; their files lie in a folder whose path is short."""

    def __init__(self, folder: Path, farm: Farm) -> None:
        """Write what each of them reads."""
        self._folder = folder
        self._farm = farm
        (folder / "masters").mkdir(mode=0o700)
        farm.pin(folder / "known_hosts")
        hosts = list(farm.hosts.values())
        write_question(folder, hosts, COMMAND)
        files = {
            "addresses": "".join(f"{host.address}\n" for host in hosts),
            "inventory": "".join(
                f"{host.name} ansible_host={host.address} ansible_port={host.port} ansible_user={host.user} "
                f"ansible_ssh_private_key_file={host.key_file}\n"
                for host in hosts
            ),
            "ansible.cfg": CONFIG.format(folder=folder, forks=PARALLEL),
        }
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")

    def ours(self, how: str) -> list[str]:
        """Return the command of our turn, `cold` or `inside`."""
        return [sys.executable, "-m", "benchmarks.fleet_turn", how, str(self._folder)]

    def ansible(self) -> list[str]:
        """Return ansible's, by its module that needs no Python on the hosts."""
        return [str(ANSIBLE), "all", "-m", "raw", "-a", COMMAND]

    def openssh(self, *options: str) -> list[str]:
        """Return that of OpenSSH's client with options, one process a host."""
        host = next(iter(self._farm.hosts.values()))
        ours = ["-o", f"UserKnownHostsFile={self._folder}/known_hosts", "-o", "BatchMode=yes", "-i", str(host.key_file)]
        client = ["ssh", *ours, *options, "-p", str(host.port), "-l", host.user, "{}", COMMAND]
        return ["xargs", f"-P{PARALLEL}", "-I{}", "-a", str(self._folder / "addresses"), *client]

    def multiplexing(self) -> tuple[str, ...]:
        """Return the options by which OpenSSH keeps connections open, and uses those that are."""
        path = f"ControlPath={self._folder}/masters/%C"
        return ("-o", "ControlMaster=auto", "-o", "ControlPersist=60s", "-o", path)

    def take(self, command: Sequence[str], *how: str) -> Taken:
        """Run a command, as `tree_usage` does; raise RuntimeError unless every host has answered."""
        self._wait_until_quiet()
        before = self._farm.processor_seconds()
        words = [sys.executable, "-m", "benchmarks.tree_usage", *how, "--", *command]
        done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT, env=self._environment())
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]}: {done.stdout[-500:]}{done.stderr[-500:]}")
        self._wait_until_quiet()
        taken = Taken(**json.loads(done.stdout), server_seconds=self._farm.processor_seconds() - before)
        silent = set(self._farm.hosts) - set(re.findall(r"\w+", taken.said))
        if silent:
            raise RuntimeError(f"{command[0]}: {len(silent)} hosts have not answered: {taken.said[-500:]}")
        return taken

    def _wait_until_quiet(self) -> None:
        """Wait until the hosts have ended the sessions of who asked before: what they take belongs to that."""
        until = time.monotonic() + QUIET_SECONDS
        while not self._farm.is_quiet():
            if time.monotonic() > until:
                raise RuntimeError("the hosts have sessions still")
            time.sleep(0.05)

    def _environment(self) -> dict[str, str]:
        """Return what all are started with; Python may keep what it compiled, as an installed program has it."""
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        own = {"ANSIBLE_CONFIG": f"{self._folder}/ansible.cfg", "ANSIBLE_HOME": str(self._folder), "LC_ALL": "C.UTF-8"}
        return {**inherited, **own}
