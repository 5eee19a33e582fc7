"""The installed program, run as a person runs it: in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

Answer = subprocess.CompletedProcess[str]
SCRIPT = Path(sys.executable).with_name("opsrunner")


@pytest.fixture
def opsrunner(tmp_path: Path) -> Callable[..., Answer]:
    """Run `opsrunner` with arguments and give back its exit code and what it printed.

    `site` becomes the working folder. `env` is added to a plain environment. Nothing is read from stdin.
    """

    def run(
        *arguments: str, site: Path | None = None, env: Mapping[str, str] | None = None, seconds: float = 60
    ) -> Answer:
        return subprocess.run(
            [str(SCRIPT), *arguments],
            cwd=site or tmp_path,
            env={**plain_environment(tmp_path), **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    return run


def plain_environment(home: Path) -> dict[str, str]:
    """Return what a fresh login has, and nothing of the shell that runs the tests."""
    return {
        "PATH": f"{SCRIPT.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "COLUMNS": "110",
    }
