"""What other tools back up, on the page: gaps, proofs, and names from elsewhere as text."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from opsrunner.app import App
from opsrunner.model.foreign import Checked, ForeignBackup, ForeignDrill, ForeignState, Found
from opsrunner.testing import FakeClock

SignedIn = Callable[[str], Any]
HOSTILE = "<script>alert(1)</script>"
OTHERS = """\
name: Backups that others make
accountable: sysadmin
schedule: {every: day, at: "08:00"}
steps:
  - id: accounts
    backup_check: {expect: [alice, bob], store: panel, name: "{key}.tar", restored_within: 30d}
"""


@pytest.fixture
def app(app: App) -> App:
    """The site with a routine that checks."""
    site_file, routine = app.root / "opsrunner.yaml", app.root / "routines/others.yaml"
    site_file.write_text(site_file.read_text() + "stores:\n  panel: {local: {path: panel}}\n")
    routine.write_text(OTHERS)
    routine.chmod(0o600)
    app.in_force.refresh()
    return app


@pytest.fixture
def checked(app: App, clock: FakeClock) -> Callable[..., None]:
    """Write what a check found: `checked(alice="fine", bob="missing")`."""

    def write(*, hours_ago: float = 1, **states: str) -> None:
        at = clock.now() - timedelta(hours=hours_ago)
        backups = tuple(
            ForeignBackup(
                key=key,
                state=ForeignState(state),
                words="" if state == "fine" else f"{state} {HOSTILE}",
                newest=None if state == "missing" else Found(key=key, name=f"{key}.tar", made_at=at, size_bytes=5),
            )
            for key, state in states.items()
        )
        app.books.copies.note([Checked(routine="others", step="accounts", at=at, backups=backups)])

    return write


def proven(app: App, clock: FakeClock, key: str, problem: str = "") -> None:
    drill = ForeignDrill(
        routine="others", step="accounts", key=key, at=clock.now(), by="run 7", files=2, bytes=9, problem=problem
    )
    app.books.copies.note([drill])


def test_before_the_first_look_nothing_is_known(signed_in: SignedIn, app: App) -> None:
    text = signed_in("ops1").get("/backups").text
    assert "0 of 1 backup is proven and fresh" in text
    assert "not checked yet" in text


def test_gaps_are_named_with_why_as_text(signed_in: SignedIn, checked: Callable[..., None]) -> None:
    checked(alice="fine", bob="missing", **{HOSTILE: "stale"})
    text = signed_in("ops1").get("/backups").text
    assert '<span class="tag bad">2 gaps</span>' in text
    assert "1 of 3 fresh" in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert HOSTILE not in text


def test_only_small_ones_want_a_look(signed_in: SignedIn, checked: Callable[..., None]) -> None:
    checked(alice="fine", bob="small")
    assert '<span class="tag warn">1 gap</span>' in signed_in("ops1").get("/backups").text


def test_it_is_green_when_all_are_fresh_and_one_was_restored(
    signed_in: SignedIn, app: App, clock: FakeClock, checked: Callable[..., None]
) -> None:
    checked(alice="fine", bob="fine")
    assert '<span class="tag warn">never restored</span>' in signed_in("ops1").get("/backups").text

    proven(app, clock, "bob")
    text = signed_in("ops1").get("/backups").text
    assert "1 of 1 backup is proven and fresh" in text
    assert "1 of 2 restored at least once" in text
    assert "2 files, 9 B" in text
    proven(app, clock, "alice", problem=f"{HOSTILE} went wrong")
    assert "&lt;script&gt;alert(1)&lt;/script&gt; went wrong" in signed_in("ops1").get("/backups").text


def test_a_check_that_did_not_come_is_not_green(
    signed_in: SignedIn, app: App, clock: FakeClock, checked: Callable[..., None]
) -> None:
    checked(hours_ago=50, alice="fine", bob="fine")
    proven(app, clock, "bob")
    assert '<span class="tag warn">not checked</span>' in signed_in("ops1").get("/backups").text
    checked(alice="fine", bob="fine")
    clock.move(days=31)
    checked(alice="fine", bob="fine")
    assert '<span class="tag warn">proof overdue</span>' in signed_in("ops1").get("/backups").text
