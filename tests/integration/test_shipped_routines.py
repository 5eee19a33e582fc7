"""The commands of the shipped routines, run for real, on data whose answer is known."""

import csv
import io
import os
import sqlite3
import subprocess
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opsrunner.config.loader import SiteLoader
from opsrunner.ledger.books import Books
from opsrunner.model.routine import StepPlan
from opsrunner.model.site import Site
from opsrunner.secrets import Vault
from opsrunner.sources.reading import read_source
from opsrunner.steps import query
from opsrunner.templates.environments import render_options, render_text

ROOT = Path(__file__).parents[2]
Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def site() -> Site:
    """Give the sample site; it has no mistake."""
    loaded = SiteLoader(ROOT).load()
    assert [str(problem) for problem in loaded.problems] == []
    assert loaded.site is not None
    return loaded.site


@pytest.fixture
def step(site: Site) -> Callable[[str, str], StepPlan]:
    """Give a step of a shipped routine by name."""

    def find(routine: str, id_: str) -> StepPlan:
        return next(plan for plan in site.routines[routine].steps if plan.id == id_)

    return find


def run(plan: StepPlan, env: Mapping[str, str] | None = None) -> tuple[int, Rows, str]:
    """Run a step's shell string as opsrunner does; return its exit code, its rows and its complaints."""
    own = {name: str(value) for name, value in plan.env.items()}
    ended = subprocess.run(
        ["bash", "-o", "pipefail", "-c", plan.options["run"]],
        env={"PATH": os.environ["PATH"], **own, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return ended.returncode, list(csv.DictReader(io.StringIO(ended.stdout))), ended.stderr


def put_program(folder: Path, name: str, script: str) -> None:
    """Put a program that answers as the real one was seen to answer in front of the path."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}")
    path.chmod(0o700)


Finder = Callable[[str, str], StepPlan]


UNITS = """\
Id=nginx.service
ActiveState=failed
NRestarts=0
Description=A "high performance" web server

Id=php-fpm.service
ActiveState=active
NRestarts=9
Description=PHP

Id=ssh.service
ActiveState=active
NRestarts=0
Description=OpenBSD Secure Shell server
"""


def test_services_tells_what_failed_and_what_restarts_too_often(step: Finder, tmp_path: Path) -> None:
    put_program(tmp_path / "bin", "systemctl", f"cat <<'END'\n{UNITS}END\n")
    plan = step("services", "units")
    anywhere = plan.options["run"].replace("[ -d /run/systemd/system ]", "true")

    code, rows, _ = run(
        StepPlan(id="units", kind="run", options={"run": anywhere}, env=plan.env),
        {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"},
    )

    assert code == 0
    assert [(row["unit"], row["state"], row["restarts"]) for row in rows] == [
        ("nginx.service", "failed", "0"),
        ("php-fpm.service", "active", "9"),
    ]
    assert rows[0]["about"] == 'A "high performance" web server'


def test_services_without_systemd_is_not_fine(step: Finder) -> None:
    plan = step("services", "units")
    nowhere = plan.options["run"].replace("/run/systemd/system", "/run/nothing-here")

    code, rows, complaint = run(StepPlan(id="units", kind="run", options={"run": nowhere}, env=plan.env))

    assert code in plan.options["warn_codes"]
    assert rows == []
    assert "no service was checked" in complaint


def test_routine_review_names_what_has_stopped_earning_its_keep(step: Finder, site: Site, tmp_path: Path) -> None:
    Books.open(tmp_path / "ledger.db")
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as ledger, ledger:
        for number in range(25):
            at = now - timedelta(days=number, hours=3)
            add_run(ledger, "always-fine", at, "succeeded", late_minutes=0)
            add_run(ledger, "always-late", at, "failed" if number == 0 else "succeeded", late_minutes=40)
            add_run(ledger, "often-broken", at, "failed" if number % 2 else "succeeded", late_minutes=0)
            add_tick(ledger, "first", "done", at)
            add_tick(ledger, "rubber", "done", at + timedelta(seconds=1))
            add_tick(ledger, "never", "not_applicable", at + timedelta(seconds=90))

    options = render_options(step("routine-review", "suspects").options, {"now": now}, verbatim=query.KIND.verbatim)
    source = replace(site.sources["ledger"], where={"path": str(tmp_path / "ledger.db")})
    rows = read_source(source, options, vault=Vault(tmp_path), site_root=tmp_path, now=now)

    assert options["params"]["since"] == "2026-08-01"
    assert {row["subject"] for row in rows} == {
        "always-fine: never fails",
        "always-late: always late",
        "often-broken: often fails",
        "round/rubber: ticked in seconds",
        "round/never: never applies",
    }
    assert all(row["seen"] and row["advice"] for row in rows)


@pytest.mark.parametrize(
    ("month", "since"),
    [(1, "2025-10-01"), (3, "2025-12-01"), (4, "2026-01-01"), (12, "2026-09-01")],
)
def test_routine_review_looks_back_over_the_last_quarter(step: Finder, month: int, since: str) -> None:
    options = step("routine-review", "suspects").options

    assert render_text(options["params"]["since"], {"now": datetime(2026, month, 5, tzinfo=UTC)}) == since


def add_run(ledger: sqlite3.Connection, routine: str, at: datetime, status: str, *, late_minutes: int) -> None:
    planned, started = at, at + timedelta(minutes=late_minutes)
    ledger.execute(
        'INSERT INTO runs (routine, nominal_at, planned_at, "trigger", status, created_at, started_at, finished_at)'
        " VALUES (?, ?, ?, 'schedule', ?, ?, ?, ?)",
        (routine, text(planned), text(planned), status, text(planned), text(started), text(started)),
    )


def add_tick(ledger: sqlite3.Connection, item: str, status: str, at: datetime) -> None:
    columns = (
        'kind, status, routine, step, item, title, how, link, "group", role, remind, escalate, closes_when_gone,'
        " expires, wait, approve_by, approve_not_self, rows, message, row, opened_at, opened_by, closed_at, closed_by"
    )
    fixed = ("", "", "", "ops", "[]", "[]", 0, "next", 0, "", 0, "[]", "", "{}")
    values = ("routine", status, "round", item, item, item.title(), *fixed, text(at), "opsrunner", text(at), "ops1")
    ledger.execute(f"INSERT INTO tasks ({columns}) VALUES ({', '.join('?' * len(values))})", values)


def text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
