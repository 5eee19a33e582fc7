"""What staff do on the page, in a real browser."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route, expect

pytestmark = pytest.mark.needs("chromium")
SignedIn = Callable[..., Page]
Served = Any
REPORT, QUEUE, RACK = "Read the restore report and sign it off", "Confirm that the mail queue is empty", "rack 4"


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_a_person_ticks_with_a_note_a_photo_and_one_touch(
    served: Served, signed_in: SignedIn, tmp_path: Path, scripts: bool
) -> None:
    page = signed_in("ops1", width=390, scripts=scripts)
    expect(page.get_by_role("heading", level=1)).to_have_text("Three things need you")

    page.get_by_role("button", name=f"Mark done: {QUEUE}").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Two things need you")

    page.get_by_role("link", name=f"Open to mark: {REPORT}").click()
    item = page.locator("li.task", has_text=REPORT)
    item.get_by_label("What did you find and do?").fill("all databases are there")
    item.get_by_role("button", name="Done").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("One thing needs you")

    picture = tmp_path / "rack.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(500))
    page.get_by_role("link", name="Open to mark: Take a picture").click()
    item = page.locator("li.task", has_text=RACK)
    item.get_by_label("Photo or file").set_input_files(picture)
    item.get_by_label("Units free").fill("7,5")
    item.get_by_label("Order").select_option("4")
    item.get_by_label("Door").select_option("locked")
    item.get_by_role("button", name="Done").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Nothing needs you")
    expect(page.get_by_text("all databases are there")).to_be_visible()
    expect(page.get_by_text("units free 7.5, order 4, door locked")).to_be_visible()
    assert served.ask("tasks").startswith("No open task")


def test_what_one_ticks_is_seen_by_the_other_within_two_seconds(signed_in: SignedIn) -> None:
    mine, other = signed_in("ops1"), signed_in("boss", width=390)
    expect(other.get_by_role("heading", level=1)).to_have_text("Three things need you")
    mine.get_by_role("button", name=f"Mark done: {QUEUE}").click()
    expect(other.get_by_role("heading", level=1)).to_have_text("Two things need you", timeout=2000)


def test_what_happens_before_the_line_stands_is_seen_as_soon_as_it_stands(served: Served, signed_in: SignedIn) -> None:
    follower, other = signed_in("boss"), signed_in("ops1")
    expect(follower.get_by_role("heading", level=1)).to_have_text("Three things need you")

    stands: list[bool] = []

    def late(route: Any) -> None:
        served.ask("tick", "2", "--as", "boss")
        expect(follower.get_by_role("heading", level=1)).to_have_text("Two things need you")
        time.sleep(2)  # until nothing else is written
        route.continue_()
        stands.append(True)

    other.route("**/live", late)
    other.reload()
    while not stands:
        other.wait_for_timeout(20)
    expect(other.get_by_role("heading", level=1)).to_have_text("Two things need you", timeout=1500)


def test_a_line_that_was_refused_is_asked_for_again(served: Served, signed_in: SignedIn) -> None:
    """As a proxy does while opsrunner is started anew; a browser by itself asks no more then."""
    page = signed_in("ops1")
    page.clock.install()
    page.route("**/live", lambda route: route.fulfill(status=502))
    page.reload()
    page.wait_for_timeout(500)
    page.unroute("**/live")
    page.clock.run_for(61_000)
    page.wait_for_timeout(1500)
    served.ask("tick", "2", "--as", "boss")
    expect(page.get_by_role("heading", level=1)).to_have_text("Two things need you", timeout=2500)


def test_what_is_being_written_is_not_lost_when_others_tick(signed_in: SignedIn) -> None:
    mine, other = signed_in("ops1"), signed_in("boss")
    other.get_by_role("link", name=f"Open to mark: {REPORT}").click()
    note = other.locator("li.task", has_text=REPORT).get_by_label("What did you find and do?")
    note.fill("half a sent")
    mine.get_by_role("button", name=f"Mark done: {QUEUE}").click()
    other.wait_for_timeout(2500)
    expect(note).to_have_value("half a sent")
    expect(note).to_be_visible()


def test_what_is_opened_while_news_are_on_their_way_stays_open(served: Served, signed_in: SignedIn) -> None:
    page = signed_in("boss")
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        is_news = "x-shown" in route.request.headers
        held.append(route) if is_news and not held else route.continue_()

    page.route("**/*", hold_the_first)
    served.ask("task", "add", "Call the landlord", "--for", "boss", "--as", "boss")
    for _ in range(100):
        if held:
            break
        page.wait_for_timeout(100)
    page.get_by_role("link", name=f"Open to mark: {REPORT}").click()
    note = page.locator("li.task", has_text=REPORT).get_by_label("What did you find and do?")
    expect(note).to_be_visible()
    page.evaluate("document.activeElement.blur()")
    held[0].continue_()
    page.wait_for_timeout(1500)
    note.fill("half a sent", timeout=2000)
    note.fill("")
    note.blur()
    expect(page.get_by_text("Call the landlord").first).to_be_visible()


def test_a_touch_opens_what_asks_also_before_our_own_script_has_come(signed_in: SignedIn) -> None:
    page = signed_in("boss")
    page.route("**/page.js*", lambda route: route.fulfill(body="", content_type="text/javascript"))
    page.reload()
    page.get_by_role("link", name=f"Open to mark: {REPORT}").click()
    expect(page.locator("li.task", has_text=REPORT).get_by_label("What did you find and do?")).to_be_visible()


def test_a_tick_is_undone_and_a_task_handed_over(served: Served, signed_in: SignedIn) -> None:
    page = signed_in("ops1")
    page.get_by_role("button", name=f"Mark done: {QUEUE}").click()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Three things need you")
    item = page.locator("li.task", has_text=QUEUE)
    item.locator("summary").click()
    item.get_by_label("Hand over to").select_option(label="The owner")
    item.get_by_role("button", name="Hand over").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Two things need you")
    assert "The owner" in served.ask("tasks")


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_page_is_for_everybody_and_fits(signed_in: SignedIn, served: Served, width: int, dark: bool) -> None:
    served.ask("incident", "open", "web1", "--title", "Mail on web1 is slow", "--as", "boss")
    page = signed_in("boss", width=width, dark=dark)
    for path in (
        "/?open=1",
        "/today",
        "/routines",
        "/routines/review",
        "/runs/1",
        "/tasks/new",
        "/tasks/1",
        "/hosts",
        "/hosts/web1",
        "/backups",
        "/notices",
        "/maintenance",
        "/digests",
        "/health",
        "/search",
        "/search?q=review&since=2026-01-01",
        "/team",
        "/team?enter=cover",
        "/calendar",
        "/calendar?view=week",
        "/tasks/99",
    ):
        page.goto(served.address + path)
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        for title in page.locator("details[open] summary > :first-child").all():
            box = title.bounding_box()
            assert box is not None
            assert box["width"] > 150, f"{path}: an open task is squeezed"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} scrolls sideways"


def test_an_owners_many_doors_fit_a_screen_of_any_width(served: Served, signed_in: SignedIn) -> None:
    page = signed_in("boss")
    page.goto(served.address)
    too_wide = []
    for width in range(320, 1300, 20):
        page.set_viewport_size({"width": width, "height": 900})
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            too_wide.append(width)
    assert too_wide == []


def test_a_page_is_light(signed_in: SignedIn, served: Served) -> None:
    page = signed_in("boss")
    page.goto(served.address + "/", wait_until="networkidle")
    whole = ["navigation", "resource"]
    weights = page.evaluate(
        "kinds => kinds.flatMap(k => performance.getEntriesByType(k)).map(e => e.encodedBodySize)", whole
    )
    assert len(weights) > 1
    assert 0 < sum(weights) < 100_000


def test_the_keyboard_is_enough(signed_in: SignedIn) -> None:
    page = signed_in("ops1")
    page.get_by_role("button", name=f"Mark done: {QUEUE}").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Two things need you")


def test_a_slash_leads_to_the_search_from_every_page_but_not_from_a_field(signed_in: SignedIn, served: Served) -> None:
    page = signed_in("ops1")
    page.locator("summary", has_text="Leave a note").click()
    note = page.get_by_label("What should they know?")
    note.press_sequentially("web5/disk")
    expect(note).to_have_value("web5/disk")
    note.fill("")
    note.blur()
    page.keyboard.press("/")
    field = page.get_by_label("What are you looking for?")
    expect(field).to_be_focused()
    expect(field).to_have_value("")
    field.fill("restore")
    field.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("1 task")
    expect(page.locator("mark")).to_have_text("restore")
    page.locator("h1").click()
    page.keyboard.press("/")
    expect(field).to_be_focused()


def test_the_search_works_without_scripts(signed_in: SignedIn, served: Served) -> None:
    page = signed_in("ops1", width=390, scripts=False)
    page.goto(served.address + "/search")
    page.get_by_label("What are you looking for?").fill("#1")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("1 run")
    page.get_by_role("link", name="Weekly review #1").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Weekly review")
