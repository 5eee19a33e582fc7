"""Copies by the installed program: made, restored, and the ledger put back."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from .conftest import Answer

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
"""
Run = Callable[..., Answer]


@pytest.fixture
def site(make_site: Callable[[Mapping[str, str]], Path]) -> Path:
    root = make_site({"opsrunner.yaml": SITE, "routines/nightly.yaml": NIGHTLY})
    (root / "data").mkdir()
    (root / "data" / "file").write_text("precious")
    return root


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


def test_where_the_newest_copy_of_the_ledger_is_damaged_it_says_so_and_takes_the_one_before(
    site: Path, opsrunner: Run
) -> None:
    first, second = (
        json.loads(opsrunner("backup-state", "--store", "disk", "--as", "boss", "--json", site=site).stdout)["name"]
        for _ in _seconds(2)
    )
    (site / f"copies/{second}.ledger.db.zst").write_bytes(b"rust")
    (site / "var/ledger.db").unlink()

    back = opsrunner("backup-state", "--restore", "--store", "disk", "--json", site=site)
    (site / "var/ledger.db").unlink()
    named = opsrunner("backup-state", "--restore", "--store", "disk", "--copy", second, site=site)

    assert back.returncode == 0, back.stderr
    assert json.loads(back.stdout)["copy"] == first
    assert back.stderr.startswith(f"opsrunner: {second} is passed by: ")
    assert back.stderr.count("\n") == 1
    assert named.returncode == 1
    assert not (site / "var/ledger.db").exists()


def _seconds(count: int) -> Iterator[int]:
    """Yield numbers, a second of the clock apart: copies by hand are named after it."""
    for number in range(count):
        if number:
            time.sleep(1.1)
        yield number


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
        (("backup-state", "--store", "disk", "--copy", "x"), 2, "--copy goes with --restore --store STORE"),
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
