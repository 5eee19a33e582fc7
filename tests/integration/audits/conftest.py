"""Hosts for audits: the shipped script, with the folders it looks at moved under one of the test's."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from opsrunner.audits.patches import script

Audit = Callable[..., bytes]
OS_RELEASE = 'ID={id}\nVERSION_ID="{version}"\nPRETTY_NAME="{id} {version}"\nNAME="{id}"\n{like}'


def moved_script(root: Path) -> str:
    """Return the script as it stands, but for where the host's files are."""
    return re.sub(r"(?<![\w.])/(etc|var|run|boot)(?=[/ ])", lambda found: f"{root}{found[0]}", script())


@pytest.fixture
def host_root(tmp_path: Path) -> Path:
    root = tmp_path / "host"
    for folder in ("etc", "run", "boot", "var/lib/dpkg", "var/lib/apt/lists/partial", "var/cache/apt/archives/partial"):
        (root / folder).mkdir(parents=True)
    return root


@pytest.fixture
def audit(host_root: Path) -> Audit:
    """Run the script against the host's root, in a shell; return what it wrote on standard output."""

    def run(environment: Mapping[str, str] | None = None, shell: tuple[str, ...] = ("dash",)) -> bytes:
        done = subprocess.run(
            [*shell, "-c", moved_script(host_root)],
            env=os.environ | (environment or {}),
            capture_output=True,
            check=False,
            timeout=100,
        )
        assert done.returncode == 0
        assert done.stderr == b""
        return done.stdout.replace(str(host_root).encode(), b"")

    return run


@pytest.fixture
def is_system(host_root: Path) -> Callable[..., None]:
    def write(system: str, version: str, like: str = "") -> None:
        text = OS_RELEASE.format(id=system, version=version, like=f"ID_LIKE={like}\n" if like else "")
        (host_root / "etc/os-release").write_text(text)

    return write
