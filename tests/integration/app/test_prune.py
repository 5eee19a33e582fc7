"""`opsrunner backups prune` over the ledger and the stores of a whole site."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from opsrunner.app import open_app
from opsrunner.cli.main import opsrunner
from opsrunner.cli.session import Session
from opsrunner.model.backup import Copy
from opsrunner.model.run import RunStatus

SITE = """\
site: Example Hosting
timezone: UTC
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner, sysadmin]}
stores:
  disk: {local: {path: $STATE/disk}}
  old: {local: {path: $STATE/old}}
"""
NIGHTLY = """\
name: Nightly
accountable: sysadmin
steps: [{id: copy, backup: {from: "echo a dump", as: x.sql, to: TO, doubt: {small: fine}, keep: {last: KEEP}}}]
"""


@pytest.fixture
def site(make_site: Callable[[Mapping[str, str]], Path]) -> Path:
    """Make a site whose routines have four copies each, `alpha` in `old`, and are to keep two from now on."""
    root = make_site({"opsrunner.yaml": SITE, **routines(keep="9")})
    app = open_app(root)
    for routine in ("alpha", "beta") * 4:
        assert app.run_by_hand(routine, actor="boss").status is RunStatus.SUCCEEDED
    app.close()
    for name, text in routines(keep="2").items():
        (root / name).write_text(text)
    return root


def routines(*, keep: str) -> dict[str, str]:
    return {
        f"routines/{name}.yaml": NIGHTLY.replace("TO", store).replace("KEEP", keep)
        for name, store in (("alpha", "old"), ("beta", "disk"))
    }


def ask(site: Path, *words: str) -> Result:
    given = ["backups", *words, "--site", str(site)]
    return CliRunner().invoke(opsrunner, given, obj=Session(), standalone_mode=False)


def prune(site: Path, *words: str) -> tuple[int, Any]:
    """Return the exit code, and what is answered as JSON."""
    answer = ask(site, "prune", *words, "--as", "boss", "--json")
    return answer.return_value, json.loads(answer.stdout)


def removed(answer: Any) -> list[str]:
    return [name for plan in answer["plans"] for name in plan["removed"]]


def copies(site: Path) -> list[Copy]:
    app = open_app(site)
    found = app.books.copies.lying()
    app.close()
    return found


def lying(site: Path) -> list[str]:
    return sorted(path.stem for path in (site / "var").glob("*/*/copy/*.json"))


def test_it_removes_just_what_it_said_it_would_and_nothing_the_next_time(site: Path) -> None:
    before = copies(site)

    code, shown = prune(site, "--dry-run")
    assert (code, len(removed(shown)), copies(site), len(lying(site))) == (0, 4, before, 8)
    code, done = prune(site)

    assert (code, removed(done), done["problems"]) == (0, removed(shown), [])
    after = copies(site)
    assert {copy.name for copy in before} - {copy.name for copy in after} == set(removed(shown))
    assert lying(site) == sorted(copy.name.rpartition("/")[2] for copy in after)
    for routine in ("alpha", "beta"):
        of_routine = [copy for copy in before if copy.routine == routine]
        assert [copy for copy in after if copy.routine == routine] == of_routine[:2]
    assert [removed(prune(site)[1]), copies(site)] == [[], after]


def test_a_store_that_was_taken_out_of_the_site_stops_nothing(site: Path) -> None:
    (site / "opsrunner.yaml").write_text(SITE.replace("  old: {local: {path: $STATE/old}}\n", ""))
    (site / "routines/alpha.yaml").write_text(NIGHTLY.replace("TO", "disk").replace("KEEP", "2"))
    oldest = [copy.name for copy in copies(site) if copy.routine == "alpha"][2:]

    answer = ask(site, "prune", "--as", "boss")

    assert answer.return_value == 1
    lines = [" ".join(line.split()) for line in answer.stdout.splitlines()]
    assert len([line for line in lines if line.startswith("went ")]) == 2, "what stays did not go"
    for name in oldest:
        assert any(f"{name} stays in old: there is no store 'old' in opsrunner.yaml" in line for line in lines)
    assert len([copy for copy in copies(site) if copy.routine == "beta"]) == 2
    assert removed(prune(site)[1]) == []


def test_the_copies_of_a_store_that_was_taken_out_are_gone_once_that_is_said(site: Path) -> None:
    (site / "opsrunner.yaml").write_text(SITE.replace("  old: {local: {path: $STATE/old}}\n", ""))
    (site / "routines/alpha.yaml").write_text(NIGHTLY.replace("TO", "disk").replace("KEEP", "2"))

    assert "there is no store 'old'" in str(ask(site, "adopt", "old", "--as", "boss").exception)
    answer = ask(site, "adopt", "old", "--moved", "--as", "boss", "--json")

    assert (answer.return_value, len(json.loads(answer.stdout)["gone"])) == (0, 4)
    assert {copy.store for copy in copies(site)} == {"disk"}
    assert "there is no store 'old'" in str(ask(site, "adopt", "old", "--moved", "--as", "boss").exception)
    assert prune(site)[0] == 0
