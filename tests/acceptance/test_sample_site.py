"""The repository's own site, as it stands: every routine runs end to end on this machine."""

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FINE = {"succeeded", "warning", "waiting"}
"""What a routine may find on a machine that we do not know; a failure would mean that its check does not work."""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Copy the sample site."""
    root = tmp_path / "site"
    root.mkdir(mode=0o700)
    shutil.copy(ROOT / "opsrunner.yaml", root)
    shutil.copy(ROOT / "maintenance.yaml", root)
    for folder in ("routines", "checklists", "reports"):
        shutil.copytree(ROOT / folder, root / folder)
    for path in root.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    return root


def orders_that_wait(site: Path) -> set[str]:
    with (site / "var/try/sample/orders.csv").open(encoding="utf-8", newline="") as sheet:
        return {row["number"] for row in csv.DictReader(sheet) if not row["activated_at"] and not row["cancelled_at"]}


def test_every_routine_runs_and_its_people_get_their_tasks(opsrunner: Callable[..., Any], site: Path) -> None:
    checked = opsrunner("check", site=site)
    tried = opsrunner("try", site=site, seconds=300)
    runs = json.loads(opsrunner("runs", "--state", "var/try", "--limit", "100", "--json", site=site).stdout)
    tasks = json.loads(opsrunner("tasks", "--state", "var/try", "--json", site=site).stdout)

    assert checked.returncode == 0, checked.stdout
    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert re.search(r"^Backups +2 copies$", tried.stdout, re.MULTILINE)
    assert len(re.findall(r"nightly-backups/\w+ +copies .* good +never +\d{4}-", tried.stdout)) == 2, (
        "made and restored"
    )
    expected = {path.stem for path in (site / "routines").glob("*.yaml")}
    assert {run["routine"] for run in runs} == expected
    assert {run["routine"]: run["reason"] for run in runs if run["status"] not in FINE} == {}
    by_routine: dict[str, list[dict[str, Any]]] = {name: [] for name in expected}
    for task in tasks:
        if task["item"] != "maintenance":  # on a Tuesday night the window is on, and wants a status line
            by_routine[task["routine"]].append(task)
    assert len(by_routine["daily-round"]) >= 10
    assert len(by_routine["weekly-review"]) >= 10
    assert {task["key"] for task in by_routine["order-intake"]} == orders_that_wait(site)
    finders = ("renewals", "support-queue", "overnight-orders", "community", "disputes", "feedback", "abuse")
    for name in (*finders, "long-problems", "bounces"):
        assert by_routine[name], f"{name} finds nothing in the sample company"
    assert all(task["person"] or task["role"] for task in tasks)
    windows = json.loads(opsrunner("maintenance", "list", "--state", "var/try", "--json", site=site).stdout)
    assert windows[0]["told"] > 0, "customers hear of the next window"
    letters = [path.read_text(errors="replace") for path in (site / "var/try/maildir/new").iterdir()]
    assert any("text/calendar" in letter for letter in letters)
    (sign,) = by_routine["full-drill"]
    assert len(re.findall(r"succeeded: restored all of it, \d+ files?, ", sign["how"])) == 2
    assert len(re.findall(r"- Files: \d+, bytes: \d+, seconds: [\d.]+", sign["how"])) == 2


def test_a_second_try_replaces_the_first(opsrunner: Callable[..., Any], site: Path) -> None:
    for path in (site / "routines").iterdir():
        if path.stem not in ("daily-round", "monthly-review", "nightly-backups", "maintenance-eve"):
            path.unlink()
    opsrunner("try", site=site, seconds=300)
    (site / "routines/monthly-review.yaml").unlink()
    again = opsrunner("try", site=site, seconds=300)

    runs = json.loads(opsrunner("runs", "--state", "var/try", "--json", site=site).stdout)
    assert again.returncode == 0
    assert "monthly-review" not in {run["routine"] for run in runs}
    assert not (site / "var/ledger.db").exists()
