"""The wheel in an environment that has nothing else: what a stranger gets."""

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
Answer = subprocess.CompletedProcess[str]

pytestmark = [pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Answer]:
    """Install the wheel alone into a new environment, and run its `opsrunner` far from the checkout."""
    home = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", str(home / "venv")], check=True, timeout=300)
    python = home / "venv/bin/python"
    subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", str(wheel)], check=True, capture_output=True, timeout=500
    )

    def run(*arguments: str) -> Answer:
        return subprocess.run(
            [str(home / "venv/bin/opsrunner"), *arguments],
            cwd=home,
            env={"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


def test_it_carries_the_library_and_no_secret(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
        texts = {name: packed.read(name) for name in names}

    for wanted in ("routines/daily-round.yaml", "checklists/weekly-review.md", "reports/digest.html.j2"):
        assert f"opsrunner/shipped/{wanted}" in names
    assert "opsrunner/starter/opsrunner.yaml" in names
    assert "opsrunner/sources/ready/whmcs/domains.sql" in names
    assert "opsrunner/py.typed" in names
    secret = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\n|(?i:password|secret_key): *[\"']?[a-z0-9]{6,}")
    assert [name for name, text in texts.items() if secret.search(text)] == []


def test_a_new_site_is_written_checked_and_tried(bare: Callable[..., Answer], tmp_path: Path) -> None:
    site = tmp_path / "ops"

    written = bare("init", str(site), "--company", "Fjord Hosting", "--email", "kari@example.com")
    checked = bare("check", "--site", str(site))
    tried = bare("try", "--site", str(site))

    for answer in (written, checked, tried):
        assert answer.returncode == 0, answer.stdout + answer.stderr
        assert "Traceback" not in answer.stdout + answer.stderr
    assert "Fjord Hosting" in tried.stdout
    assert (site / "var/try/ledger.db").is_file()
    mails = [path for path in (site / "var/try/maildir").rglob("*") if path.is_file()]
    assert len(mails) >= 1
    secret = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----|(?i:password|secret_key|token): *[^\s#{]")
    written_files = [path for path in site.rglob("*") if path.is_file() and "var" not in path.relative_to(site).parts]
    assert [path for path in written_files if secret.search(path.read_text("utf-8"))] == []
    assert [path for path in (site / "var").rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o077] == []
    assert b"kari@example.com" in mails[0].read_bytes()


def test_it_says_its_version_and_helps_without_a_site(bare: Callable[..., Answer]) -> None:
    assert bare("--version").stdout.startswith("opsrunner 0.")
    assert "serve" in bare("--help").stdout
