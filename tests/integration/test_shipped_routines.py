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


def make_certificate(path: Path, *, days: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    subject = '/CN=shop.example.com/O=Fjord, "and" Sons'
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    subprocess.run(
        [*command, "-subj", subject, "-days", str(days), "-keyout", str(path.with_suffix(".key")), "-out", str(path)],
        check=True,
        capture_output=True,
    )


Finder = Callable[[str, str], StepPlan]


def test_capacity_tells_every_file_system_once_with_its_state(step: Finder) -> None:
    code, rows, _ = run(step("capacity", "disks"), {"LOOK_PERCENT": "101"})

    assert code == 0
    assert "/" in [row["mount"] for row in rows]
    assert len({row["mount"] for row in rows}) == len(rows)
    for row in rows:
        assert 0 <= float(row["free_gb"]) <= float(row["size_gb"])
        assert 0 <= int(row["space_percent"]) <= 100
        assert row["state"] == "fine"


def test_capacity_calls_a_file_system_full_from_the_limit_on(step: Finder) -> None:
    _, rows, _ = run(step("capacity", "disks"), {"LOOK_PERCENT": "0"})

    assert {row["state"] for row in rows} == {"full"}


def test_capacity_keeps_spaces_and_quotes_in_a_mount_point(step: Finder, tmp_path: Path) -> None:
    table = (
        'Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/sdb1 2097152 1048576 1048576 50% /srv/a "b"'
    )
    put_program(tmp_path / "bin", "df", f"cat <<'END'\n{table}\nEND\n")

    _, rows, _ = run(step("capacity", "disks"), {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"})

    assert [(row["mount"], row["size_gb"], row["space_percent"]) for row in rows] == [('/srv/a "b"', "2.0", "50")]


@pytest.mark.parametrize(("id_", "column"), [("memory", "available_percent"), ("load", "load_per_core")])
def test_capacity_measures_memory_and_load(step: Finder, id_: str, column: str) -> None:
    code, rows, _ = run(step("capacity", id_))

    assert code == 0
    assert len(rows) == 1
    assert float(rows[0][column]) >= 0


@pytest.mark.needs("openssl")
def test_certificates_are_found_with_the_days_they_have_left(step: Finder, tmp_path: Path) -> None:
    make_certificate(tmp_path / "live/shop.example.com/cert.pem", days=400)
    make_certificate(tmp_path / "live/old.example.com/cert.pem", days=10)
    (tmp_path / "live/broken.pem").write_text("-----BEGIN CERTIFICATE-----\nnonsense\n")
    (tmp_path / "live/notes.pem").write_text("no certificate at all\n")

    code, rows, _ = run(step("certificates", "files"), {"FOLDERS": str(tmp_path / "live"), "FILES": ""})

    assert code == 0
    by_folder = {Path(row["file"]).parent.name: row for row in rows}
    states = {folder: row["state"] for folder, row in by_folder.items()}
    assert states == {"shop.example.com": "fine", "old.example.com": "ending", "live": "unknown"}
    assert int(by_folder["old.example.com"]["days_left"]) in (9, 10)  # whole days; it may be a second younger
    assert by_folder["live"]["days_left"] == ""
    assert all("shop.example.com" in row["subject"] for row in rows if row["state"] != "unknown")


def test_certificates_that_nobody_can_find_are_not_fine(step: Finder, tmp_path: Path) -> None:
    plan = step("certificates", "files")

    code, rows, complaint = run(plan, {"FOLDERS": str(tmp_path), "FILES": ""})

    assert code in plan.options["warn_codes"]
    assert rows == []
    assert "no certificate found" in complaint


APT_PLAN = """\
Inst libssl3 [3.0.15-1~deb12u1] (3.0.17-1~deb12u2 Debian-Security:12/stable-security [amd64])
Inst bash [5.2.15-2+b7] (5.2.15-2+b8 Debian:12.9/stable [amd64])
Inst linux-image-6.1.0-40-amd64 (6.1.153-1 Debian-Security:12/stable-security [amd64])
Conf libssl3 (3.0.17-1~deb12u2 Debian-Security:12/stable-security [amd64])
"""


def test_patch_audit_counts_security_apart_on_debian(step: Finder, tmp_path: Path) -> None:
    put_program(tmp_path / "bin", "apt-get", f"cat <<'END'\n{APT_PLAN}END\n")
    put_program(tmp_path / "bin", "apt-mark", "echo mariadb-server")

    code, rows, _ = run(
        step("patch-audit", "findings"),
        {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "LISTS_DAYS": "10000"},
    )

    found = {row["cause"]: row for row in rows}
    assert code == 0
    assert found["security"]["message"] == "2 security updates"
    assert found["security"]["details"] == "libssl3 3.0.17-1~deb12u2, linux-image-6.1.0-40-amd64 6.1.153-1"
    assert found["updates"]["details"] == "bash 5.2.15-2+b8"
    assert (found["held"]["message"], found["held"]["details"]) == ("1 held package", "mariadb-server")


def test_patch_audit_does_not_take_a_failing_apt_for_no_updates(step: Finder, tmp_path: Path) -> None:
    put_program(tmp_path / "bin", "apt-get", "echo 'E: Unable to lock' >&2; exit 100")

    code, _, complaint = run(step("patch-audit", "findings"), {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"})

    assert code == 1
    assert "Unable to lock" in complaint


DNF = """\
case "$*" in
  *check-update*) cat <<'END'

openssl-libs.x86_64          1:3.0.7-28.el9_4          baseos
vim-minimal.x86_64           2:8.2.2637-21.el9         baseos
Obsoleting Packages
old.x86_64                   1-1                       baseos
END
  exit 100 ;;
  *updateinfo*) echo 'RHSA-2026:1234 Important/Sec. openssl-libs-3.0.7-28.el9_4.x86_64' ;;
  *versionlock*) exit 1 ;;
esac
"""


def test_patch_audit_counts_security_apart_on_red_hat(step: Finder, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    put_program(tools, "dnf", DNF)
    for name in ("bash", "awk", "sed", "tr", "grep", "cat", "ls", "tail", "uname", "sort"):
        (tools / name).symlink_to(Path("/usr/bin") / name)

    code, rows, _ = run(step("patch-audit", "findings"), {"PATH": str(tools)})

    found = {row["cause"]: row["details"] for row in rows}
    assert code == 0
    assert found["security"] == "openssl-libs.x86_64 1:3.0.7-28.el9_4"
    assert found["updates"] == "vim-minimal.x86_64 2:8.2.2637-21.el9"
    assert "held" not in found


def test_patch_audit_without_a_package_manager_is_not_fine(step: Finder, tmp_path: Path) -> None:
    plan = step("patch-audit", "findings")
    (tmp_path / "bash").symlink_to("/usr/bin/bash")

    code, rows, complaint = run(plan, {"PATH": str(tmp_path)})

    assert code in plan.options["warn_codes"]
    assert rows == []
    assert "nothing was checked" in complaint


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
