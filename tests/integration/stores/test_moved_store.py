"""A store that was a folder and is a bucket now: no night is without a copy, and no old copy is called damaged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from opsrunner.app import App, open_app
from opsrunner.model.backup import CopyState
from opsrunner.model.run import RunStatus

SITE = """\
site: Example Hosting
timezone: UTC
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner, sysadmin]}
stores:
  offsite: STORE
"""
BUCKET = """{{s3: {{bucket: {bucket}, prefix: {prefix}, endpoint: "{endpoint}",
             access_key: {{env: KEY}}, secret_key: {{file: secrets/s3}}}}}}"""
NIGHTLY = """\
name: Nightly
accountable: sysadmin
steps: [{id: copy, backup: {from: "head -c 100000 /dev/urandom", as: x.sql, to: offsite}}]
"""
DRILL = """\
name: Drill
accountable: sysadmin
steps: [{id: drill, restore_drill: {of: nightly/copy, which: random}}]
"""


@pytest.fixture
def site(make_site: Callable[[Mapping[str, str]], Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    files = {
        "opsrunner.yaml": SITE.replace("STORE", "{local: {path: $STATE/copies}}"),
        "routines/nightly.yaml": NIGHTLY,
        "routines/drill.yaml": DRILL,
    }
    root = make_site(files)
    monkeypatch.setenv("KEY", "copies")
    (root / "secrets").mkdir(mode=0o700, exist_ok=True)
    (root / "secrets/s3").write_text("canary-s3cret-of-copies")
    (root / "secrets/s3").chmod(0o600)
    return root


@pytest.fixture
def moved(site: Path, s3_server: Any, bucket: str, prefix: str) -> Iterator[App]:
    """Open the site after it has made a copy into a folder and was then told of a bucket."""
    before = open_app(site)
    assert before.run_by_hand("nightly", actor="boss").status is RunStatus.SUCCEEDED
    before.close()
    store = BUCKET.format(bucket=bucket, prefix=prefix, endpoint=s3_server.endpoint)
    (site / "opsrunner.yaml").write_text(SITE.replace("STORE", store))
    opened = open_app(site)
    yield opened
    opened.close()


def test_the_next_copy_goes_into_the_bucket_and_those_in_the_folder_are_gone(moved: App) -> None:
    run = moved.run_by_hand("nightly", actor="boss")

    (record,) = moved.books.steps.of_run(run.id)
    assert run.status is RunStatus.WARNING
    message = record.outcome.message if record.outcome else ""
    assert "-r1 does not lie in offsite any more; somebody else removed what was there" in message
    assert [(copy.run, copy.state) for copy in moved.books.copies.lying()] == [(2, CopyState.GOOD)]
    assert moved.run_by_hand("nightly", actor="boss").status is RunStatus.SUCCEEDED
    assert moved.run_by_hand("drill", actor="boss").status is RunStatus.SUCCEEDED


def test_a_drill_before_that_fails_and_calls_no_copy_damaged(moved: App) -> None:
    (copy,) = moved.books.copies.lying()

    assert moved.run_by_hand("drill", actor="boss").status is RunStatus.FAILED

    assert [one.state for one in moved.books.copies.named(copy.name)] == [CopyState.GONE]
