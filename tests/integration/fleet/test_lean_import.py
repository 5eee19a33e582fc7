"""paramiko comes without what it takes along."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """\
import sys
from opsrunner.fleet.lean_import import load_paramiko
load_paramiko()
assert "paramiko" in sys.modules and "invoke" not in sys.modules
import paramiko.config
assert paramiko.config.invoke is None
import invoke  # whoever wants it gets it
"""


def test_paramiko_comes_without_the_task_runner_and_nobody_else_misses_it() -> None:
    answer = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stderr) == (0, "")
