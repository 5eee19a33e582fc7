"""Backups on the page: how copies stand, what was proven, and that names from elsewhere are text."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from opsrunner.app import App
from opsrunner.model.backup import Drill, Reread
from opsrunner.testing import FakeClock

from ...copied import new_copy

SignedIn = Callable[[str], Any]
HOSTILE = "<script>alert(1)</script>"
BACKUPS = """\
name: Nightly backups
accountable: sysadmin
schedule: {every: day, at: "02:30"}
steps:
  - id: copy
    backup: {paths: [/etc], to: disk}
"""


@pytest.fixture
def app(app: App) -> App:
    """The site with a routine that copies."""
    site_file, routine = app.root / "opsrunner.yaml", app.root / "routines/backups.yaml"
    site_file.write_text(site_file.read_text() + "stores:\n  disk: {local: {path: copies}}\n")
    routine.write_text(BACKUPS)
    routine.chmod(0o600)
    app.in_force.refresh()
    return app


@pytest.fixture
def made(app: App, clock: FakeClock) -> Callable[..., int]:
    """Write a copy into the catalogue, and return its number."""

    def write(*, hours_ago: float = 1, **changes: Any) -> int:
        at = clock.now() - timedelta(hours=hours_ago)
        values: dict[str, Any] = {
            "name": f"backups/copy/{at:%Y-%m-%dT%H%M%SZ}-r1",
            "routine": "backups",
            "checked_by": "SHA-256, read back",
            "size_bytes": 3_000_000,
            "plain_bytes": 9_000_000,
            "files": 12,
            "of": "/etc",
        }
        app.books.copies.note([new_copy(at, **(values | changes))])
        return app.books.copies.lying()[0].id

    return write


def drilled(app: App, clock: FakeClock, copy: int, problem: str = "") -> None:
    drill = Drill(copy=copy, at=clock.now(), files=20, bytes=100, seconds=1.5, is_whole=False, problem=problem)
    app.books.copies.note([drill])


def test_it_says_what_is_not_yet_copied(signed_in: SignedIn, app: App) -> None:
    text = signed_in("ops1").get("/backups").text
    assert "0 of 1 backup is proven and fresh" in text
    assert "no copy yet" in text


def test_a_copy_is_green_when_something_of_it_was_restored(
    signed_in: SignedIn, app: App, clock: FakeClock, made: Callable[..., int]
) -> None:
    made(hours_ago=30)
    copy = made()
    assert "never restored" in signed_in("ops1").get("/backups").text

    drilled(app, clock, copy)
    text = signed_in("ops1").get("/backups").text
    assert "1 of 1 backup is proven and fresh" in text
    assert "3.0 MB in disk, received whole (SHA-256, read back)" in text
    assert "20 files in 1.5 s" in text
    assert 'aria-label="Sizes of the last 2 copies of Nightly backups, copy"' in text


def test_an_old_copy_is_not_fresh(signed_in: SignedIn, app: App, clock: FakeClock, made: Callable[..., int]) -> None:
    drilled(app, clock, made(hours_ago=60))
    text = signed_in("ops1").get("/backups").text
    assert '<span class="tag warn">old</span>' in text


def test_what_is_damaged_says_why_as_text(
    signed_in: SignedIn, app: App, clock: FakeClock, made: Callable[..., int]
) -> None:
    drilled(app, clock, made(), problem=f"{HOSTILE} is not what was sent")
    text = signed_in("ops1").get("/backups").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; is not what was sent" in text
    assert HOSTILE not in text


def keep(app: App, words: str) -> None:
    (app.root / "routines/backups.yaml").write_text(BACKUPS.replace("to: disk", f"to: disk, keep: {words}"))
    app.in_force.refresh()


def told(text: str) -> list[str]:
    """Return what the list says of why each copy stays, newest first, without its markup."""
    return [
        " ".join(re.sub(r"<[^>]*>", " ", found).split())
        for found in re.findall(r'<small class="stays">(.*?)</small>', text)
    ]


def test_it_says_for_what_each_copy_stays_and_which_goes_next(
    signed_in: SignedIn, app: App, made: Callable[..., int]
) -> None:
    keep(app, "{daily: 3, weekly: 2}")
    for days_ago in range(6):
        made(hours_ago=6.5 + 24 * days_ago)  # 02:30 in Oslo, Friday to Sunday

    text = signed_in("ops1").get("/backups").text

    assert told(text) == [
        "stays: the newest good one, day 1 of 3, week 1 of 2",
        "stays: day 2 of 3",
        "goes next until then day 3 of 3",
        "goes next nothing asks for it",
        "goes next nothing asks for it",
        "stays: week 2 of 2",
    ]
    assert "Keeps 3 daily, 2 weekly; 3 copies go once the next one has come, tomorrow 02:30</p>" in text


def test_a_copy_in_doubt_and_a_damaged_one_say_why_they_stay(
    signed_in: SignedIn, app: App, clock: FakeClock, made: Callable[..., int]
) -> None:
    keep(app, "{last: 2, daily: 2}")
    made(hours_ago=54.5)
    drilled(app, clock, made(hours_ago=30.5), problem="it is not what was sent")
    made(hours_ago=6.5, doubts=("it is small",))

    assert told(signed_in("ops1").get("/backups").text) == [
        "stays: its day has no good one, no good one is newer",
        "stays: it is left to a person",
        "stays: the newest good one, copy 1 of the last 2, day 1 of 2",
    ]


def test_without_a_keep_every_copy_stays_and_nothing_more_is_said(
    signed_in: SignedIn, app: App, made: Callable[..., int]
) -> None:
    made()
    text = signed_in("ops1").get("/backups").text
    assert '<p class="meta">Keeps every copy</p>' in text
    assert told(text) == []


def test_a_clock_in_doubt_is_said_once_and_nothing_goes(
    signed_in: SignedIn, app: App, made: Callable[..., int]
) -> None:
    keep(app, "{last: 1}")
    made(hours_ago=30.5)
    made(hours_ago=-30)
    text = signed_in("ops1").get("/backups").text
    assert text.count("the clock cannot be right: ") == 1
    assert (told(text), "goes next" in text) == ([], False)


def test_each_store_has_a_ladder_of_its_own(signed_in: SignedIn, app: App, made: Callable[..., int]) -> None:
    site_file = app.root / "opsrunner.yaml"
    site_file.write_text(site_file.read_text() + "  other: {local: {path: others}}\n")
    keep(app, "{last: 1}, also_to: other")
    made()
    made(store="other")
    text = signed_in("ops1").get("/backups").text
    assert text.count("Keeps the last one; 1 copy goes once the next one has come") == 2
    assert len(told(text)) == 2


def test_a_store_without_a_copy_is_not_made_good_by_another(
    signed_in: SignedIn, app: App, clock: FakeClock, made: Callable[..., int]
) -> None:
    site_file = app.root / "opsrunner.yaml"
    site_file.write_text(site_file.read_text() + "  other: {local: {path: others}}\n")
    keep(app, "{last: 1}, also_to: [other]")
    drilled(app, clock, made())
    text = signed_in("ops1").get("/backups").text
    assert "1 of 2 backups are proven and fresh" in text
    assert "No copy has come to other yet." in text


def test_a_store_that_is_not_written_to_is_shown_and_does_not_count(
    signed_in: SignedIn, app: App, clock: FakeClock, made: Callable[..., int]
) -> None:
    keep(app, "{last: 1}")
    made(store="left", hours_ago=100)
    drilled(app, clock, made())
    text = signed_in("ops1").get("/backups").text
    assert "1 of 1 backup is proven and fresh" in text
    assert ">not written to</span>" in text
    assert text.count("goes once the next one has come") == 1


def test_damage_in_a_store_that_is_not_written_to_is_in_the_headline(
    signed_in: SignedIn, app: App, clock: FakeClock, made: Callable[..., int]
) -> None:
    keep(app, "{last: 1}")
    drilled(app, clock, made())
    headlines = [", 1 damaged copy in a store", ", 2 damaged copies in a store", ", 3 damaged copies in stores"]
    for number, store in enumerate(("left", "left", "older")):
        copy = made(store=store, hours_ago=0.5 - number / 10)
        app.books.copies.note([Reread(copy=copy, at=clock.now(), problem="it is cut short")])
        text = signed_in("ops1").get("/backups").text
        assert f"1 of 1 backup is proven and fresh{headlines[number]} not written to" in text


def test_more_copies_than_are_shown_are_counted(signed_in: SignedIn, made: Callable[..., int]) -> None:
    for days_ago in range(43):
        made(hours_ago=6.5 + 24 * days_ago)
    assert "<span>and 3 older</span>" in signed_in("ops1").get("/backups").text
