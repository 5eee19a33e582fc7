"""What a verb imports on its way: most of what a person waits for. No stopwatch: names of modules."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CALL = """
import contextlib, io, json, sys
from opsrunner.cli.main import call
with contextlib.redirect_stdout(io.StringIO()):
    code = call(sys.argv[1:])
print(json.dumps({"code": code, "modules": sorted(sys.modules)}))
"""
TO_RUN = {"paramiko", "httpx2", "cryptography", "apscheduler", "css_inline", "smtplib", "asyncio", "multiprocessing"}
"""What only a daemon, a run or a mail needs."""
PROGRAM = {"opsrunner.app", "opsrunner.engine.daemon", "opsrunner.engine.runner", "opsrunner.engine.digest"}
TO_READ = {"pydantic", "yaml", "jinja2", "markdown_it", "sqlite3", "email", "ssl", "subprocess", "pathlib", "logging"}
"""What reading a site's files needs."""
TO_KEEP = {"opsrunner.ledger.books", "opsrunner.open_site"}
ALWAYS_TOO_MUCH = TO_RUN | PROGRAM | {"holidays", "sqlalchemy", "pandas", "rich.console", "rich.table"}
EVERYTHING = ALWAYS_TOO_MUCH | TO_READ | TO_KEEP


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample site in a folder of its own, with a ledger."""
    folder = tmp_path_factory.mktemp("site")
    for name in ("routines", "checklists", "reports"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "opsrunner.yaml", folder)
    shutil.copy(ROOT / "maintenance.yaml", folder)
    imported(folder, "task", "add", "Look at the shelf", "--for", "sysadmin", "--as", "boss")
    return folder


def imported(site: Path, *arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", CALL, *arguments], cwd=site, capture_output=True, text=True, timeout=60, check=False
    )
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["code"] == 0, done.stderr
    return set(answer["modules"])


@pytest.mark.parametrize(
    ("arguments", "too_much"),
    [
        (["--help"], EVERYTHING | {"zoneinfo", "cronsim", "opsrunner.config", "opsrunner.model"}),
        (["next", "--cron", "30 2 * * 1-5", "--tz", "Europe/Oslo"], (EVERYTHING - {"pathlib"}) | {"opsrunner.config"}),
        (["check"], ALWAYS_TOO_MUCH | TO_KEEP | {"sqlite3", "cronsim"}),
        (["next", "certificates"], ALWAYS_TOO_MUCH | {"opsrunner.open_site", "opsrunner.engine.people"}),
        (["next", "monthly-review"], ALWAYS_TOO_MUCH - {"holidays"} | {"holidays.countries.sweden"}),
        (["runs"], ALWAYS_TOO_MUCH),
        (["tasks"], ALWAYS_TOO_MUCH),
        (["tick", "1", "--as", "boss"], ALWAYS_TOO_MUCH),
        (["digest"], TO_RUN - {"css_inline"} | PROGRAM - {"opsrunner.engine.digest"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_verb_imports_nothing_heavy_that_it_does_not_need(
    site: Path, arguments: list[str], too_much: set[str]
) -> None:
    assert imported(site, *arguments) & too_much == set()
