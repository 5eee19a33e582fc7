"""Copies by the installed program: made, killed in the middle, restored, and the ledger put back."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from .conftest import SCRIPT, Answer, plain_environment

SITE = """\
site: Example Hosting
timezone: UTC
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner, sysadmin]}
stores:
  disk: {local: {path: copies}}
"""
NIGHTLY = """\
name: Nightly
accountable: sysadmin
steps:
  - id: copy
    backup: {paths: [data], to: disk}
    after_crash: rerun
"""
Run = Callable[..., Answer]


@pytest.fixture
def site(make_site: Callable[[Mapping[str, str]], Path]) -> Path:
    """A site with 60 MB that do not compress."""
    root = make_site({"opsrunner.yaml": SITE, "routines/nightly.yaml": NIGHTLY})
    (root / "data").mkdir()
    for number in range(12):
        (root / "data" / f"file {number}").write_bytes(os.urandom(5_000_000))
    return root


def final(site: Path, pattern: str) -> list[Path]:
    return [path for path in (site / "copies").rglob(pattern) if not path.name.startswith(".")]


def test_kills_at_random_moments_leave_no_half_copy(site: Path, opsrunner: Run) -> None:
    """The short form: eight kills. Whatever bears a final name is whole, and the next run clears the rest away."""
    dice = random.Random(7)
    opsrunner("run", "nightly", "--as", "boss", site=site)
    for _ in range(8):
        running = subprocess.Popen(
            [str(SCRIPT), "run", "nightly", "--as", "boss"],
            cwd=site,
            env=plain_environment(site),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(dice.uniform(0.3, 1.6))
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        for archive in final(site, "*.tar.zst"):
            assert subprocess.run(["zstd", "-qt", archive], check=False).returncode == 0, archive
        for manifest in final(site, "*.json"):
            said = json.loads(manifest.read_text())
            for file in (*said["archive"], said["index"]):
                assert (site / "copies" / file["name"]).stat().st_size == file["size"]

    done = opsrunner("run", "nightly", "--as", "boss", site=site)

    assert done.returncode == 0, done.stdout + done.stderr
    assert list((site / "copies").rglob("*.part")) == []
    listed = json.loads(opsrunner("backups", "list", "--json", site=site).stdout)
    assert {copy["state"] for copy in listed} == {"good"}
    newest = opsrunner("backups", "restore", str(listed[0]["id"]), "--to", "back", "--as", "boss", site=site)
    assert newest.returncode == 0, newest.stderr
    assert subprocess.run(["diff", "-r", site / "data", site / "back/data"], check=False).returncode == 0


def test_a_lost_ledger_is_put_back_by_one_command(site: Path, opsrunner: Run) -> None:
    opsrunner("run", "nightly", "--as", "boss", site=site)
    assert opsrunner("backup-state", "--store", "disk", "--as", "boss", site=site).returncode == 0
    refused = opsrunner("backup-state", "--restore", "--store", "disk", site=site)
    (site / "var/ledger.db").unlink()

    back = opsrunner("backup-state", "--restore", "--store", "disk", site=site)

    assert refused.returncode == 1
    assert "is there; move it away first" in refused.stderr
    assert back.returncode == 0, back.stderr
    assert json.loads(opsrunner("runs", "--json", site=site).stdout)[0]["routine"] == "nightly"


def test_what_cannot_be_is_said_in_one_line(site: Path, opsrunner: Run) -> None:
    opsrunner("run", "nightly", "--as", "boss", site=site)
    (site / "file").write_text("no folder")
    for arguments, code, words in (
        (("backups", "show", "7"), 1, "there is no copy '7'; opsrunner backups list shows all"),
        (("backups", "restore", "x", "--to", "out", "--as", "boss"), 1, "there is no copy 'x'"),
        (
            ("backups", "restore", "1", "--to", "file/out", "--as", "boss"),
            1,
            "file/out cannot be made: not a directory",
        ),
        (("backups", "restore", "1", "--to", "/proc/out", "--as", "boss"), 1, "/proc/out cannot be made: no such file"),
        (("backup-state", "--to", "/proc/ledger.db", "--as", "boss"), 1, "could not be copied to /proc/ledger.db"),
        (("backups", "adopt", "nowhere", "--as", "boss"), 1, "there is no store 'nowhere' in opsrunner.yaml"),
        (("backup-state",), 2, "say --to FILE or --store STORE"),
        (("backup-state", "--restore", "--store", "disk"), 1, "the store has no copy of a ledger"),
    ):
        answer = opsrunner(*arguments, site=site)
        assert answer.returncode == code, arguments
        assert words in answer.stderr
        assert answer.stderr.count("\n") == 1


OTHERS = """\
name: Others
accountable: boss
steps:
  - id: all
    backup_check: {expect: [alice, bob], store: disk, name: "{key}.tar"}
"""


def test_what_other_tools_left_out_is_listed_and_a_proof_by_hand_recorded(site: Path, opsrunner: Run) -> None:
    (site / "routines/others.yaml").write_text(OTHERS)
    (site / "routines/others.yaml").chmod(0o600)
    (site / "copies").mkdir(exist_ok=True)
    (site / "copies/alice.tar").write_bytes(b"x" * 2000)

    before = opsrunner("backups", "others", site=site)
    checked = opsrunner("run", "others", "--as", "boss", site=site)
    listed = opsrunner("backups", "others", site=site)
    proven = opsrunner("backups", "proven", "others/all", "alice", "--note", "by hand", "--as", "boss", site=site)
    (told,) = json.loads(opsrunner("backups", "others", "--all", "--json", site=site).stdout)

    assert "not checked yet" in before.stdout
    assert checked.returncode == 1
    assert "1 of 2 have a fresh backup in disk; missing: bob" in checked.stdout
    assert re.search(r"bob +missing +none", listed.stdout)
    assert "alice" not in listed.stdout
    assert proven.stdout.startswith("alice was restored ")
    assert (told["check"], told["expected"]) == ("others/all", 2)
    assert [(one["key"], one["state"], one["restored_at"] is None) for one in told["backups"]] == [
        ("alice", "fine", False),
        ("bob", "missing", True),
    ]
    for arguments, words in (
        (("others/all", "mallory"), "'mallory' is nothing that others/all expects"),
        (("others", "alice"), "no backup_check step 'others' has found anything"),
    ):
        answer = opsrunner("backups", "proven", *arguments, "--as", "boss", site=site)
        assert (answer.returncode, answer.stderr.count("\n")) == (1, 1)
        assert words in answer.stderr
