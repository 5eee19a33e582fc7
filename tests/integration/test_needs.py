"""A test that lacks what it needs is skipped by name at home, and fails in CI."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"
NOT_ROOT = "\nos.geteuid = lambda: 1000\n"
NEEDY = """\
import pytest

@pytest.mark.needs("sh", "no-such-program", "root")
def test_it_needs_much() -> None:
    raise AssertionError("it was run")
"""


@pytest.mark.parametrize(("ci", "outcome"), [("true", "1 error"), ("", "1 skipped")])
def test_what_is_missing_is_named(tmp_path: Path, ci: str, outcome: str) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST.read_text(encoding="utf-8") + NOT_ROOT, encoding="utf-8")
    (tmp_path / "test_needy.py").write_text(NEEDY, encoding="utf-8")
    answer = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-ra", "-p", "no:cacheprovider", "test_needy.py"],
        cwd=tmp_path,
        env={**os.environ, "CI": ci},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert outcome in answer.stdout.splitlines()[-1]
    assert "not here: no-such-program, root;" in answer.stdout
